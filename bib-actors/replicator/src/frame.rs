//! Frames on a stream: the length as an unsigned LEB128 varint, then one protobuf message.
//!
//! Reading is bounded in bytes and in time, whatever the other side sends. What follows a frame is left on the stream. A
//! long frame over a slow line takes as long as it must, while it goes on.

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use prost::Message;
use std::time::Duration;

/// Longest varint that is read: nine groups of seven bits are more than any frame.
const VARINT_MAX: usize = 9;
/// Memory is given to a frame in steps of this, so that a length alone costs nothing. It is also the piece of a frame that
/// must come or go within its own time.
const STEP: usize = 64 * 1024;

/// How long a frame may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For its first byte, and for each piece of it.
    pub(crate) piece: Duration,
    /// Bytes in a second that all of it makes at least, so that nobody drips for ever.
    pub(crate) rate: u64,
}

impl Patience {
    /// For all of a frame, however long it is.
    const fn whole(deadline: Duration) -> Self {
        Self { piece: deadline, rate: u64::MAX }
    }

    fn total(&self, length: usize) -> Duration {
        self.piece.saturating_add(Duration::from_secs(length as u64 / self.rate.max(1)))
    }

    /// Work on one piece.
    async fn piece<T>(&self, work: impl Future<Output = std::io::Result<T>>) -> Result<T, FrameError> {
        within(self.piece, async { Ok(work.await?) }).await
    }

    /// Work on all of a frame.
    async fn frame<T>(
        &self,
        length: usize,
        work: impl Future<Output = Result<T, FrameError>>,
    ) -> Result<T, FrameError> {
        let after = self.total(length);
        tokio::time::timeout(after, work).await.unwrap_or(Err(FrameError::TooSlow { length, after }))
    }
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream ended within a frame.
    #[error("the stream ended in the middle of a message")]
    Truncated,
    /// The other side closed the stream instead of answering.
    #[error("the stream was closed without an answer")]
    Closed,
    /// The frame is too long.
    #[error("a message of {length} bytes was announced, and at most {limit} are read")]
    TooLong {
        /// What was announced.
        length: u64,
        /// What is read at most.
        limit: usize,
    },
    /// The bytes are no message.
    #[error("a message could not be read: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// Nothing came or went in time.
    #[error("nothing came or went for {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// It came or went, and too slowly.
    #[error("a message of {length} bytes did not come or go whole within {after:?}")]
    TooSlow {
        /// How long it is.
        length: usize,
        /// How long was waited.
        after: Duration,
    },
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Io(std::io::Error),
}

impl FrameError {
    /// Whether the other side sent something that is not of the protocol, rather than the line being cut.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::Malformed { .. })
    }
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

/// A message with its length before it.
pub(crate) fn encode_frame(message: &impl Message) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

/// Writes one frame and flushes.
///
/// # Errors
/// [`FrameError::Timeout`] or [`FrameError::Io`]. Part of the frame may have been sent: the stream is of no use then.
pub async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Message,
    deadline: Duration,
) -> Result<(), FrameError> {
    within(deadline, write_parts(stream, &[&encode_frame(message)], Patience::whole(deadline))).await
}

/// Writes the parts of one frame and flushes; it may take as long as it goes on.
///
/// # Errors
/// As [`write_frame`], and [`FrameError::TooSlow`].
pub(crate) async fn write_parts(
    stream: &mut (impl AsyncWrite + Unpin),
    parts: &[&[u8]],
    patience: Patience,
) -> Result<(), FrameError> {
    let length = parts.iter().map(|part| part.len()).sum();
    let write = async {
        for piece in parts.iter().flat_map(|part| part.chunks(STEP)) {
            patience.piece(stream.write_all(piece)).await?;
        }
        patience.piece(stream.flush()).await
    };
    patience.frame(length, write).await
}

/// Reads one frame of at most `limit` bytes; `None` when the stream ends before it.
///
/// # Errors
/// See [`FrameError`]. The stream is of no use then.
pub async fn read_frame<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    deadline: Duration,
) -> Result<Option<M>, FrameError> {
    within(deadline, read_checked_frame(stream, limit, Patience::whole(deadline), |_| Ok(()))).await
}

/// The same; it may take as long as it goes on, and the bytes are decoded only after `check` has looked at them.
///
/// # Errors
/// As [`read_frame`]; what `check` says is that the frame is malformed.
pub(crate) async fn read_checked_frame<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    patience: Patience,
    check: impl FnOnce(&[u8]) -> Result<(), &'static str>,
) -> Result<Option<M>, FrameError> {
    let Some(length) = within(patience.piece, read_length(stream)).await? else { return Ok(None) };
    let fits = usize::try_from(length).ok().filter(|&length| length <= limit);
    let length = fits.ok_or(FrameError::TooLong { length, limit })?;
    let read = async {
        let mut bytes = Vec::with_capacity(length.min(STEP));
        while bytes.len() < length {
            let from = bytes.len();
            bytes.resize(length.min(from + STEP.max(from)), 0);
            for piece in bytes[from..].chunks_mut(STEP) {
                patience.piece(stream.read_exact(piece)).await?;
            }
        }
        Ok(bytes)
    };
    let bytes = patience.frame(length, read).await?;
    check(&bytes).map_err(|detail| FrameError::Malformed { detail: detail.to_owned() })?;
    let message = M::decode(&bytes[..]).map_err(|error| FrameError::Malformed { detail: error.to_string() })?;
    Ok(Some(message))
}

