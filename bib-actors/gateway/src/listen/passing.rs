//! Open files that programs on this machine pass to the node: each waits under a ticket until an upload names it.
//!
//! See [`bib_proto::passing`] for what is said. A connection has one file at a time, and its file goes when it does.

use super::quota::Place;
use super::unix::UnixAcceptor;
use bib_kit::{CancellationToken, Tasks};
use bib_proto::passing::{READ, REFUSED, Ticket};
use parking_lot::Mutex;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recv, recvmsg};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::watch;

/// A file that was passed.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Open for reading, if its owner did not lie.
    pub(crate) file: File,
    /// Says how far it is read; see [`READ`].
    pub(crate) progress: watch::Sender<u64>,
    uid: u32,
}

/// The files that no upload has named yet. Not more than there are connections.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    waiting: Mutex<HashMap<Ticket, Passed>>,
}

impl Passing {
    /// Takes the file with this ticket, if a process of this user passed it.
    pub(crate) fn claim(&self, ticket: &[u8], uid: u32) -> Option<Passed> {
        let mut waiting = self.waiting.lock();
        let ticket = Ticket::try_from(ticket).ok()?;
        if waiting.get(&ticket)?.uid == uid { waiting.remove(&ticket) } else { None }
    }

    fn offer(&self, passed: Passed) -> io::Result<Offer<'_>> {
        let mut ticket = REFUSED;
        getrandom::fill(&mut ticket).map_err(io::Error::other)?;
        self.waiting.lock().insert(ticket, passed);
        Ok(Offer { passing: self, ticket })
    }
}

/// A file that waits, or was claimed. Dropping it ends the waiting.
struct Offer<'a> {
    passing: &'a Passing,
    ticket: Ticket,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.passing.waiting.lock().remove(&self.ticket);
    }
}

/// Takes files from all who connect, until dropped.
pub(crate) async fn accept_files(
    acceptor: UnixAcceptor,
    passing: Arc<Passing>,
    tasks: Arc<Tasks>,
    token: CancellationToken,
) {
    loop {
        let (stream, uid, place) = acceptor.next().await;
        let (passing, token) = (Arc::clone(&passing), token.clone());
        let served = tasks.spawn("passed files", async move {
            tokio::select! {
                () = serve(stream, uid, &passing, place) => {}
                () = token.cancelled() => {}
            }
        });
        if let Err(error) = served {
            tracing::warn!(%error, "a local program cannot pass files now and sends their bytes");
        }
    }
}

/// Takes one file after the other. Ends when the program goes, or an upload that named a file does not read it to its
/// end: the program learns from the end that it is to look at the upload's answer.
async fn serve(mut stream: UnixStream, uid: u32, passing: &Passing, _place: Place) {
    while let Ok(Some(file)) = receive(&stream).await {
        let is_file = file.metadata().is_ok_and(|found| found.is_file());
        let outcome = if is_file {
            read(&mut stream, uid, passing, file).await
        } else {
            stream.write_all(&REFUSED).await.map(|()| true)
        };
        if !matches!(outcome, Ok(true)) {
            return;
        }
    }
}

/// The next file; `None` when the program is gone or says something else.
async fn receive(stream: &UnixStream) -> io::Result<Option<File>> {
    let fd = stream.async_io(Interest::READABLE, || receive_now(stream)).await?;
    Ok(fd.map(File::from))
}

fn receive_now(stream: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // whatever bibd starts must not inherit it
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    if message.bytes == 0 || byte != [bib_proto::passing::FILE] {
        return Ok(None);
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    }))
}

/// Offers the file and tells how far it is read. Whether it was read to its end.
async fn read(stream: &mut UnixStream, uid: u32, passing: &Passing, file: File) -> io::Result<bool> {
    let (progress, mut seen) = watch::channel(0);
    let offer = passing.offer(Passed { file, progress, uid })?;
    stream.write_all(&offer.ticket).await?;
    loop {
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return Ok(false) },
            gone = gone(stream) => return gone.map(|()| false),
        }
        let now = *seen.borrow_and_update();
        stream.write_all(&now.to_le_bytes()).await?;
        if now & READ != 0 {
            return Ok(true);
        }
    }
}

/// Returns when the program has ended its connection, or says something while it has nothing to say.
async fn gone(stream: &UnixStream) -> io::Result<()> {
    let look = || recv(stream, &mut [0_u8; 1], RecvFlags::PEEK).map_err(io::Error::from);
    stream.async_io(Interest::READABLE, look).await.map(|_| ())
}
