//! One check: what was looked at, how it is, and how it could be mended.

use super::fix::Fix;
use serde_json::{Value, json};

/// What checks are about, in the order in which they are shown.
pub(super) const AREAS: &[&str] =
    &["os", "config", "identity", "ports", "database", "node", "p2p", "audit", "web", "client"];

/// Every check by its area and name, in that order, too.
pub(super) const CHECKS: &[(&str, &str)] = &[
    ("os", "open-files"),
    ("os", "disk"),
    ("config", "file"),
    ("config", "values"),
    ("identity", "key"),
    ("ports", "grpc"),
    ("ports", "p2p"),
    ("ports", "web"),
    ("database", "postgres"),
    ("database", "storage"),
    ("node", "answers"),
    ("node", "version"),
    ("node", "actors"),
    ("node", "restarts"),
    ("node", "warning"),
    ("p2p", "listens"),
    ("p2p", "peers"),
    ("p2p", "blamed"),
    ("audit", "chain"),
    ("web", "ready"),
    ("client", "settings"),
    ("client", "trusted-nodes"),
    ("client", "session"),
    ("client", "key"),
];

/// How something is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    /// The word for programs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The sign for people.
    pub(super) const fn glyph(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warn => "!",
            Self::Fail => "✗",
        }
    }

    /// By its word.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "ok" => Self::Ok,
            "warn" => Self::Warn,
            _ => Self::Fail,
        }
    }

    /// Sign and word.
    pub(super) fn sign_of(word: &str) -> &'static str {
        match Self::of(word) {
            Self::Ok => "✓ ok",
            Self::Warn => "! warn",
            Self::Fail => "✗ fail",
        }
    }
}

/// One check.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) area: &'static str,
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) detail: String,
    /// How it could be mended.
    pub(super) fix: Option<Fix>,
}

impl Check {
    pub(super) fn new(area: &'static str, check: &'static str, state: State, detail: impl Into<String>) -> Self {
        debug_assert!(CHECKS.contains(&(area, check)), "there is no check {area}.{check}");
        Self { area, check, state, detail: detail.into(), fix: None }
    }

    pub(super) fn ok(area: &'static str, check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(area, check, State::Ok, detail)
    }

    pub(super) fn warn(area: &'static str, check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(area, check, State::Warn, detail)
    }

    pub(super) fn fail(area: &'static str, check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(area, check, State::Fail, detail)
    }

    /// Says how it could be mended.
    pub(super) fn with(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// `area.check`.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.area, self.check)
    }

    /// The record for programs.
    pub(super) fn record(&self) -> Value {
        json!({"name": self.name(), "area": self.area, "check": self.check, "state": self.state.word(),
            "detail": self.detail, "fix": self.fix.as_ref().map(ToString::to_string)})
    }
}
