//! One error for the whole command line: message, what to try, exit code; for people and as JSON.

use crate::exit::Exit;
use bib_proto::client::{ClientError, TrustError};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct CliError {
    /// How the program ends.
    pub exit: Exit,
    /// What happened and what it means.
    pub message: String,
    /// A stable word, empty if there is none.
    pub reason: String,
    /// What to do next, most useful first.
    pub hints: Vec<String>,
    /// The request that failed, if a node answered.
    pub request_id: Box<str>,
    /// The gRPC code's name, empty if no node answered.
    pub grpc_code: Box<str>,
    /// Further facts that the node gave, by name.
    pub metadata: Box<BTreeMap<String, String>>,
}

/// Result of a command.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// An error of this side.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            reason: String::new(),
            hints: Vec::new(),
            request_id: Box::default(),
            grpc_code: Box::default(),
            metadata: Box::default(),
        }
    }

    /// A bad flag or argument.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Gives the error its stable word.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        reason.clone_into(&mut self.reason);
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The connection ended before the answer did.
    fn broken_off(status: &tonic::Status) -> Self {
        let causes = std::iter::successors(status.source(), |&error| error.source());
        let why = causes.last().map(ToString::to_string).unwrap_or_default();
        let meaning = "what was asked for may have been done or not";
        let text = format!("the connection to the node broke off in the middle of a call ({why}); {meaning}");
        Self::new(Exit::Unreachable, text)
            .because("NODE_UNREACHABLE")
            .hint("bib status")
            .hint("if the node ended, start it again: bibd; its log says why")
            .hint("then the same command again; a --request-id UUID that was given does the work once")
    }

    /// The form for people: two to four lines.
    #[must_use]
    pub fn for_people(&self) -> String {
        // the reason stands at the end of the first line; what else the message shows comes below it
        let message = printable(&self.message);
        let mut lines = message.trim_end().lines();
        let mut text = format!("error: {}", lines.next().unwrap_or_default());
        if !self.reason.is_empty() {
            text.push_str(&format!("  [{}]", printable(&self.reason)));
        }
        for line in lines.filter(|line| !self.repeats_a_hint(line)) {
            text.push('\n');
            text.push_str(line);
        }
        for (number, hint) in self.hints.iter().enumerate() {
            text.push_str(if number == 0 { "\ntry:  " } else { "\n      " });
            text.push_str(&printable(hint));
        }
        if !self.request_id.is_empty() {
            text.push_str(&format!("\nrequest {}", printable(&self.request_id)));
        }
        text
    }

    fn repeats_a_hint(&self, line: &str) -> bool {
        line.trim_start().strip_prefix("= ").is_some_and(|advice| self.hints.iter().any(|hint| hint == advice))
    }

    /// A command line that cannot be read, as the parser explains it.
    #[must_use]
    pub fn of_parser(error: &clap::Error) -> Self {
        let text = error.to_string();
        let told = text.lines().map(str::trim).find_map(|line| line.strip_prefix("error: "));
        let mut made = Self::usage(told.unwrap_or("the command line cannot be read").to_owned());
        made.reason = "USAGE".to_owned();
        made.hints = text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).map(str::to_owned).collect();
        made.hint("bib help")
    }

    /// The form for programs: one line of JSON.
    #[must_use]
    pub fn as_json(&self) -> String {
        json!({
            "type": "error",
            "exitCode": self.exit.code(),
            "grpcCode": self.grpc_code,
            "reason": self.reason,
            "domain": bib_proto::ERROR_DOMAIN,
            "message": self.message,
            "metadata": *self.metadata,
            "hint": self.hints.iter().find(|hint| hint.starts_with("bib ")).or_else(|| self.hints.first()),
            "hints": self.hints,
            "requestId": self.request_id,
        })
        .to_string()
    }
}

/// Text from elsewhere without control characters, so that a name cannot steer the terminal.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Address(_) => Self::usage(message),
            ClientError::Trust(TrustError::Unknown { address, seen }) => Self::new(Exit::Trust, message)
                .because("TRUST_UNKNOWN")
                .hint("compare the fingerprint with the one that `bib status` prints on that machine, then:")
                .hint(format!("bib connect {address} --fingerprint {seen}")),
            ClientError::Trust(TrustError::Changed { address, seen, .. }) => Self::new(Exit::Trust, message)
                .because("TRUST_CHANGED")
                .hint("ask who runs the node; only if you know why it changed:")
                .hint(format!("bib connect {address} --fingerprint {seen}")),
            ClientError::Trust(TrustError::Store { .. }) => Self::new(Exit::Failed, message),
            ClientError::Key { key, reason } => {
                let made =
                    Self::new(Exit::NotLoggedIn, format!("cannot log in with {key}: {reason}")).because("KEY_UNUSABLE");
                if key == "ssh-agent" {
                    made.hint("name a key: --ssh-key ~/.ssh/id_ed25519, or start an agent: eval $(ssh-agent); ssh-add")
                } else {
                    made
                }
            }
            ClientError::Unreachable { address, reason } => {
                Self::new(Exit::Unreachable, message).because("NODE_UNREACHABLE").hint(way_to(&address, &reason))
            }
            ClientError::Status { status, .. } if is_broken_off(&status) => Self::broken_off(&status),
            ClientError::Status { status, details } => {
                let mut made = Self::new(Exit::of_status(status.code(), &details.reason), message);
                made.grpc_code = code_name(status.code()).into();
                made.request_id = details.metadata.get("request_id").map(|id| id.as_str().into()).unwrap_or_default();
                made.reason = details.reason;
                *made.metadata = details.metadata;
                made.metadata.remove("request_id");
                made.hints = details.hints;
                if made.exit == Exit::NotLoggedIn && made.hints.is_empty() {
                    made.hints.push("log in with a key that the node knows: --ssh-key FILE, or ssh-add".to_owned());
                }
                made
            }
        }
    }
}

