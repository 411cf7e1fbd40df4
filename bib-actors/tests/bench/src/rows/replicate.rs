//! `replicate-1g`: a version from one node to another over loopback, beside programs that move a file.

use super::{Pair, hash, noise, rate};
use crate::context::Ctx;
use crate::measure::{Side, in_turn, one, seconds};
use crate::peers::cargo;
use crate::peers::daemon::Daemon;
use crate::peers::rsync::Rsync;
use crate::peers::syncthing::Syncthing;
use crate::peers::torrent::Torrent;
use crate::report::{Better, NO_GOAL, Row};
use anyhow::{Context, ensure};
use bib_node_tests::free_port;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Ours, then each peer, in each round.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let sendme = Sendme::find(ctx);
    let pair = Pair::new()?;
    let (served, got) = (pair.path("served"), pair.path("got"));
    std::fs::create_dir(&served)?;
    std::fs::create_dir(&got)?;
    let (source, fixed) = (served.join("source.bin"), served.join("fixed.bin"));
    noise(&fixed, 5000, ctx.mib)?;
    let expected = hash(&fixed)?;
    let rsync = Rsync::serve(&pair.path(""), &served)?;
    let torrent = Torrent::seed(ctx, &pair.path(""), &served, "fixed.bin")?;
    let syncthing = Syncthing::start(&pair.path(""))?;
    let sendme = match sendme {
        Ok(program) => Ok(Sendme::serve(program, &pair.path(""), &fixed)?),
        Err(why) => Err(why),
    };
    let mib = ctx.mib;
    let proved = |copy: &Path, took: f64| {
        ensure!(hash(copy)? == expected, "{} is another file", copy.display());
        Ok(rate(mib, took))
    };

    let mut sides: Vec<Side<'_>> = vec![
        one(|round| {
            noise(&source, 5001 + round as u64, mib)?;
            let topic = format!("r{round}");
            pair.publish(&source, &topic)?;
            let ((), took) = seconds(|| pair.fetch(&topic))?;
            pair.prove(&topic)?;
            Ok(rate(mib, took))
        }),
        one(|round| {
            let place = Turn::new(&got, "rsync", round)?;
            let ((), took) = seconds(|| rsync.fetch("fixed.bin", &place.folder))?;
            place.done(proved(&place.folder.join("fixed.bin"), took)?)
        }),
        one(|round| {
            let place = Turn::new(&got, "torrent", round)?;
            let took = torrent.fetch(&place.folder)?;
            place.done(proved(&place.folder.join("fixed.bin"), took)?)
        }),
        one(|round| {
            let name = |round: usize| format!("s{round}.bin");
            let (took, copy) = syncthing.move_file(&fixed, &name(round))?;
            let rate = proved(&copy, took)?;
            if let Some(before) = round.checked_sub(1) {
                syncthing.remove(&name(before))?;
            }
            Ok(rate)
        }),
    ];
    if let Ok(sendme) = &sendme {
        sides.push(one(|round| {
            let place = Turn::new(&got, "sendme", round)?;
            let took = sendme.receive(&place.folder)?;
            place.done(proved(&place.folder.join("fixed.bin"), took)?)
        }));
    }
    let table = in_turn(ctx, sides)?;
    let row = |peer: usize, name: &str, goal: Option<f64>, remark: &str| {
        Row::new("replicate-1g", name, "MB/s", Better::Higher, goal, table.beside(peer, 0)).remark(remark)
    };
    let mut rows = vec![
        row(1, "rsync", Some(0.6), "rsync neither encrypts nor verifies; then 1.0"),
        row(2, "libtorrent", NO_GOAL, "unencrypted, hashed before"),
        row(3, "syncthing", Some(1.8), "from when it has hashed the file"),
    ];
    rows.push(match &sendme {
        Ok(_) => row(4, "sendme", Some(2.5), "sendme writes twice"),
        Err(why) => Row::left_out("replicate-1g", "sendme", "MB/s", 2.5, why),
    });
    Ok(rows)
}

/// Where a peer's copy of a round goes. The one before stays until this one is measured: what takes the place of a file
/// that was removed a moment ago is written at a multiple of the rate of what is new, as ours is in every round.
struct Turn {
    folder: PathBuf,
    before: PathBuf,
}

impl Turn {
    fn new(got: &Path, peer: &str, round: usize) -> anyhow::Result<Self> {
        let folder = |round: usize| got.join(format!("{peer}-{}", round % 2));
        let turn = Self { folder: folder(round), before: folder(round + 1) };
        std::fs::create_dir(&turn.folder)?;
        Ok(turn)
    }

    fn done(&self, rate: f64) -> anyhow::Result<f64> {
        match std::fs::remove_dir_all(&self.before) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(rate),
        }
    }
}

/// sendme, without relays.
struct Sendme {
    program: PathBuf,
    ticket: String,
    _provider: Daemon,
}

impl Sendme {
    /// The program, which is compiled for some minutes where it is not there yet; or why this run does without.
    fn find(ctx: &Ctx) -> Result<PathBuf, &'static str> {
        if !ctx.slow_peers {
            return Err("sendme takes some ten minutes to compile, once: run without SLOW_PEERS=0");
        }
        cargo(&ctx.cache, "sendme").map_err(|error| {
            let _ = writeln!(std::io::stderr(), "sendme is not there: {error:#}");
            "sendme could not be had; the reason was printed when the row began"
        })
    }

    fn serve(program: PathBuf, place: &Path, file: &Path) -> anyhow::Result<Self> {
        let home = place.join("sendme");
        std::fs::create_dir(&home)?;
        let mut command = Command::new(&program);
        command.current_dir(&home).env("HOME", &home).arg("send").arg(file).args(["--relay", "disabled"]);
        command.args(["--ticket-type", "addresses", "--no-progress"]);
        command.arg("--magic-ipv4-addr").arg(format!("127.0.0.1:{}", free_port()));
        command.arg("--magic-ipv6-addr").arg(format!("[::1]:{}", free_port()));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut provider = command.spawn().context("run sendme")?;
        let said = BufReader::new(provider.stdout.take().context("sendme's output")?);
        let provider = Daemon::of(provider);
        for line in said.lines() {
            let line = line?;
            if let Some(ticket) =
                line.split_once("sendme receive ").and_then(|(_, rest)| rest.split_whitespace().next())
            {
                return Ok(Self { program, ticket: ticket.to_owned(), _provider: provider });
            }
        }
        anyhow::bail!("sendme made no ticket")
    }

    fn receive(&self, folder: &Path) -> anyhow::Result<f64> {
        let ((), took) = seconds(|| {
            let mut command = Command::new(&self.program);
            command.current_dir(folder).env("HOME", folder).args(["receive", "--no-progress"]);
            crate::peers::run(command.args(["--relay", "disabled", &self.ticket]))?;
            crate::peers::sync(folder)
        })?;
        Ok(took)
    }
}
