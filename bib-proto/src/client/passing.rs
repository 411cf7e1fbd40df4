//! The client's end of [`crate::passing`]. Blocking: it belongs on the thread that reads files.

use crate::passing::{FILE, READ, REFUSED, Ticket, socket_beside};
use rustix::io::retry_on_intr;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a node may take to answer to a file. It has nothing to wait for.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection over which files are passed, one after the other.
#[derive(Debug)]
pub struct FilePasser {
    stream: UnixStream,
}

/// Ends a [`FilePasser`] from elsewhere: whatever it waits for ends as if the node had gone.
#[derive(Debug)]
pub struct Hangup(UnixStream);

impl FilePasser {
    /// Connects to the node whose socket for calls is at `calls`.
    ///
    /// # Errors
    /// The system's, among it that a node has no such socket.
    pub fn connect(calls: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket_beside(calls))? })
    }

    /// Something to end this connection with.
    ///
    /// # Errors
    /// The system's.
    pub fn hangup(&self) -> io::Result<Hangup> {
        self.stream.try_clone().map(Hangup)
    }

    /// Passes a file. `None` if the node does not want it.
    ///
    /// # Errors
    /// The system's; the connection is of no use then.
    pub fn pass(&mut self, file: &File) -> io::Result<Option<Ticket>> {
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("a file descriptor does not fit into its message"));
        }
        retry_on_intr(|| sendmsg(&self.stream, &[IoSlice::new(&[FILE])], &mut control, SendFlags::NOSIGNAL))?;
        let mut ticket = REFUSED;
        self.stream.set_read_timeout(Some(ANSWER))?;
        self.stream.read_exact(&mut ticket)?;
        self.stream.set_read_timeout(None)?;
        Ok((ticket != REFUSED).then_some(ticket))
    }

    /// Waits until the node has read more of the file. Answers how many bytes it has, and whether that is all of them.
    ///
    /// # Errors
    /// `UnexpectedEof` when the node does not read on: its answer to the upload says why.
    pub fn progress(&mut self) -> io::Result<(u64, bool)> {
        let mut number = [0; 8];
        self.stream.read_exact(&mut number)?;
        let number = u64::from_le_bytes(number);
        Ok((number & !READ, number & READ != 0))
    }
}

impl Hangup {
    /// Ends the connection.
    pub fn hang_up(&self) {
        // one that has ended already is what was wanted
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
