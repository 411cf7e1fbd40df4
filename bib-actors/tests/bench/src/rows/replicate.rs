//! `replicate-1g`: a version from one node to another over loopback, beside an rsync daemon with sync.

use super::data::{noise, rate};
use crate::measure::{rounds, seconds};
use crate::peers::{debian, run as run_peer};
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, NodeSpec, free_port, until};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ARRIVAL: Duration = Duration::from_secs(300);

/// Kills the peer's daemon when the row ends, however it ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One peer.
pub(crate) fn run(count: usize, mib: usize) -> anyhow::Result<Vec<Row>> {
    debian("rsync", "rsync")?;
    let lab = Lab::new()?;
    let (mut first, mut second) = (lab.node(NodeSpec::full("first"))?, lab.node(NodeSpec::selective("second"))?);
    first.start()?;
    second.start()?;
    let ticket = first.bib(&["invite", "-q"])?.ok()?.stdout;
    second.bib(&["join", ticket.trim()])?.ok()?;

    let (served, got) = (lab.path().join("served"), lab.path().join("got"));
    std::fs::create_dir_all(&served)?;
    std::fs::create_dir_all(&got)?;
    let source = served.join("source.bin");
    let port = free_port();
    let config = lab.path().join("rsyncd.conf");
    let text = format!(
        "port = {port}\naddress = 127.0.0.1\nuse chroot = no\nlog file = /dev/null\n[bench]\npath = {}\nread only = yes\n",
        served.display()
    );
    std::fs::write(&config, text)?;
    let mut daemon = Command::new("rsync");
    daemon.args(["--daemon", "--no-detach"]).arg(format!("--config={}", config.display())).stdin(Stdio::null());
    let _daemon = Daemon(daemon.spawn().context("run rsync")?);
    until("rsync listens", Duration::from_secs(10), || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;

    let rounds = rounds(
        count,
        |round| {
            noise(&source, 5001 + round as u64, mib)?;
            let (topic, dataset) = (format!("r{round}"), format!("r{round}/big"));
            first.bib(&["topic", "create", &topic])?.ok()?;
            first.bib(&["dataset", "upload", &source.to_string_lossy(), "--topic", &topic, "--name", "big"])?.ok()?;
            until("the topic is known", ARRIVAL, || second.bib(&["topic", "get", &topic]).is_ok_and(|o| o.code == 0))?;
            let ((), took) = seconds(|| {
                second.bib(&["topic", "subscribe", &topic])?.ok()?;
                until("it is all there", ARRIVAL, || {
                    second.json(&["dataset", "get", &dataset]).is_ok_and(|answer| answer["version"]["complete"] == true)
                })
            })?;
            let report = second.json(&["dataset", "verify", &dataset])?;
            ensure!(report["ok"] == true && report["signatureOk"] == true, "{report}");
            Ok(rate(mib, took))
        },
        |_| {
            let _ = std::fs::remove_file(got.join("source.bin"));
            let ((), took) = seconds(|| {
                let mut command = Command::new("rsync");
                command
                    .args(["-a", "--whole-file"])
                    .arg(format!("rsync://127.0.0.1:{port}/bench/source.bin"))
                    .arg(&got);
                run_peer(&mut command)?;
                run_peer(Command::new("sync").arg("-f").arg(&got))
            })?;
            Ok(rate(mib, took))
        },
    )?;
    let remark = "rsync neither encrypts nor verifies";
    let (name, peer_name) = ("replicate-1g".to_owned(), "rsync".to_owned());
    Ok(vec![Row { name, peer_name, unit: "MB/s", better: Better::Higher, goal: 0.6, rounds, remark }])
}
