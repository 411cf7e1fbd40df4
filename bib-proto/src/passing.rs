//! Open files that are passed to a node on the same machine, which then reads them itself.
//!
//! A socket beside the one for calls takes a file descriptor with one byte and answers with a ticket, by which an upload
//! names the file, or with zeros if it does not want the file. From then on it tells how far the file is read: numbers of
//! 8 bytes, little endian, the last with [`READ`] set. The next file follows on the same connection.

use std::path::{Path, PathBuf};

/// What the socket is called; it lies beside the one for calls and has a name as long as that.
const SOCKET: &str = "fds.sock";

/// What the client sends with each file.
pub const FILE: u8 = b'f';

/// A file's name for one upload.
pub type Ticket = [u8; 16];

/// The answer to a file that is not wanted.
pub const REFUSED: Ticket = [0; 16];

/// Set in the last number of a file: that many bytes were read, and the file ended there.
pub const READ: u64 = 1 << 63;

/// Where the socket for files is, beside the one for calls.
#[must_use]
pub fn socket_beside(calls: &Path) -> PathBuf {
    calls.with_file_name(SOCKET)
}
