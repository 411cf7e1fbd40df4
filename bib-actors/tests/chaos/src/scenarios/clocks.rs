//! A wall clock that jumps an hour and ten years, both ways, under a node with clients.
//!
//! Flagged and recorded, no actor fails, uploads go on; a ticket does not live longer by a step back, also when the
//! clock was set back while the node was off, and after further starts; and logins work again afterwards.

use super::kill::{check, everything, sabotage};
use crate::clients::Crowd;
use crate::liar::redeem;
use crate::nodes::{Inquiry, PATIENCE, full, restarts};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::{StopWatch, pause};
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, until};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const UPLOADERS: usize = 4;
const HOUR: i64 = 3600;
const YEARS: i64 = 10 * 365 * 24 * HOUR;
/// How far the clock is set back under a ticket, in seconds. Beyond a minute it is refused for having been made in the
/// future; here only its end speaks against it.
const BACK: i64 = 50;
/// Where the clock is put, one after the other, in seconds from the right time.
const STEPS: [i64; 8] = [HOUR, 0, -HOUR, 0, YEARS, 0, -YEARS, 0];

/// The clock of one node.
struct Clock {
    file: File,
    library: PathBuf,
    path: PathBuf,
}

impl Clock {
    fn build(folder: &Path) -> anyhow::Result<Self> {
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        std::fs::write(&source, include_str!("../clock.c"))?;
        let built = Command::new("gcc").args(["-O1", "-shared", "-fPIC", "-o"]).args([&library, &source]).output()?;
        ensure!(built.status.success(), "gcc: {}", String::from_utf8_lossy(&built.stderr));
        let path = folder.join("clock.offset");
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
        file.write_all_at(&0_i64.to_ne_bytes(), 0)?;
        Ok(Self { file, library, path })
    }

    fn env(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        vec![("LD_PRELOAD".into(), text(&self.library)), ("BIB_CHAOS_CLOCK".into(), text(&self.path))]
    }

    fn set(&self, seconds: i64) -> anyhow::Result<()> {
        Ok(self.file.write_all_at(&seconds.to_ne_bytes(), 0)?)
    }
}

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let clock = Clock::build(lab.path())?;
    let key = key(lab.path())?;
    let public = std::fs::read_to_string(key.with_extension("pub"))?;
    let more = format!("[[users]]\nname = \"ada\"\nrole = \"researcher\"\nkey = \"{}\"\n", public.trim());
    let mut node = full(&lab, NodeSpec { env: clock.env(), more, ..NodeSpec::full("timeless") })?;
    let mut other = lab.node(NodeSpec::cache("other"))?;
    other.start()?;
    let mut dice = setting.dice();
    let mut crowd = Crowd::start(node.data_dir(), UPLOADERS, &dice.branch(1))?;
    let before = restarts(&Inquiry::begin(&crowd.runtime, &node.data_dir())?.health()?);
    log_in(&lab, &node, &key, "before")?;
    let mut flagged = Vec::new();
    let rounds = setting.runs(1, 7);
    for round in 0..rounds {
        let mut was = 0;
        for step in STEPS {
            row.runs += 1;
            let what = format!("round {round}, from {was} s to {step} s");
            let acknowledged = crowd.ledger.count();
            let records = anomalies(&node)?;
            clock.set(step)?;
            let watch = StopWatch::start();
            let told = until("the jump is recorded", PATIENCE, || anomalies(&node).is_ok_and(|now| now > records));
            flagged.push(watch.millis());
            row.expect(told.is_ok(), || format!("{what}: the jump is not recorded"));
            let warnings = Inquiry::begin(&crowd.runtime, &node.data_dir())?.health()?.warnings;
            row.expect(warnings.iter().any(|w| w.contains("clock of this machine jumped")), || {
                format!("{what}: no warning: {warnings:?}")
            });
            let again = until("uploads go on", PATIENCE, || crowd.ledger.count() > acknowledged + UPLOADERS);
            row.expect(again.is_ok(), || format!("{what}: nothing is acknowledged any more"));
            if let Err(error) = log_in(&lab, &node, &key, &format!("at-{round}-{step}")) {
                row.violations.push(format!("{what}: {error:#}"));
            }
            was = step;
        }
        let kept = over_tls(&lab, &node, "before", &["topic", "list"])?;
        row.expect(kept.code == 0, || format!("a session does not work after all jumps: {}", kept.stderr));
        setting.tell(&format!("round {round}: {} acknowledged", crowd.ledger.count()));
    }
    let after = restarts(&Inquiry::begin(&crowd.runtime, &node.data_dir())?.health()?);
    row.expect(before == after, || format!("actors were restarted: {before:?} became {after:?}"));
    row.sample("recorded after ms", flagged);
    deadlines(&clock, &mut node, &other, row)?;
    let all = crowd.ledger.since(0);
    check(&node, &crowd, &all, row, "at the end")?;
    crowd.stop();
    row.violations.extend(crowd.ledger.complaints());
    everything(&node, &crowd, &mut dice, row)?;
    sabotage(&node, &crowd, row)
}