async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<u64>, FrameError> {
    let mut length = 0_u64;
    for group in 0..VARINT_MAX {
        let mut byte = [0_u8];
        if stream.read(&mut byte).await? == 0 {
            return if group == 0 { Ok(None) } else { Err(FrameError::Truncated) };
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * group);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(FrameError::Malformed { detail: "its length has no end".to_owned() })
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, FrameError>>) -> Result<T, FrameError> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(FrameError::Timeout { after: deadline }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::{PeerInfo, SyncRequest};
    use futures::io::Cursor;
    use proptest::prelude::*;

    const SOON: Duration = Duration::from_secs(5);

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn read<M: Message + Default>(bytes: &[u8], limit: usize) -> Result<Option<M>, FrameError> {
        block(read_frame(&mut Cursor::new(bytes), limit, SOON))
    }

    #[test]
    fn ends_are_told_apart() {
        assert!(matches!(read::<PeerInfo>(&[], 10), Ok(None)));
        assert!(matches!(read::<PeerInfo>(&[0x80], 10), Err(FrameError::Truncated)));
        assert!(matches!(read::<PeerInfo>(&[5, 1, 2], 10), Err(FrameError::Truncated)));
        assert!(matches!(read::<PeerInfo>(&[11], 10), Err(FrameError::TooLong { length: 11, limit: 10 })));
        assert!(matches!(read::<PeerInfo>(&[0xff; 20], 10), Err(FrameError::Malformed { .. })));
        assert!(matches!(read::<PeerInfo>(&[2, 0xff, 0xff], 10), Err(FrameError::Malformed { .. })));
        assert!(matches!(read::<PeerInfo>(&[0], 10), Ok(Some(_))));
    }

    #[test]
    fn silence_is_not_waited_for() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let mut ours = tokio_util::compat::TokioAsyncReadCompatExt::compat(&mut ours);
        let answer = block(read_frame::<PeerInfo>(&mut ours, 10, Duration::from_millis(10)));
        assert!(matches!(answer, Err(FrameError::Timeout { .. })), "{answer:?}");
    }

    /// A frame of many pieces over a line that passes one at a time on, after a pause, so that all of it takes two seconds.
    /// The writer is patient with the slowest, so that it is the reader who gives up.
    async fn drip(patience: Patience) -> (Result<(), FrameError>, Result<Option<PeerInfo>, FrameError>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio_util::compat::TokioAsyncReadCompatExt as _;
        let message = PeerInfo { name: "n".repeat(20 * STEP), ..PeerInfo::default() };
        let bytes = encode_frame(&message);
        let ((near, mut line_in), (mut line_out, far)) = (tokio::io::duplex(STEP), tokio::io::duplex(STEP));
        let line = async {
            let mut piece = vec![0; STEP];
            while let Ok(read @ 1..) = line_in.read(&mut piece).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if line_out.write_all(&piece[..read]).await.is_err() {
                    break;
                }
            }
            drop(line_out);
        };
        let write = async {
            let mut near = near.compat();
            write_parts(&mut near, &[&bytes[..7], &bytes[7..]], Patience { rate: 1024, ..patience }).await
        };
        let read = async {
            let mut far = far.compat();
            read_checked_frame(&mut far, 40 * STEP, patience, |_| Ok(())).await
        };
        let ((), written, read) = tokio::join!(line, write, read);
        assert!(read.as_ref().is_ok_and(|read| *read == Some(message)) || read.is_err());
        (written, read)
    }

    #[test]
    fn what_goes_on_may_take_longer_than_a_piece() {
        let (written, read) = block(drip(Patience { piece: Duration::from_secs(1), rate: 1024 }));
        written.unwrap();
        assert!(read.unwrap().is_some());
    }

    #[test]
    fn what_goes_on_too_slowly_ends() {
        let (_, read) = block(drip(Patience { piece: Duration::from_secs(1), rate: u64::MAX }));
        assert!(matches!(read, Err(FrameError::TooSlow { .. })), "{read:?}");
    }

    proptest! {
        #[test]
        fn survives_the_round_trip(name in ".{0,300}", rest in prop::collection::vec(any::<u8>(), 0..20)) {
            let message = PeerInfo { name, ..PeerInfo::default() };
            let mut bytes = Vec::new();
            block(write_frame(&mut bytes, &message, SOON)).unwrap();
            bytes.extend_from_slice(&rest);
            let mut cursor = Cursor::new(&bytes[..]);
            let back: PeerInfo = block(read_frame(&mut cursor, 4096, SOON)).unwrap().unwrap();
            prop_assert_eq!(back, message);
            prop_assert_eq!(bytes.len() as u64 - cursor.position(), rest.len() as u64);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read::<SyncRequest>(&bytes, 100);
        }
    }
}
