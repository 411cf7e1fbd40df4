//! `idle-memory`: resident memory of bibd without its PostgreSQL, beside etcd, syncthing and a PostgreSQL.

use super::start::{full_with_data, of, syncthing_with_data};
use crate::context::Ctx;
use crate::machine::{proportional_mb, resident_mb};
use crate::measure::{Round, Side, in_turn, one};
use crate::peers::etcd;
use crate::peers::postgres::Postgres;
use crate::report::{Better, NO_GOAL, Row};
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
    let syncthing = syncthing_with_data(&lab)?.start()?;
    let mut server = Postgres::new(&lab.path().join("postgres"))?;
    server.start()?;
    let postgres = server.pid()?;
    let readable = proportional_mb(postgres).map(|_| ());
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|_| {
            std::thread::park_timeout(IDLE);
            Ok(vec![resident(&full)?, resident(&cache)?, resident(&proxy)?])
        }),
        one(|_| resident_mb(etcd.pid())),
        one(|_| resident_mb(syncthing.pid())),
    ];
    if readable.is_ok() {
        sides.push(one(|_| proportional_mb(postgres)));
    }
    let table = in_turn(ctx, sides)?;
    let beside =
        |at: usize, peer: usize| table.with(&[0, peer], |round| Round { ours: round[0][at], peer: round[peer][0] });
    let (full, cache, proxy) = ("idle-memory.full", "idle-memory.cache", "idle-memory.proxy");
    let mut rows = vec![
        Row::new(proxy, "etcd", "MB", Better::Lower, 1.0, beside(2, 1)),
        Row::new(cache, "etcd", "MB", Better::Lower, NO_GOAL, beside(1, 1)).remark("a selective node on SQLite"),
        Row::new(cache, "syncthing", "MB", Better::Lower, NO_GOAL, beside(1, 2)).remark("with a folder of 200 files"),
        Row::new(full, "bound", "MB", Better::Lower, 1.0, table.bound(0, 60.0)),
    ];
    rows.push(match readable {
        Ok(()) => Row::new(full, "postgresql", "MB", Better::Lower, NO_GOAL, beside(0, 3))
            .remark("ours without its PostgreSQL; all processes of an empty one, what they share counted once"),
        Err(why) => Row::left_out(full, "postgresql", "MB", NO_GOAL, &format!("{why:#}")),
    });
    Ok(rows)
}

fn resident(node: &Node) -> anyhow::Result<f64> {
    resident_mb(node.pid().context("the node does not run")?)
}
