//! One error for the whole command line: message, what to try, exit code; for people and as JSON.

use crate::exit::Exit;
use bib_proto::client::ClientError;
use serde_json::json;
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
    pub request_id: String,
    /// The gRPC code's name, empty if no node answered.
    pub grpc_code: String,
}

/// Result of a command.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// An error of this side.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        let (reason, request_id, grpc_code) = (String::new(), String::new(), String::new());
        Self { exit, message: message.into(), reason, hints: Vec::new(), request_id, grpc_code }
    }

    /// A bad flag or argument.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The form for people: two to four lines.
    #[must_use]
    pub fn for_people(&self) -> String {
        let mut text = format!("error: {}", printable(&self.message));
        if !self.reason.is_empty() {
            text.push_str(&format!("  [{}]", self.reason));
        }
        for (number, hint) in self.hints.iter().enumerate() {
            text.push_str(if number == 0 { "\ntry:  " } else { "\n      " });
            text.push_str(&printable(hint));
        }
        if !self.request_id.is_empty() {
            text.push_str(&format!("\nrequest {}", self.request_id));
        }
        text
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
            "hint": self.hints.first().cloned().unwrap_or_default(),
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
            ClientError::Trust(_) => Self::new(Exit::Trust, message),
            ClientError::Key { .. } => Self::new(Exit::NotLoggedIn, message),
            ClientError::Unreachable { address, .. } => {
                let hint = if address.starts_with("unix:") { "start the node: bibd" } else { "is bibd running there?" };
                Self::new(Exit::Unreachable, message).hint(hint)
            }
            ClientError::Status { status, details } => {
                let mut made = Self::new(Exit::of_status(status.code(), &details.reason), message);
                made.grpc_code = code_name(status.code());
                made.request_id = details.metadata.get("request_id").cloned().unwrap_or_default();
                made.reason = details.reason;
                made.hints = details.hints;
                if made.exit == Exit::NotLoggedIn && made.hints.is_empty() {
                    made.hints.push("log in with a key that the node knows: --ssh-key FILE, or ssh-add".to_owned());
                }
                made
            }
        }
    }
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        ClientError::from(status).into()
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
        let value: serde_json::Value = serde_json::from_str(&error.as_json()).unwrap();
        assert_eq!(value["exitCode"], 6);
        assert_eq!(code_name(tonic::Code::FailedPrecondition), "FAILED_PRECONDITION");
    }
}
