//! Prints how fast the audit log is on this machine: `cargo run --release -p bib-audit --example audit_rates -- DIR`.
#![expect(clippy::print_stdout, reason = "an example for people")]

use bib_audit::bench::{BenchPlan, run};
use bib_audit::{AuditError, AuditOptions};
use std::path::PathBuf;

fn main() -> Result<(), AuditError> {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let node: bib_domain::NodeId =
        "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().expect("the id has the form of one");
    for callers in [1, 16, 64, 512, 2_048] {
        let plan = BenchPlan { records: if callers < 16 { 500 } else { callers * 400 }, callers };
        let dir = dir.join(format!("audit-rates-{}-{callers}", std::process::id()));
        let report = run(AuditOptions::new(&dir, node.clone(), [1; 32]), plan);
        let _ = std::fs::remove_dir_all(&dir);
        println!("{callers:>5} callers: {:.0?}", report?);
    }
    Ok(())
}