/// Whether no node said this: the transport failed under a call. What a node answers is read from its answer and has no
/// cause on this side.
fn is_broken_off(status: &tonic::Status) -> bool {
    use tonic::Code;
    let transport = matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal | Code::Unavailable);
    transport && status.source().is_some()
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        ClientError::from(status).into()
    }
}

/// What helps where nobody answers.
fn way_to(address: &str, reason: &str) -> &'static str {
    if !address.starts_with("unix:") {
        "is bibd running there, and does its grpc.listen have that address? look: bib status, on that machine"
    } else if reason.contains("ermission denied") {
        "the socket belongs to another user: run as that user, or log in over TLS: bib connect HOST:4000"
    } else {
        "start the node: bibd; not set up yet? bib setup"
    }
}

/// `NotFound` as `NOT_FOUND`.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_carry_the_hint() {
        let error = CliError::new(Exit::NotFound, "no topic \"a\u{1b}[31m\"").hint("bib topic create a");
        assert!(error.for_people().contains("try:  bib topic create a"));
        assert!(!error.for_people().contains('\u{1b}'), "a name must not steer the terminal");
        let mut steers = CliError::usage("no").because("A\u{1b}[2J");
        steers.request_id = "\u{9b}31m".into();
        assert!(!steers.for_people().contains(['\u{1b}', '\u{9b}']), "{:?}", steers.for_people());
        let value: serde_json::Value = serde_json::from_str(&error.as_json()).unwrap();
        assert_eq!(value["exitCode"], 6);
        assert_eq!(code_name(tonic::Code::FailedPrecondition), "FAILED_PRECONDITION");
    }

    #[test]
    fn the_reason_ends_the_first_line_and_no_hint_comes_twice() {
        let mut error = CliError::usage("no column \"dely\"\n  | r.dely\n  |   ^^^^\n  = did you mean r.delay?")
            .hint("did you mean r.delay?");
        error.reason = "INVALID_EXPRESSION".to_owned();
        assert_eq!(
            error.for_people(),
            "error: no column \"dely\"  [INVALID_EXPRESSION]\n  | r.dely\n  |   ^^^^\ntry:  did you mean r.delay?"
        );
    }

    #[test]
    fn a_node_that_dies_under_a_call_is_one_that_cannot_be_reached() {
        let dead = || Box::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        let error = CliError::from(tonic::Status::from_error(dead()));
        assert_eq!((error.exit, error.reason.as_str()), (Exit::Unreachable, "NODE_UNREACHABLE"), "{error:?}");
        assert!(error.message.contains("may have been done or not") && error.hints[0] == "bib status", "{error:?}");
        assert!(error.grpc_code.is_empty(), "no node answered");
        // what a node says of itself stays as it is
        let said = CliError::from(tonic::Status::unknown("panicked"));
        assert_eq!((said.exit, said.message.as_str()), (Exit::Failed, "panicked"));
    }

    #[test]
    fn who_cannot_be_trusted_is_told_with_the_way_out() {
        let seen = bib_proto::client::Fingerprint::from_bytes([7; 32]);
        let unknown = ClientError::Trust(TrustError::Unknown { address: "https://a:4000".into(), seen });
        let error = CliError::from(unknown);
        assert_eq!((error.exit, error.reason.as_str()), (Exit::Trust, "TRUST_UNKNOWN"));
        assert_eq!(error.hints[1], format!("bib connect https://a:4000 --fingerprint {seen}"));
        assert!(way_to("unix:///run/bib.sock", "Permission denied (os error 13)").contains("another user"));
    }

    #[test]
    fn a_bad_command_line_has_a_form_for_programs() {
        use clap::CommandFactory;
        let refused = crate::Cli::command().try_get_matches_from(["bib", "tpic"]).unwrap_err();
        let error = CliError::of_parser(&refused);
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("tpic") && error.hints[0].contains("topic"), "{error:?}");
    }
}
