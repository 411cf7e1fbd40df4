//! `replicate-3`: several providers of the same version, each limited to a rate by a token bucket in front of its port.
//!
//! Every fetcher knows as many providers as its name says, and reaches them through the buckets alone: providers announce
//! their buckets and nothing else, and fetchers announce a port at which nobody is, so that no provider opens a connection
//! of its own to them. What passes the buckets is counted: it proves that no byte took another way, and shows how much
//! came twice.

use super::pair::{ARRIVAL, is_complete, prove, subscribe};
use super::{float, noise};
use crate::context::Ctx;
use crate::measure::{Measured, in_turn, seconds};
use crate::peers::bucket::Bucket;
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, free_port, until};
use std::cell::RefCell;
use std::path::Path;

/// Bytes a second of each provider: four of them together stay far below what the machine can move.
const RATE: f64 = 12e6;
const NAMES: [&str; 4] = ["one", "two", "three", "four"];
/// How often a chunk may come twice, for each slot of a killed provider; chunks of the largest size.
const CHUNK: f64 = 4e6;

struct Provider {
    node: Node,
    bucket: Bucket,
}

/// One, two and four providers; and two of which one is killed at half.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let mib = ctx.size(96, 8);
    let mut providers = Vec::new();
    for name in NAMES {
        let (inner, outer) = (free_port(), free_port());
        let env = vec![listens(inner), announces(outer)];
        let mut node = lab.node(NodeSpec { env, ..NodeSpec::selective(name) })?;
        node.start()?;
        providers.push(Provider { node, bucket: Bucket::new(outer, inner, RATE)? });
    }
    let (first, others) = providers.split_first().context("providers")?;
    others.iter().try_for_each(|other| join(&other.node, &first.node))?;
    let nobody = free_port();
    let fetcher = |name: &'static str, known: usize| -> anyhow::Result<Node> {
        let mut node = lab.node(NodeSpec { env: vec![announces(nobody)], ..NodeSpec::cache(name) })?;
        node.start()?;
        providers.iter().take(known).try_for_each(|provider| join(&node, &provider.node))?;
        Ok(node)
    };
    let fetchers = [fetcher("from-one", 1)?, fetcher("from-two", 2)?, fetcher("from-four", 4)?];
    let killing = fetcher("from-killed", 2)?;
    let providers = RefCell::new(providers);
    let source = lab.path().join("source.bin");

    let side = |round: usize| {
        let topic = format!("m{round}");
        noise(&source, 9000 + round as u64, mib)?;
        publish(&providers.borrow(), &source, &topic)?;
        let mut figures = Vec::new();
        for node in &fetchers {
            let passed = total(&providers.borrow());
            until("the topic is known", ARRIVAL, || node.bib(&["topic", "get", &topic]).is_ok_and(|o| o.code == 0))?;
            let ((), took) = seconds(|| subscribe(node, &topic))?;
            prove(node, &topic)?;
            let passed = total(&providers.borrow()) - passed;
            ensure!(passed >= (mib as u64) << 20, "{} fetched past the buckets", node.name());
            figures.push(took);
        }
        let (took, more) = killed_at_half(&killing, &mut providers.borrow_mut(), &topic, mib)?;
        // half from two and half from one, as long as that takes in this round with all that is not the transfer
        figures.extend([took, f64::midpoint(figures[0], figures[1]), more]);
        Ok(figures)
    };
    let table = in_turn(ctx, vec![Box::new(side)])?;
    // what it would stop in order is the PostgreSQL that its first life left behind: that is a child of this program now, and
    // when it ends nobody takes it away, for which the node would wait
    providers.borrow_mut()[1].node.kill9()?;
    let remark = "token buckets in front of the providers' TCP ports; the peer is one provider";
    let times = |figure: usize| table.own(figure, 0);
    let row = |name: &str, peer: &str, goal: f64, measured: Measured| {
        Row::new(name, peer, "s", Better::Lower, goal, measured).remark(remark)
    };
    let twice = Row::new("replicate-3.twice", "bound", "MB", Better::Lower, 1.0, table.bound(5, CHUNK * SLOTS / 1e6));
    Ok(vec![
        row("replicate-3.two", "1 provider", 1.9, times(1)),
        row("replicate-3.four", "1 provider", 3.6, times(2)),
        row("replicate-3.killed", "half of each", 1.0 / 1.05, table.own(3, 4))
            .remark("one of two killed at half, beside half the time of two and half the time of one"),
        twice
            .exact()
            .remark("bytes that passed beyond the version's, beside one largest chunk a slot of the killed one"),
    ])
}

/// Data streams to each provider.
const SLOTS: f64 = 4.0;

/// Seconds, and MB beyond the version's own.
fn killed_at_half(node: &Node, providers: &mut [Provider], topic: &str, mib: usize) -> anyhow::Result<(f64, f64)> {
    until("the topic is known", ARRIVAL, || node.bib(&["topic", "get", topic]).is_ok_and(|o| o.code == 0))?;
    let (before, bytes) = (total(providers), (mib as u64) << 20);
    let ((), took) = seconds(|| {
        node.bib(&["topic", "subscribe", topic])?.ok()?;
        until("half of it is there", ARRIVAL, || total(providers) - before >= bytes / 2)?;
        providers[1].node.kill9()?;
        until("the rest is there", ARRIVAL, || is_complete(node, topic))
    })?;
    prove(node, topic)?;
    let passed = total(providers) - before;
    providers[1].node.start()?;
    Ok((took, float(usize::try_from(passed.saturating_sub(bytes))?) / 1e6))
}

fn total(providers: &[Provider]) -> u64 {
    providers.iter().map(|provider| provider.bucket.passed()).sum()
}

fn listens(port: u16) -> (String, String) {
    ("BIBD_P2P_LISTEN".to_owned(), format!("/ip4/127.0.0.1/tcp/{port}"))
}

fn announces(port: u16) -> (String, String) {
    ("BIBD_P2P_ANNOUNCE".to_owned(), format!("/ip4/127.0.0.1/tcp/{port}"))
}

/// Pairs with a provider by a ticket, which names its bucket.
fn join(node: &Node, provider: &Node) -> anyhow::Result<()> {
    let ticket = provider.bib(&["invite", "-q"])?.ok()?.stdout;
    node.bib(&["join", ticket.trim()])?.ok().map(|_| ())
}

/// Puts a file into the first provider, and waits until the others have it too.
fn publish(providers: &[Provider], source: &Path, topic: &str) -> anyhow::Result<()> {
    let (first, others) = providers.split_first().context("providers")?;
    // only fetching from them is to be limited
    providers.iter().for_each(|provider| provider.bucket.set_open(true));
    first.node.bib(&["topic", "create", topic])?.ok()?;
    first.node.bib(&["dataset", "upload", &source.to_string_lossy(), "--topic", topic, "--name", "data"])?.ok()?;
    for other in others {
        until("the topic is known", ARRIVAL, || {
            other.node.bib(&["topic", "get", topic]).is_ok_and(|outcome| outcome.code == 0)
        })?;
        subscribe(&other.node, topic)?;
    }
    providers.iter().for_each(|provider| provider.bucket.set_open(false));
    Ok(())
}
