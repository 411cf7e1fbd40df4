//! `idle-memory`: resident memory of bibd without its PostgreSQL, beside etcd.

use super::start::{full_with_data, of};
use crate::context::Ctx;
use crate::machine::resident_mb;
use crate::measure::{Side, in_turn, one};
use crate::peers::etcd;
use crate::report::{Better, Row};
use anyhow::Context;
use bib_node_tests::{Lab, Node, NodeSpec};
use std::time::Duration;

/// How long a program idles before it is looked at.
const IDLE: Duration = Duration::from_secs(5);

/// A node on PostgreSQL; a proxy and a cache, both on SQLite.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let mut full = full_with_data(&lab)?;
    let (mut proxy, mut cache) =
        (of(&lab, NodeSpec::proxy("proxy"), &mut full)?, of(&lab, NodeSpec::cache("cache"), &mut full)?);
    for node in [&mut full, &mut proxy, &mut cache] {
        node.start()?;
    }
    let etcd = etcd::start(&lab.path().join("etcd"))?;
    let sides: Vec<Side<'_>> = vec![
        Box::new(|_| {
            std::thread::park_timeout(IDLE);
            Ok(vec![resident(&full)?, resident(&cache)?, resident(&proxy)?])
        }),
        one(|_| resident_mb(etcd.pid())),
    ];
    let table = in_turn(ctx, sides)?;
    let beside_etcd =
        |at: usize| table.with(&[0, 1], move |round| crate::measure::Round { ours: round[0][at], peer: round[1][0] });
    Ok(vec![
        Row::new("idle-memory.proxy", "etcd", "MB", Better::Lower, 1.0, beside_etcd(2)),
        Row::new("idle-memory.cache", "etcd", "MB", Better::Lower, 1.0, beside_etcd(1))
            .remark("a selective node on SQLite"),
        Row::new("idle-memory.full", "bound", "MB", Better::Lower, 1.0, table.bound(0, 60.0)),
    ])
}

fn resident(node: &Node) -> anyhow::Result<f64> {
    resident_mb(node.pid().context("the node does not run")?)
}
