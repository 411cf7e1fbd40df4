//! The stream of signals: from a position in the ring on, until its time is over.

use super::stream::{Out, Sink, fill};
use crate::access::Caller;
use crate::events::{News, Signal};
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_proto::v1::{WatchEventsRequest, WatchEventsResponse};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Starts a stream.
pub(super) fn watch(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: &WatchEventsRequest,
) -> Result<Out<WatchEventsResponse>, Problem> {
    let limit = shared.options.transfers.event_streams;
    let place = shared.watchers.clone().try_acquire_owned().map_err(|_| busy("streams of events", limit))?;
    let (shared_too, after) = (Arc::clone(shared), asked.after);
    fill(shared, caller, "watch events", move |sink| async move {
        let age = shared_too.options.transfers.event_stream_age;
        // its time being over is no error: the client comes again, with a session that is still good
        tokio::time::timeout(age, follow(&shared_too, after, &sink, place)).await.unwrap_or(Ok(()))
    })
}

async fn follow(
    shared: &Shared,
    after: u64,
    sink: &Sink<WatchEventsResponse>,
    _place: OwnedSemaphorePermit,
) -> Result<(), Problem> {
    let hub = &shared.events;
    let mut moves = hub.moves();
    let mut position = if after == 0 { hub.last() } else { after };
    sink.send(mark("begin", position)).await?;
    loop {
        moves.borrow_and_update();
        match hub.after(position) {
            News::Signals(signals) => {
                for signal in signals {
                    position = signal.seq;
                    sink.send(message(signal)).await?;
                }
            }
            News::Gap(last) => {
                position = last;
                sink.send(mark("resync", last)).await?;
            }
        }
        tokio::select! {
            moved = moves.changed() => if moved.is_err() { return Ok(()) },
            () = sink.gone() => return Ok(()),
        }
    }
}

fn mark(kind: &str, seq: u64) -> WatchEventsResponse {
    WatchEventsResponse { seq, kind: kind.to_owned(), subject: String::new() }
}

fn message(signal: Signal) -> WatchEventsResponse {
    WatchEventsResponse { seq: signal.seq, kind: signal.kind.as_str().to_owned(), subject: signal.subject }
}
