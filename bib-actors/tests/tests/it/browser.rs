//! The pages in a real Chromium, driven by `bib-web/tests/browser`: this test is the hand at the machine.

use super::data::{example, file, upload};
use super::tree::root;
use bib_node_tests::{Lab, Node, NodeSpec};
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

/// Does what the browser's program asks for.
fn act(node: &mut Node, what: &str, words: &str) -> anyhow::Result<String> {
    let done = || Ok(String::new());
    match what {
        "link" => Ok(node.bib(&["ui", words, "--print-url", "-q"])?.ok()?.stdout.trim().to_owned()),
        "sign" => Ok(node.bib(&["auth", "sign", words])?.ok()?.stdout),
        "topic" => node.bib(&["topic", "create", words])?.ok().and_then(|_| done()),
        "file" => Ok(example(words).display().to_string()),
        "untar" => {
            let list = Command::new("tar").args(["-tf", words]).output()?;
            let text = String::from_utf8_lossy(&list.stdout).into_owned();
            anyhow::ensure!(list.status.success() && text.contains("flights.parquet"), "tar says {text}");
            Ok(text)
        }
        "stop" => node.stop().and_then(|()| done()),
        "start" => node.start().and_then(|()| done()),
        other => anyhow::bail!("nobody knows what {other} is"),
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
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("lab-a")).unwrap();
    node.start().unwrap();
    for topic in ["flights", "weather"] {
        node.bib(&["topic", "create", topic, "--description", "New York City, 2013"]).unwrap().ok().unwrap();
    }
    let data = root().join("examples/data");
    let words = ["--topic", "flights", "--name", "nyc", "--message", "flights and weather, 2013"];
    node.bib(&[&["dataset", "upload", data.to_str().unwrap()], &words[..]].concat()).unwrap().ok().unwrap();
    upload(&node, &example("weather.csv"), "weather", "hourly");
    upload(&node, &long_names(lab.path()), "weather", &format!("long{}", "-and-longer".repeat(5)));

    let mut browser = Command::new("node");
    browser.arg("journey.mjs").current_dir(&program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut browser = browser.spawn().unwrap();
    let (mut hand, said) = (browser.stdin.take().unwrap(), BufReader::new(browser.stdout.take().unwrap()));
    let mut end = json!(null);
    for line in said.lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(what) = message["ask"].as_str() {
            let answer = match act(&mut node, what, message["words"].as_str().unwrap_or_default()) {
                Ok(text) => json!({"text": text}),
                Err(error) => json!({"error": format!("{error:#}")}),
            };
            writeln!(hand, "{answer}").unwrap();
        } else if !message["end"].is_null() {
            end = message;
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
