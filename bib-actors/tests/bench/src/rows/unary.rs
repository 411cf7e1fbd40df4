//! `grpc-unary`: an authenticated, audited call over TLS, beside a bare tonic server with the same messages.

use super::{Place, float};
use crate::context::Ctx;
use crate::measure::{Measured, Side, in_turn, percentile};
use crate::peers::tonic::Bare;
use crate::report::{Better, Row};
use anyhow::ensure;
use bib_proto::v1::GetTopicRequest;
use futures::future::try_join_all;
use std::time::Duration;
use tokio::runtime::Runtime;
use tonic::Status;

/// Calls at once, connections that carry them, calls of each in a round.
const LOADS: [(usize, usize, usize); 3] = [(1, 1, 2_000), (8, 2, 500), (64, 4, 250)];

/// Rate, median and 99th percentile.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let bare = Bare::start(&place.path("tonic"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let connections = LOADS.iter().map(|load| load.1).max().unwrap_or(1);
    let mut ours = Vec::new();
    for _ in 0..connections {
        ours.push(runtime.block_on(place.remote())?);
    }
    let peers = runtime.block_on(try_join_all((0..connections).map(|_| bare.connect())))?;
    let request = || GetTopicRequest { name: "bench".to_owned() };

    let mut rows = Vec::new();
    for (at_once, over, each) in LOADS {
        let each = ctx.size(each, 10);
        let our_side: Side<'_> = Box::new(|_| {
            load(&runtime, at_once, each, |worker| {
                let mut topics = ours[worker % over].topics();
                async move { topics.get_topic(request()).await.map(|answer| answer.into_inner().topic.is_some()) }
            })
        });
        let peer_side: Side<'_> = Box::new(|_| {
            load(&runtime, at_once, each, |worker| {
                let mut topics = peers[worker % over].clone();
                async move { topics.get_topic(request()).await.map(|answer| answer.into_inner().topic.is_some()) }
            })
        });
        let table = in_turn(ctx, vec![our_side, peer_side])?;
        let row = |what: &str, unit, better, goal: f64, measured: Measured| {
            let row = Row::new(&format!("grpc-unary.{at_once}.{what}"), "tonic", unit, better, goal, measured);
            row.remark("ours checks the session, reads the catalogue and writes an audit record")
        };
        rows.push(row("p50", "us", Better::Lower, 1.0 / 1.4, table.beside(1, 1)));
        rows.push(row("p99", "us", Better::Lower, 0.5, table.beside(1, 2)));
        if at_once == 64 {
            rows.push(row("rate", "1/s", Better::Higher, 0.7, table.beside(1, 0)));
        }
    }
    Ok(rows)
}

/// Calls a second, median and 99th percentile in microseconds.
fn load<F, W>(runtime: &Runtime, at_once: usize, each: usize, call: W) -> anyhow::Result<Vec<f64>>
where
    F: Future<Output = Result<bool, Status>>,
    W: Fn(usize) -> F,
{
    let work = (0..at_once).map(|worker| {
        let call = &call;
        async move {
            let mut times = Vec::with_capacity(each);
            for _ in 0..each {
                let begun = bib_kit::clock::monotonic();
                ensure!(call(worker).await?, "an answer without a topic");
                times.push(bib_kit::clock::since(begun));
            }
            anyhow::Ok(times)
        }
    });
    let begun = bib_kit::clock::monotonic();
    let times: Vec<Vec<Duration>> = runtime.block_on(try_join_all(work))?;
    let took = bib_kit::clock::since(begun);
    let mut times: Vec<f64> = times.concat().iter().map(|time| time.as_secs_f64() * 1e6).collect();
    let rate = float(times.len()) / took.as_secs_f64();
    Ok(vec![rate, percentile(&mut times, 50), percentile(&mut times, 99)])
}
