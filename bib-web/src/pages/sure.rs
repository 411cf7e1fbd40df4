//! The question before a deed that cannot be taken back: whoever means it types the name of what it is done to.

use crate::error::Notice;
use serde::Deserialize;

/// Which question the address asks for, so that it is asked also without scripts.
#[derive(Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    ask: String,
}

impl Ask {
    /// Whether it is this deed's.
    pub(super) fn is(&self, deed: &str) -> bool {
        self.ask == deed
    }
}

/// What was typed.
#[derive(Deserialize)]
pub(super) struct Sure {
    #[serde(default)]
    confirm: String,
}

impl Sure {
    /// Nothing when it is the name; else what to say. `whose` is a word like "topic".
    pub(super) fn check(&self, name: &str, whose: &str) -> Option<Notice> {
        let text = || format!("Nothing was done: the name that was typed is not the {whose}'s.");
        (self.confirm != name).then(|| Notice::new(text(), ""))
    }
}
