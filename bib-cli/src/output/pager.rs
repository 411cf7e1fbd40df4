//! The user's pager, for lists that are longer than the terminal.

use super::note;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell says of a program that is not there.
const NOT_FOUND: i32 = 127;
/// Whether one runs.
static PAGING: AtomicBool = AtomicBool::new(false);

/// Whether a pager runs, to which a Ctrl-C belongs: in most of them it ends a search, not the pager.
#[must_use]
pub fn is_paging() -> bool {
    PAGING.load(Ordering::SeqCst)
}

/// The pager that the environment asks for: `BIB_PAGER` before `PAGER`; empty, or `cat`, means none.
#[must_use]
pub(super) fn asked(var: impl Fn(&str) -> Option<String>) -> Option<String> {
    let words = var("BIB_PAGER").or_else(|| var("PAGER"))?;
    let words = words.trim();
    (!words.is_empty() && words != "cat").then(|| words.to_owned())
}

/// Whether a text is longer than a terminal with so many rows: the prompt that follows takes one.
#[must_use]
pub(super) fn is_long(text: &str, rows: usize) -> bool {
    text.lines().count() >= rows
}

/// Hands the text to the pager and waits until its user is done. Says whether it was shown; if not, it is to be printed.
pub(super) fn show(pager: &str, text: &str) -> bool {
    PAGING.store(true, Ordering::SeqCst);
    let shown = run(pager, text);
    PAGING.store(false, Ordering::SeqCst);
    shown
}

fn run(pager: &str, text: &str) -> bool {
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // colours as they are; no waiting at what fits; the text stays on the screen
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return refuse(pager) };
    if let Some(mut input) = child.stdin.take() {
        // who leaves the pager early has seen enough
        let _ = input.write_all(text.as_bytes());
    }
    match child.wait() {
        Ok(status) if status.code() != Some(NOT_FOUND) => true,
        _ => refuse(pager),
    }
}

fn refuse(pager: &str) -> bool {
    note(&format!("note: the pager {pager:?} cannot be run; set BIB_PAGER to another one, or to cat for none"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_variable_comes_first() {
        let of = |own: Option<&str>, general: Option<&str>| {
            let (own, general) = (own.map(str::to_owned), general.map(str::to_owned));
            asked(move |name| if name == "BIB_PAGER" { own.clone() } else { general.clone() })
        };
        assert_eq!(of(Some("less -S"), Some("more")).as_deref(), Some("less -S"));
        assert_eq!(of(None, Some("more")).as_deref(), Some("more"));
        assert_eq!((of(Some(""), Some("more")), of(Some("cat"), None), of(None, None)), (None, None, None));
    }

    #[test]
    fn what_fits_is_not_paged() {
        assert!(!is_long("a\nb\n", 4));
        assert!(!is_long("a\nb\nc\n", 4));
        assert!(is_long("a\nb\nc\nd\n", 4));
    }

    #[test]
    fn a_pager_that_is_not_there_shows_nothing() {
        assert!(!show("no-such-pager-anywhere", "text"));
        assert!(show("cat > /dev/null", "text"));
    }
}
