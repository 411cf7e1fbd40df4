//! Questions to a person: drawn on the terminal, or as numbered lines for screen readers.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::note;
use inquire::InquireError;
use std::io::{self, BufRead};

/// Asks, in the way that suits the person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Lines and numbers instead of menus that are redrawn.
    pub(crate) accessible: bool,
}

impl Ask {
    /// A text; `usual` is what Enter means.
    ///
    /// # Errors
    /// When the person gives up.
    pub(crate) fn text(self, question: &str, usual: &str) -> CliResult<String> {
        if !self.accessible {
            return inquire::Text::new(question).with_default(usual).prompt().map_err(given_up);
        }
        let line = ask_line(&format!("{question} Enter means {usual}."))?;
        Ok(if line.is_empty() { usual.to_owned() } else { line })
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When the person gives up.
    pub(crate) fn confirm(self, question: &str, usual: bool) -> CliResult<bool> {
        if !self.accessible {
            return inquire::Confirm::new(question).with_default(usual).prompt().map_err(given_up);
        }
        loop {
            let line = ask_line(&format!("{question} y or n; Enter means {}.", if usual { "yes" } else { "no" }))?;
            if let Some(answer) = yes_or_no(&line, usual) {
                return Ok(answer);
            }
        }
    }

    /// One of several, by its place in the list; the first is what Enter means.
    ///
    /// # Errors
    /// When the person gives up.
    pub(crate) fn choose(self, question: &str, choices: &[String]) -> CliResult<usize> {
        if !self.accessible {
            let asked = inquire::Select::new(question, choices.to_vec()).without_filtering();
            let asked = asked.with_help_message("up and down to move, Enter to choose");
            return asked.raw_prompt().map(|chosen| chosen.index).map_err(given_up);
        }
        let list: Vec<String> =
            choices.iter().enumerate().map(|(index, choice)| format!("{}: {choice}", index + 1)).collect();
        loop {
            let line = ask_line(&format!("{question}\n{}\nA number; Enter means 1.", list.join("\n")))?;
            if let Some(index) = number_of(&line, choices.len()) {
                return Ok(index);
            }
        }
    }

    /// A passphrase, which is not shown.
    ///
    /// # Errors
    /// When the person gives up.
    pub(crate) fn passphrase(self, question: &str, help: &str) -> CliResult<String> {
        let asked = inquire::Password::new(question).without_confirmation().with_help_message(help);
        asked.prompt().map_err(given_up)
    }
}

fn given_up(error: InquireError) -> CliError {
    match error {
        InquireError::OperationInterrupted => CliError::new(Exit::Interrupted, "interrupted; nothing was changed"),
        InquireError::OperationCanceled => CliError::new(Exit::Cancelled, "cancelled; nothing was changed"),
        other => CliError::new(Exit::Failed, format!("cannot ask: {other}")).hint("say it with flags; see --help"),
    }
}

fn ask_line(question: &str) -> CliResult<String> {
    note(question);
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(CliError::new(Exit::Cancelled, "no answer; nothing was changed")),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(CliError::new(Exit::Failed, format!("cannot read the answer: {error}"))),
    }
}

fn yes_or_no(line: &str, usual: bool) -> Option<bool> {
    match line.to_lowercase().as_str() {
        "" => Some(usual),
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}

fn number_of(line: &str, choices: usize) -> Option<usize> {
    if line.is_empty() {
        return Some(0);
    }
    line.parse::<usize>().ok().filter(|number| (1..=choices).contains(number)).map(|number| number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_others_asked_again() {
        assert_eq!(
            (yes_or_no("", true), yes_or_no("No", true), yes_or_no("maybe", true)),
            (Some(true), Some(false), None)
        );
        assert_eq!((number_of("", 3), number_of("3", 3), number_of("4", 3)), (Some(0), Some(2), None));
        assert_eq!((number_of("0", 3), number_of("x", 3)), (None, None));
    }

    #[test]
    fn giving_up_is_no_failure() {
        assert_eq!(given_up(InquireError::OperationCanceled).exit, Exit::Cancelled);
        assert_eq!(given_up(InquireError::OperationInterrupted).exit, Exit::Interrupted);
    }
}
