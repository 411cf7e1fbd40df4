//! Whether files can be passed to the node instead of their bytes, found out at the first of them.

use bib_proto::client::{Address, FilePasser, Hangup};
use bib_proto::passing::Ticket;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The way to pass files to the node of an upload, if there is one.
#[derive(Debug)]
pub(super) struct Passer {
    state: State,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    hangup: OnceLock<Hangup>,
    ended: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// The socket for calls of a node on this machine.
    Near(PathBuf),
    Connected(FilePasser),
    /// The node is far, or an older one, or wants no files.
    No,
}

/// Ends a passer that waits for the node.
#[derive(Debug)]
pub(super) struct Ending(Arc<Line>);

impl Passer {
    /// For the node at this address.
    pub(super) fn new(node: &Address) -> (Self, Ending) {
        let state = match node {
            Address::Unix(calls) => State::Near(calls.clone()),
            Address::Tcp { .. } => State::No,
        };
        let line = Arc::default();
        (Self { state, line: Arc::clone(&line) }, Ending(line))
    }

    /// Passes a file. `None`: its bytes are to be sent.
    pub(super) fn pass(&mut self, file: &File) -> Option<Ticket> {
        if let State::Near(calls) = &self.state {
            let connected = FilePasser::connect(calls).and_then(|passer| Ok((passer.hangup()?, passer)));
            let usable = connected.ok().and_then(|(hangup, passer)| self.line.connected(hangup).then_some(passer));
            self.state = usable.map_or(State::No, State::Connected);
        }
        let State::Connected(passer) = &mut self.state else { return None };
        let ticket = passer.pass(file);
        if ticket.is_err() {
            self.state = State::No;
        }
        ticket.ok().flatten()
    }

    /// How far the node has read the file, and whether that is all of it.
    ///
    /// # Errors
    /// When it reads no further.
    pub(super) fn progress(&mut self) -> io::Result<(u64, bool)> {
        match &mut self.state {
            State::Connected(passer) => passer.progress(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Line {
    /// Whether it is of use: it may have been ended before.
    fn connected(&self, hangup: Hangup) -> bool {
        self.hangup.set(hangup).is_ok() && !self.ended.load(Ordering::SeqCst)
    }
}

impl Ending {
    pub(super) fn hang_up(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        if let Some(hangup) = self.0.hangup.get() {
            hangup.hang_up();
        }
    }
}
