//! How text for people looks: coloured or not, glyphs or ASCII, redrawn or not. Decided once, for each stream.

use crate::global::{ColorChoice, Global};
use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

static LOOK: OnceLock<Look> = OnceLock::new();

/// What was decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Signs of the ASCII set only.
    pub(crate) ascii: bool,
    /// Nothing is drawn over what was drawn, tables are lists of records, choices are numbered.
    pub(crate) accessible: bool,
    /// Standard output is coloured.
    pub(crate) stdout: bool,
    /// Standard error is coloured.
    pub(crate) stderr: bool,
    /// Errors are for a program.
    pub(crate) json: bool,
}

impl Look {
    /// From the flags and the environment.
    #[must_use]
    pub(crate) fn new(global: &Global) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let choice = if global.no_color { ColorChoice::Never } else { global.color.unwrap_or(ColorChoice::Auto) };
        Self {
            ascii: global.ascii || !is_utf8(&var),
            accessible: global.accessible,
            stdout: is_coloured(choice, io::stdout().is_terminal(), &var),
            stderr: is_coloured(choice, io::stderr().is_terminal(), &var),
            json: global.wants_json(),
        }
    }

    /// From now on, all text for people looks like this.
    pub(crate) fn adopt(self) {
        console::set_colors_enabled(self.stdout);
        console::set_colors_enabled_stderr(self.stderr);
        // the first one stays: it is that of the command line
        let _ = LOOK.set(self);
    }

    /// How it was decided; plain before that.
    #[must_use]
    pub(crate) fn of_now() -> Self {
        LOOK.get().copied().unwrap_or_default()
    }

    /// Text for standard output.
    #[must_use]
    pub(crate) fn paint(self, text: &str) -> Cow<'_, str> {
        paint(text, self.ascii, self.stdout)
    }

    /// Text without colours, in the signs that can be shown.
    #[must_use]
    pub(crate) fn plain(self, text: &str) -> Cow<'_, str> {
        paint(text, self.ascii, false)
    }

    /// An error's text for standard error.
    #[must_use]
    pub(crate) fn paint_error(self, text: &str) -> String {
        let text = paint(text, self.ascii, false);
        if !self.stderr {
            return text.into_owned();
        }
        let head = |line: &str, word: &str, style: &str| {
            line.strip_prefix(word).map(|rest| format!("\u{1b}[{style}m{word}\u{1b}[0m{rest}"))
        };
        let line = |line: &str| {
            head(line, "error:", "1;31").or_else(|| head(line, "try:", "1;36")).unwrap_or_else(|| line.to_owned())
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Whether a stream is coloured: the flag, then the variables that programs agree on, then whether it is a terminal.
fn is_coloured(choice: ColorChoice, terminal: bool, var: &dyn Fn(&str) -> Option<String>) -> bool {
    match choice {
        ColorChoice::Always => return true,
        ColorChoice::Never => return false,
        ColorChoice::Auto => {}
    }
    if var("NO_COLOR").is_some() || var("BIB_NO_COLOR").is_some() {
        return false;
    }
    if var("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    let refused = var("CLICOLOR").is_some_and(|value| value == "0") || var("TERM").is_some_and(|term| term == "dumb");
    terminal && !refused
}

/// Whether the locale's letters are UTF-8; where nothing is set, they are.
fn is_utf8(var: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale = var("LC_ALL").or_else(|| var("LC_CTYPE")).or_else(|| var("LANG"));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The signs that states have, each with its ASCII form and its colour.
fn sign(letter: char) -> Option<(&'static str, &'static str)> {
    Some(match letter {
        '●' => ("*", "32"),
        '✓' => ("+", "32"),
        '✗' => ("x", "31"),
        '◌' => ("o", "33"),
        '⏸' => ("=", "33"),
        '…' => ("~", ""),
        '·' => ("-", ""),
        '→' => (">", ""),
        _ => return None,
    })
}

fn paint(text: &str, ascii: bool, colour: bool) -> Cow<'_, str> {
    if !(ascii || colour) {
        return Cow::Borrowed(text);
    }
    let mut painted = String::with_capacity(text.len() + 16);
    let mut before = '\n';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        // a warning's sign stands alone; elsewhere the same letter is just a letter
        let warning = letter == '!' && before.is_whitespace() && letters.peek().is_none_or(|next| *next == ' ');
        let found = sign(letter).or_else(|| warning.then_some(("!", "33")));
        let mut letter_bytes = [0; 4];
        match found {
            None => painted.push(letter),
            Some((plain, style)) => {
                let shown = if ascii { plain } else { letter.encode_utf8(&mut letter_bytes) };
                if colour && !style.is_empty() {
                    painted.push_str(&format!("\u{1b}[{style}m{shown}\u{1b}[0m"));
                } else {
                    painted.push_str(shown);
                }
            }
        }
        before = letter;
    }
    Cow::Owned(painted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_terminal() {
        let check = |choice, terminal, set: &[(&str, &str)], coloured| {
            assert_eq!(is_coloured(choice, terminal, &vars(set)), coloured, "{choice:?} {terminal} {set:?}");
        };
        check(ColorChoice::Auto, true, &[], true);
        check(ColorChoice::Auto, false, &[], false);
        check(ColorChoice::Auto, true, &[("NO_COLOR", "1")], false);
        check(ColorChoice::Auto, true, &[("BIB_NO_COLOR", "1")], false);
        check(ColorChoice::Always, false, &[("NO_COLOR", "1")], true);
        check(ColorChoice::Never, true, &[("CLICOLOR_FORCE", "1")], false);
        check(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "1")], true);
        check(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "0")], false);
        check(ColorChoice::Auto, true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
        check(ColorChoice::Auto, true, &[("CLICOLOR", "0")], false);
        check(ColorChoice::Auto, true, &[("TERM", "dumb")], false);
    }

    #[test]
    fn the_locale_says_which_letters_there_are() {
        assert!(is_utf8(&vars(&[])));
        assert!(is_utf8(&vars(&[("LANG", "de_DE.UTF-8")])));
        assert!(!is_utf8(&vars(&[("LANG", "C")])));
        assert!(!is_utf8(&vars(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")])));
    }

    #[test]
    fn signs_are_coloured_or_plain_and_words_stay() {
        assert_eq!(paint("● ready", false, true), "\u{1b}[32m●\u{1b}[0m ready");
        assert_eq!(paint("✗ hurt! ! disk", true, false), "x hurt! ! disk");
        assert_eq!(paint("! disk", true, true), "\u{1b}[33m!\u{1b}[0m disk");
        assert_eq!(paint("bib · x…", true, false), "bib - x~");
        let coloured = Look { stderr: true, ..Look::default() };
        assert_eq!(
            coloured.paint_error("error: x\ntry:  y"),
            "\u{1b}[1;31merror:\u{1b}[0m x\n\u{1b}[1;36mtry:\u{1b}[0m  y"
        );
    }
}
