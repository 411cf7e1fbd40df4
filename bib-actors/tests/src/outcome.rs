//! What a program printed and how it ended.

use anyhow::{Context, bail};
use serde_json::Value;

/// How one run of `bib` ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was run, for messages.
    pub command: String,
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The outcome, if it is a success.
    ///
    /// # Errors
    /// With everything that was printed, if it is none.
    pub fn ok(self) -> anyhow::Result<Self> {
        if self.code == 0 {
            return Ok(self);
        }
        bail!("`{}` ended with {}\n{}{}", self.command, self.code, self.stdout, self.stderr)
    }

    /// Standard output as one JSON document.
    ///
    /// # Errors
    /// When the program failed or printed something else.
    pub fn json(self) -> anyhow::Result<Value> {
        let done = self.ok()?;
        serde_json::from_str(&done.stdout).with_context(|| format!("`{}` printed {:?}", done.command, done.stdout))
    }

    /// The last line of standard error as JSON: the error of a run with `--json`.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn error_json(&self) -> anyhow::Result<Value> {
        let line = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("`{}` said {:?}", self.command, self.stderr))
    }
}
