//! `audit-append`: durable records a second and how long each waits, beside batches in PostgreSQL; and verifying them.

use super::float;
use crate::context::Ctx;
use crate::measure::{Side, in_turn, seconds};
use crate::peers::postgres::Postgres;
use crate::report::{Better, NO_GOAL, Row};
use bib_audit::AuditOptions;
use bib_audit::bench::{BenchPlan, run as run_log};
use bib_node_tests::Lab;
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

/// Rows of one transaction of the peer.
const BATCH: usize = 100;

/// Rate, wait, verification.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let records = ctx.size(400_000, 4_000);
    let mut postgres = Postgres::new(&lab.path().join("postgres"))?;
    postgres.start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(postgres.make_tables())?;
    let client = runtime.block_on(postgres.connect())?;
    let ours: Side<'_> = Box::new(|round| {
        let folder = lab.path().join(format!("log-{round}"));
        let node = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse()?;
        // as many callers as the log takes at once: what is asked for is the rate under load
        let plan = BenchPlan { records: records as u64, callers: 2_000 };
        let report = run_log(AuditOptions::new(&folder, node, [7; 32]), plan)?;
        std::fs::remove_dir_all(&folder)?;
        Ok(vec![report.appends_per_s, report.append_p99.as_secs_f64() * 1e3, report.verified_per_s / 1e6])
    });
    let batches: Side<'_> = Box::new(|_| {
        let count = records / 4;
        let ((), took) = seconds(|| runtime.block_on(insert(&client, count)))?;
        Ok(vec![float(count) / took])
    });
    let table = in_turn(ctx, vec![ours, batches])?;
    Ok(vec![
        Row::new("audit-append", "bound", "1/s", Better::Higher, 1.0, table.bound(0, 100_000.0))
            .remark("2,000 callers"),
        Row::new("audit-append", "postgresql", "1/s", Better::Higher, NO_GOAL, table.beside(1, 0))
            .remark("chained by the client, 100 rows a transaction"),
        Row::new("audit-append.p99", "bound", "ms", Better::Lower, 1.0, table.bound(1, 50.0)),
        Row::new("audit-append.verify", "bound", "M/s", Better::Higher, 1.0, table.bound(2, 1.5)).remark("on one core"),
    ])
}

async fn insert(client: &Client, count: usize) -> anyhow::Result<()> {
    let sql = "insert into chain (entry, prev, hash) select * from unnest($1::text[], $2::text[], $3::text[])";
    let statement = client.prepare(sql).await?;
    let mut head = String::new();
    for batch in 0..count / BATCH {
        let (mut entries, mut before, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..BATCH {
            let entry = format!("dataset.get flights/{batch}-{number} bibd_query select * from dataset_versions 180");
            let digest: [u8; 32] = Sha256::new().chain_update(&head).chain_update(&entry).finalize().into();
            let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            entries.push(entry);
            before.push(std::mem::replace(&mut head, hash.clone()));
            hashes.push(hash);
        }
        client.execute(&statement, &[&entries, &before, &hashes]).await?;
    }
    Ok(())
}
