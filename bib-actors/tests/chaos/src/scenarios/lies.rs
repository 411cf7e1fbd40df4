//! A lying peer, made of BIB's own swarm, speaks to a real bibd: blamed by its id with the reason, left, recorded; and
//! the data is then taken, whole and right, from an honest node.

use crate::clients::TOPIC;
use crate::liar::{Liar, Loot, Manner};
use crate::nodes::{PATIENCE, full, subscribe};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::StopWatch;
use anyhow::{Context, ensure};
use bib_chunks::SignedManifest;
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, has, pair, until};
use serde_json::Value;
use std::sync::Arc;

const NAME: &str = "chaos/true";

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let mut dice = setting.dice();
    let honest = full(&lab, NodeSpec::full("honest"))?;
    let path = lab.path().join("true.bin");
    std::fs::write(&path, dice.bytes(6 << 20))?;
    let words = ["dataset", "upload", path.to_str().context("a UTF-8 folder")?, "--topic", TOPIC, "--name", "true"];
    honest.bib(&words)?.ok()?;
    let loot = Loot { signed: Arc::new(manifest(&honest)?), blobs: honest.data_dir().join("blobs") };
    let (mut noticed, mut asked) = (Vec::new(), Vec::new());
    let names: [&'static str; 4] = ["victim-0", "victim-1", "victim-2", "victim-3"];
    for run in 0..setting.runs(2, 20) {
        row.runs += 1;
        let manner = Manner::ALL[run as usize % Manner::ALL.len()];
        let what = format!("run {run}, {manner:?}");
        let victim_name = names[run as usize % names.len()];
        // a new victim each time: it knows nobody
        let _ = std::fs::remove_dir_all(lab.path().join(victim_name));
        let mut victim = lab.node(NodeSpec::cache(victim_name))?;
        victim.start()?;
        let ticket = victim.bib(&["invite", "-q"])?.ok()?.stdout;
        let watch = StopWatch::start();
        let liar = Liar::start(u8::try_from(dice.below(250)).unwrap_or(1), manner, loot.clone(), &ticket)?;
        subscribe(&victim, TOPIC)?;
        let mut seen = Value::Null;
        let blamed = until("the liar is blamed", PATIENCE, || {
            seen = peer(&victim, liar.id.as_str()).unwrap_or_default();
            seen["blamed"].as_str().is_some_and(|reason| !reason.is_empty())
        });
        noticed.push(watch.millis());
        row.expect(blamed.is_ok(), || format!("{what}: nobody is blamed"));
        let left = until("the liar is left", PATIENCE, || {
            peer(&victim, liar.id.as_str()).is_some_and(|peer| peer["connected"] == false)
        });
        row.expect(left.is_ok(), || format!("{what}: the liar is still connected"));
        row.expect(!has(&victim, NAME), || format!("{what}: the version is whole, with nobody honest"));
        let recorded = until("the blame is recorded", PATIENCE, || {
            let records = victim.json(&["admin", "audit", "list", "--action", "peer.", "--limit", "1000"]);
            records.is_ok_and(|records| records.to_string().contains(liar.id.as_str()))
        });
        row.expect(recorded.is_ok(), || format!("{what}: the blame is not in the audit log"));
        pair(&honest, &victim)?;
        let whole = until("the version comes from the honest node", PATIENCE, || has(&victim, NAME));
        row.expect(whole.is_ok(), || format!("{what}: it is not taken from an honest node"));
        let report = victim.json(&["dataset", "verify", NAME])?;
        row.expect(report["ok"] == true, || format!("{what}: {report}"));
        let innocent = peer(&victim, &own_id(&honest)?).is_some_and(|peer| peer["blamed"] == "");
        row.expect(innocent, || format!("{what}: the honest node is blamed too"));
        let wrong = chunk_files(&victim).iter().filter(|path| !is_named(path)).count();
        row.expect(wrong == 0, || format!("{what}: {wrong} wrong chunks were kept"));
        asked.push(liar.asked() as f64);
        setting.tell(&format!("{what}: {}", seen["blamed"].as_str().unwrap_or("nobody is blamed")));
        if run == 0 {
            let victim = &chunk_files(&victim)[0];
            std::fs::write(victim, b"other bytes")?;
            row.self_check(!is_named(victim), "a wrong chunk that was kept");
        }
        victim.stop()?;
    }
    row.sample("blamed after ms", noticed);
    row.sample("chunks asked of a liar", asked);
    Ok(())
}

fn is_named(path: &std::path::Path) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    path.file_name().is_some_and(|name| *name == *bib_chunks::hash_of(&bytes).to_hex())
}

fn own_id(node: &Node) -> anyhow::Result<String> {
    let status = node.json(&["status"])?;
    Ok(status["id"].as_str().or_else(|| status["node"]["id"].as_str()).context("the node's id")?.to_owned())
}

fn peer(node: &Node, id: &str) -> Option<Value> {
    let nodes = node.json(&["node", "list"]).ok()?;
    nodes.as_array()?.iter().find(|peer| peer["id"] == id).cloned()
}

/// The one manifest that a node keeps.
fn manifest(node: &Node) -> anyhow::Result<SignedManifest> {
    let mut folders = vec![node.data_dir().join("manifests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(signed) = SignedManifest::from_bytes(&std::fs::read(&path)?) {
                ensure!(signed.verify(), "the honest node's manifest is none");
                return Ok(signed);
            }
        }
    }
    anyhow::bail!("the honest node keeps no manifest")
}