/// A ticket that is good for seconds is not good for longer when the clock is set back: while its node runs, while it is
/// off, and not after another start either, when every record of the log has the time of the wrong clock.
fn deadlines(clock: &Clock, node: &mut Node, other: &Node, row: &mut Row) -> anyhow::Result<()> {
    let ticket = |node: &Node| -> anyhow::Result<(String, StopWatch)> {
        let made = node.bib(&["invite", "--ttl", "4s", "-q"])?.ok()?.stdout.trim().to_owned();
        Ok((made, StopWatch::start()))
    };
    let good = node.bib(&["invite", "--ttl", "5m", "-q"])?.ok()?.stdout;
    let running = ticket(node)?;
    clock.set(-BACK)?;
    pause(Duration::from_secs(6));
    refused(31, &running, "while its node ran", row)?;
    clock.set(0)?;
    let stopped = ticket(node)?;
    node.stop()?;
    clock.set(-BACK)?;
    node.start()?;
    // how long it was off cannot be known; what it runs now counts from its last record
    pause(Duration::from_secs(6));
    refused(32, &stopped, "while its node was off", row)?;
    node.stop()?;
    node.start()?;
    refused(33, &stopped, "before its node was started twice", row)?;
    clock.set(0)?;
    let joined = other.bib(&["join", good.trim()])?;
    row.self_check(joined.code == 0, &format!("a ticket that is good ({})", joined.stderr.trim()));
    Ok(())
}

/// The taker's own clock is right and would refuse the ticket by itself: the giver must, too.
fn refused(seed: u8, (ticket, made): &(String, StopWatch), when: &str, row: &mut Row) -> anyhow::Result<()> {
    row.runs += 1;
    let accepted = redeem(seed, ticket)?;
    row.expect(!accepted, || format!("a ticket lived longer because the clock was set back {when}"));
    // by now it has ended by the wrong clock, too, which proves nothing
    if made.elapsed() > Duration::from_secs(BACK.unsigned_abs()) {
        row.void += 1;
    }
    Ok(())
}

fn anomalies(node: &Node) -> anyhow::Result<usize> {
    let records = node.json(&["admin", "audit", "list", "--action", "clock.anomaly", "--limit", "500"])?;
    Ok(records.as_array().context("records")?.len())
}

fn key(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("ada-key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status()?;
    ensure!(made.success(), "ssh-keygen does not make a key");
    Ok(path)
}

fn over_tls(lab: &Lab, node: &Node, who: &str, words: &[&str]) -> anyhow::Result<bib_node_tests::Outcome> {
    let config = lab.path().join(who);
    let config = config.to_str().context("a UTF-8 folder")?;
    node.program(&[words, &["--no-input", "--config-dir", config]].concat())
}

fn log_in(lab: &Lab, node: &Node, key: &Path, who: &str) -> anyhow::Result<()> {
    let status = node.json(&["status"])?;
    let fingerprint = status["tlsFingerprint"].as_str().context("a fingerprint")?;
    let fingerprint = format!("sha256:{}", fingerprint.trim_start_matches("sha256:"));
    let (address, key) = (node.grpc().to_string(), key.to_str().context("a UTF-8 folder")?.to_owned());
    over_tls(lab, node, who, &["connect", &address, "--fingerprint", &fingerprint, "--ssh-key", &key])?.ok()?;
    over_tls(lab, node, who, &["topic", "list"])?.ok()?;
    Ok(())
}
