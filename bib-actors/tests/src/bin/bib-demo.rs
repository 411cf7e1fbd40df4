//! `make demo`: the main job on two nodes, cleaned up also when it is interrupted.

use anyhow::Context;
use bib_node_tests::demo::{Ending, Story, run};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match act() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let data = words.next().map_or_else(|| PathBuf::from("examples/data"), PathBuf::from);
    let ending = if words.next().as_deref() == Some("--keep") { Ending::Keep } else { Ending::CleanUp };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listen for signals")?;
    let handle = signals.handle();
    let watcher = std::thread::spawn(move || signals.forever().next());
    let story = std::thread::spawn(move || -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        let report = run(&mut Story { out: &mut out, data, ending })?;
        writeln!(out, "\n{}", report.line()).context("write to standard output")
    });
    while !story.is_finished() && !watcher.is_finished() {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    if watcher.is_finished() && !story.is_finished() {
        let _ = writeln!(std::io::stderr(), "\ninterrupted: stopping the nodes and removing their data");
        bib_node_tests::interrupt();
        // the story fails at its next step, and everything in it is dropped
        let _ = story.join();
        return Ok(ExitCode::from(130));
    }
    handle.close();
    match story.join() {
        Ok(told) => told.map(|()| ExitCode::SUCCESS),
        Err(_) => anyhow::bail!("a step panicked"),
    }
}
