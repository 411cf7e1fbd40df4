//! The audit log against the number of records.

use super::{Curve, sizes};
use crate::context::Ctx;
use crate::rows::float;
use bib_audit::AuditOptions;
use bib_audit::bench::{BenchPlan, run as run_log};
use bib_node_tests::Lab;

/// Appends a second, and milliseconds of a verification.
pub(super) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Curve>> {
    let lab = Lab::new()?;
    let [mut rate, mut wait, mut verify] = [const { Vec::new() }; 3];
    for records in sizes(ctx, &[10_000, 100_000, 1_000_000, 5_000_000], &[1_000, 5_000]) {
        let folder = lab.path().join(format!("log-{records}"));
        let node = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse()?;
        let plan = BenchPlan { records: records as u64, callers: 500 };
        let report = run_log(AuditOptions::new(&folder, node, [7; 32]), plan)?;
        std::fs::remove_dir_all(&folder)?;
        rate.push((records, report.appends_per_s));
        wait.push((records, report.append_p99.as_secs_f64() * 1e3));
        verify.push((records, float(records) / report.verified_per_s * 1e3));
    }
    let along = "records in the log";
    Ok(vec![
        Curve { along, figure: "appends, 1/s", wanted: "flat", points: rate },
        Curve { along, figure: "append p99, ms", wanted: "flat", points: wait },
        Curve { along, figure: "verification, ms", wanted: "linear", points: verify },
    ])
}
