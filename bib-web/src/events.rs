//! One stream of events for each browser: the node's signals as `text/event-stream`. A signal says what has changed;
//! what it is now, the page fetches, with its own session.

use crate::error::PageError;
use crate::session::Visitor;
use actix_web::{HttpResponse, web};
use bib_proto::v1::{WatchEventsRequest, WatchEventsResponse};
use bytes::Bytes;
use futures::stream::{self, Stream};
use serde::Deserialize;
use std::time::Duration;
use tonic::Streaming;

/// How long a silent stream is left without a sign of life: below what proxies wait.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Adds the route.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.route("/events", web::get().to(events));
}

#[derive(Deserialize)]
struct From {
    /// For a script that opens the stream anew by itself.
    #[serde(default)]
    after: u64,
}

async fn events(visitor: Visitor, from: web::Query<From>) -> Result<HttpResponse, PageError> {
    let last = visitor.request().headers().get("last-event-id");
    let after = last.and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(from.after);
    let signals = visitor.client.nodes().watch_events(WatchEventsRequest { after }).await?.into_inner();
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("x-accel-buffering", "no"))
        .streaming(follow(signals)))
}

enum State {
    Begin(Box<Streaming<WatchEventsResponse>>),
    Follow(Box<Streaming<WatchEventsResponse>>),
    End,
}

/// The signals as text. The stream ends with theirs; the browser then opens another one.
fn follow(signals: Streaming<WatchEventsResponse>) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    stream::unfold(State::Begin(Box::new(signals)), |state| async move {
        match state {
            State::Begin(signals) => Some((Ok(Bytes::from_static(b"retry: 2000\n\n")), State::Follow(signals))),
            State::Follow(mut signals) => match tokio::time::timeout(HEARTBEAT, signals.message()).await {
                Ok(Ok(Some(signal))) => Some((Ok(text_of(&signal)), State::Follow(signals))),
                Ok(Ok(None)) => None,
                // the browser is told why it has to come again, as far as it can be
                Ok(Err(_)) => Some((Ok(Bytes::from_static(b"event: away\ndata: {}\n\n")), State::End)),
                Err(_) => Some((Ok(Bytes::from_static(b": still here\n\n")), State::Follow(signals))),
            },
            State::End => None,
        }
    })
}

fn text_of(signal: &WatchEventsResponse) -> Bytes {
    let data = serde_json::json!({"kind": signal.kind, "subject": signal.subject});
    Bytes::from(format!("id: {}\nevent: signal\ndata: {data}\n\n", signal.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_one_event_whatever_its_subject_holds() {
        let signal = WatchEventsResponse { seq: 7, kind: "topics".into(), subject: "a\nevent: forged".into() };
        let text = String::from_utf8(text_of(&signal).to_vec()).unwrap();
        assert_eq!(text, "id: 7\nevent: signal\ndata: {\"kind\":\"topics\",\"subject\":\"a\\nevent: forged\"}\n\n");
    }
}
