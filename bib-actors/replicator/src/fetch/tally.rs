//! What happens often, said once: how often, and how it was the first time. A peer decides how often; it does not decide
//! how many lines the log has.

use bib_domain::NodeId;

/// A number and an example.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: usize,
    first: Option<String>,
}

impl Tally {
    /// Once more.
    pub(super) fn count(&mut self, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert_with(what);
    }

    /// Whether it happened at all.
    pub(super) const fn any(&self) -> bool {
        self.count > 0
    }

    /// Writes it to the log, if it happened.
    pub(super) fn warn(&self, peer: &NodeId, message: &str) {
        if let Some(first) = &self.first {
            tracing::warn!(%peer, count = self.count, first, "{message}");
        }
    }
}

/// What some work writes to the log.
#[cfg(test)]
pub(super) fn logged(work: impl FnOnce()) -> String {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
