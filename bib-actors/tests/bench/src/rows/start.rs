//! `start`: from the process to ready, of nodes that have data, beside programs of like kind.

use super::data::small_files;
use crate::context::Ctx;
use crate::measure::{Round, Side, in_turn, one, seconds};
use crate::peers::daemon::answering;
use crate::peers::etcd;
use crate::peers::postgres::Postgres;
use crate::report::{Better, Row};
use bib_node_tests::{Lab, Node, NodeSpec, pair};
use std::cell::RefCell;

/// What a full node may take beside its PostgreSQL, in milliseconds.
const MARGIN: f64 = 150.0;

/// A node on PostgreSQL beside PostgreSQL; a proxy and a cache, both on SQLite, beside etcd. Each is started twice, and the
/// second start counts: the first reads the program's files where the system has let go of them meanwhile, which would be
/// paid for by whoever comes first.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let mut full = full_with_data(&lab)?;
    let (proxy, cache) =
        (of(&lab, NodeSpec::proxy("proxy"), &mut full)?, of(&lab, NodeSpec::cache("cache"), &mut full)?);
    let (full, proxy, cache) = (RefCell::new(full), RefCell::new(proxy), RefCell::new(cache));
    let postgres = RefCell::new(Postgres::new(&lab.path().join("postgres"))?);
    let etcd_data = lab.path().join("etcd");
    etcd::start(&etcd_data)?.stop()?;
    let sides: Vec<Side<'_>> = vec![
        Box::new(|_| {
            Ok(vec![
                second(|| start(&mut full.borrow_mut()))?,
                second(|| start(&mut cache.borrow_mut()))?,
                second(|| start(&mut proxy.borrow_mut()))?,
            ])
        }),
        one(|_| {
            second(|| {
                let ((), took) = seconds(|| postgres.borrow_mut().start())?;
                postgres.borrow_mut().stop()?;
                Ok(took * 1e3)
            })
        }),
        one(|_| {
            second(|| {
                let (etcd, took) = seconds(|| etcd::start(&etcd_data))?;
                etcd.stop()?;
                Ok(took * 1e3)
            })
        }),
    ];
    let table = in_turn(ctx, sides)?;
    let full = table.with(&[0, 1], |round| Round { ours: round[0][0], peer: round[1][0] + MARGIN });
    let beside_etcd = |at: usize| table.with(&[0, 2], move |round| Round { ours: round[0][at], peer: round[2][0] });
    let alone = crate::measure::median(full.rounds.iter().map(|round| round.peer - MARGIN).collect());
    Ok(vec![
        Row::new("start.proxy", "etcd", "ms", Better::Lower, 1.33, beside_etcd(2)),
        Row::new("start.cache", "etcd", "ms", Better::Lower, 1.33, beside_etcd(1)).remark("a selective node on SQLite"),
        Row::new("start.full", "bound", "ms", Better::Lower, 1.0, full)
            .remark(format!("PostgreSQL alone ({alone:.0} ms) and 150 ms")),
    ])
}

/// The second of two measurements.
fn second(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    measure()?;
    measure()
}

/// A node that joined `full` and has read its dataset; both are stopped.
pub(crate) fn of(lab: &Lab, spec: NodeSpec, full: &mut Node) -> anyhow::Result<Node> {
    let mut node = lab.node(spec)?;
    full.start()?;
    node.start()?;
    pair(full, &node)?;
    node.bib(&["dataset", "query", "dataset(\"bench/table\").limit(1)"])?.ok()?;
    node.stop()?;
    full.stop()?;
    Ok(node)
}

/// A node with a dataset and a table in it, stopped.
pub(crate) fn full_with_data(lab: &Lab) -> anyhow::Result<Node> {
    let mut node = lab.node(NodeSpec::full("full"))?;
    node.start()?;
    let folder = lab.path().join("data");
    small_files(&folder, 3, 200, 4096)?;
    node.bib(&["topic", "create", "bench"])?.ok()?;
    node.bib(&["dataset", "upload", &folder.to_string_lossy(), "--topic", "bench", "--name", "data"])?.ok()?;
    let table = lab.path().join("table.csv");
    std::fs::write(&table, "n,s\n1,a\n2,b\n")?;
    node.bib(&["dataset", "upload", &table.to_string_lossy(), "--topic", "bench", "--name", "table"])?.ok()?;
    node.stop()?;
    Ok(node)
}

/// Milliseconds until it is ready; it is stopped again.
fn start(node: &mut Node) -> anyhow::Result<f64> {
    let port = node.web().port();
    let ((), took) = seconds(|| {
        node.launch()?;
        answering(port, "/readyz")
    })?;
    node.stop()?;
    Ok(took * 1e3)
}
