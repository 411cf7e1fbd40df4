//! The pages in a real Chromium, driven by `bib-web/tests/browser`: this test is the hand at the machines.

use super::data::{example, file, noise, upload};
use super::tree::root;
use anyhow::{Context, bail, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Puts the browser's program, with the packages that its lock file names, into a folder outside the tree.
fn install() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    let from = root().join("bib-web/tests/browser");
    std::fs::create_dir_all(folder.join("steps")).unwrap();
    for part in ["", "steps"] {
        for entry in std::fs::read_dir(from.join(part)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), folder.join(part).join(entry.file_name())).unwrap();
        }
    }
    let lock = std::fs::read(folder.join("package-lock.json")).unwrap();
    let done = folder.join("installed-lock.json");
    if std::fs::read(&done).is_ok_and(|before| before == lock) {
        return folder;
    }
    let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let made = Command::new("npm").args(words).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "npm ci: {}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(done, lock).unwrap();
    folder
}

/// The node whose pages are looked at, another one, and the hand at both.
struct Desk {
    /// The database's process of the node, while it stands still.
    frozen: Option<Pid>,
    node: Node,
    other: Node,
    lab: Lab,
}

impl Desk {
    /// A node that nobody has used yet. The other one starts meanwhile, and is waited for when it is needed.
    fn new() -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let mut node = lab.node(NodeSpec::full("lab-a"))?;
        let mut other = lab.node(NodeSpec::full("lab-b"))?;
        node.start()?;
        other.launch()?;
        Ok(Self { frozen: None, node, other, lab })
    }

    /// Does what the browser's program asks for.
    fn act(&mut self, what: &str, words: &str) -> anyhow::Result<String> {
        let done = || Ok(String::new());
        match what {
            "fill" => self.fill().and_then(|()| done()),
            "link" => Ok(self.node.bib(&["ui", words, "--print-url", "-q"])?.ok()?.stdout.trim().to_owned()),
            "sign" => Ok(self.node.bib(&["auth", "sign", words])?.ok()?.stdout),
            "topic" => self.node.bib(&["topic", "create", words])?.ok().and_then(|_| done()),
            "run" => self.run(words),
            "file" => Ok(example(words).display().to_string()),
            "untar" => {
                let list = Command::new("tar").args(["-tf", words]).output()?;
                let text = String::from_utf8_lossy(&list.stdout).into_owned();
                ensure!(list.status.success() && text.contains("flights.parquet"), "tar says {text}");
                Ok(text)
            }
            "stop" => self.node.stop().and_then(|()| done()),
            "start" => self.node.start().and_then(|()| done()),
            "freeze" => self.freeze().and_then(|()| done()),
            "thaw" => self.thaw().and_then(|()| done()),
            "other" => self.at_the_other(words),
            other => bail!("nobody knows what {other} is"),
        }
    }

    /// Puts the data in. The topic of the weather was made by what the first page of an empty node says.
    fn fill(&self) -> anyhow::Result<()> {
        self.node.bib(&["topic", "create", "flights", "--description", "New York City, 2013"])?.ok()?;
        let data = root().join("examples/data");
        let words = ["--topic", "flights", "--name", "nyc", "--message", "flights and weather, 2013"];
        self.node
            .bib(&[&["dataset", "upload", data.to_str().context("a UTF-8 folder")?], &words[..]].concat())?
            .ok()?;
        upload(&self.node, &example("weather.csv"), "weather", "hourly");
        upload(&self.node, &long_names(self.lab.path()), "weather", &format!("long{}", "-and-longer".repeat(5)));
        Ok(())
    }

    /// Runs a line as it stands on a page, in the shell of somebody whose `bib` talks to the node.
    fn run(&self, line: &str) -> anyhow::Result<String> {
        let bib = self.lab.program("bib");
        let programs = bib.parent().context("a folder of programs")?;
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).stdin(Stdio::null()).env("PATH", path).env("HOME", self.lab.path());
        shell.env("BIB_CONFIG_DIR", self.node.config_dir()).env("BIB_OUTPUT", "jsonl");
        for name in ["SSH_AUTH_SOCK", "BIB_NODE", "BIB_SSH_KEY", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            shell.env_remove(name);
        }
        let output = shell.output()?;
        ensure!(output.status.success(), "`{line}` failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Stops the process to which connections of the database come. Those that are there go on.
    fn freeze(&mut self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.node.data_dir().join("postgres/data/postmaster.pid"))?;
        let pid = Pid::from_raw(text.lines().next().unwrap_or_default().trim().parse()?);
        kill(pid, Signal::SIGSTOP)?;
        self.frozen = Some(pid);
        Ok(())
    }

    fn thaw(&mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.frozen.take() {
            kill(pid, Signal::SIGCONT)?;
        }
        Ok(())
    }

    fn at_the_other(&mut self, what: &str) -> anyhow::Result<String> {
        match what {
            "begin" => {
                self.other.wait_ready()?;
                self.other.bib(&["topic", "create", "measured"])?.ok()?;
                // a version of which a part is nowhere: its transfer waits for ever
                self.measured("broken", 1, 4 << 20);
                let lost = chunk_files(&self.other).pop().context("a chunk")?;
                std::fs::remove_file(lost)?;
            }
            "upload" => self.measured("noise", 2, 8 << 20),
            "stop" => self.other.stop()?,
            "start" => self.other.start()?,
            "ticket" => return Ok(self.other.bib(&["invite", "-q"])?.ok()?.stdout.trim().to_owned()),
            "address" => {
                let own = self.other.json(&["node", "info"])?;
                return Ok(own["addresses"][0].as_str().context("an address")?.to_owned());
            }
            _ => bail!("nobody knows what {what} is at the other node"),
        }
        Ok(String::new())
    }

    /// Puts a file into the other node.
    fn measured(&self, name: &str, seed: u64, bytes: usize) {
        let file = file(self.lab.path(), &format!("{name}.bin"), &noise(seed, bytes));
        upload(&self.other, &file, "measured", name);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // what stands still does not end
        let _ = self.thaw();
    }
}

/// A table of which everything is longer than a narrow window is wide, beside another one.
fn long_names(folder: &Path) -> PathBuf {
    let long = |word: &str| word.repeat(90 / word.len());
    let text = format!("{},b\n{},1\n", long("column_"), long("value"));
    let folder = folder.join("long-names");
    file(&folder, &format!("{}.csv", long("measurements_")), text.as_bytes());
    file(&folder, "others.csv", b"a,b\n1,2\n");
    folder
}

#[test]
fn the_pages_in_a_real_browser() {
    let program = install();
    let mut desk = Desk::new().unwrap();
    let mut browser = Command::new("node");
    browser.arg("journey.mjs").current_dir(&program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut browser = browser.spawn().unwrap();
    let (mut hand, said) = (browser.stdin.take().unwrap(), BufReader::new(browser.stdout.take().unwrap()));
    let mut end = json!(null);
    for line in said.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(what) = message["ask"].as_str() {
            let answer = match desk.act(what, message["words"].as_str().unwrap_or_default()) {
                Ok(text) => json!({"text": text}),
                Err(error) => json!({"error": format!("{error:#}")}),
            };
            writeln!(hand, "{answer}").unwrap();
        } else if !message["end"].is_null() {
            end = message;
        } else {
            eprintln!("{line}");
        }
    }
    let status = browser.wait().unwrap();
    assert_eq!(
        end["end"],
        "whole",
        "{}\nat {}",
        end["error"].as_str().unwrap_or("the browser's program ended"),
        end["at"]
    );
    assert!(status.success());
}
