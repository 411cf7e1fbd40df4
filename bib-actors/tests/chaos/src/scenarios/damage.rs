//! Bit flips, truncated, swapped and zeroed chunk files, a good eighth of all of them, on a node with a good neighbour.
//!
//! Alone, the node serves none of it: not to downloads, not to queries, not to another node. `verify` names exactly the
//! chunks that are hurt. With the neighbour back, `verify --repair` mends all of them; what a read finds later, also
//! before a restart, is mended without being asked for. The old bytes stay in quarantine, and the audit log has it all.

use crate::clients::TOPIC;
use crate::dice::Dice;
use crate::nodes::{Inquiry, PATIENCE, full, subscribe};
use crate::report::Row;
use crate::setting::Setting;
use crate::watch::StopWatch;
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, Outcome, chunk_files, has, pair, until};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tonic::{Code, Status};

/// Files of this size are a chunk of their own.
const FILE: usize = 257 << 10;
const MANY: &str = "chaos/many";
const TABLE: &str = "chaos/table";
/// How `bib` ends when it was told of something hurt.
const INTEGRITY: i32 = 12;
/// What is needed is not to be had.
const UNAVAILABLE: i32 = 10;
const QUERY: &str = r#"dataset("chaos/table").aggregate(r, {}, {"n": count(), "total": sum(r.a)})"#;

pub(super) fn run(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let mut dice = setting.dice();
    let files = setting.runs(400, 10_000) as usize;
    let first = full(&lab, NodeSpec::full("hurt"))?;
    let mut second = lab.node(NodeSpec::selective("neighbour"))?;
    second.start()?;
    pair(&first, &second)?;
    upload_all(&lab, &first, files, &dice)?;
    subscribe(&second, TOPIC)?;
    until("the neighbour has everything", PATIENCE * 10, || has(&second, MANY) && has(&second, TABLE))?;
    second.stop()?;
    let all = chunk_files(&first);
    row.figure("chunk files", all.len() as f64);
    let mut order = all.clone();
    dice.shuffle(&mut order);
    let tables = chunks_of(&first, TABLE, &all)?;
    order.retain(|path| !tables.contains(path));
    order.truncate(all.len() * 13 / 100);
    // the table is hurt in any case, so that a query meets it
    order.extend(tables.into_iter().take(1));
    let hurt = hurt_all(&order, &mut dice)?;
    row.runs = u32::try_from(hurt.len()).unwrap_or(u32::MAX);
    setting.tell(&format!("{} of {} chunk files hurt", hurt.len(), all.len()));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let many = |bytes: &[u8]| begins_many(bytes, &setting.dice());
    row.self_check(!many(&[0; 9]), "bytes that nobody uploaded");
    alone(&lab, &first, &runtime, &many, row)?;
    let named = found(&first, MANY)?.into_iter().chain(found(&first, TABLE)?).collect::<BTreeSet<_>>();
    let missed = hurt.difference(&named).count();
    let invented = named.difference(&hurt).count();
    row.figure("hurt", hurt.len() as f64);
    row.figure("named by verify", named.len() as f64);
    row.expect(missed == 0, || format!("verify did not see {missed} hurt chunks"));
    row.expect(invented == 0, || format!("verify named {invented} chunks that are good"));
    let kept = std::fs::read_dir(first.data_dir().join("blobs/quarantine"))?.count();
    row.expect(kept == hurt.len(), || format!("{kept} files in quarantine, {} were hurt", hurt.len()));

    second.start()?;
    let watch = StopWatch::start();
    for name in [MANY, TABLE] {
        let report = repaired(&first, name)?;
        row.expect(report["ok"] == true, || format!("{name} is not mended: {}", short(&report)));
    }
    row.figure("seconds to mend", watch.elapsed().as_secs_f64());
    let mut first = by_itself(&first, &mut second, &runtime, &mut dice, row).map(|()| first)?;
    after_a_restart(&mut first, &mut second, &mut dice, row)?;
    recorded(&first, hurt.len(), row)?;
    // the check of this scenario sees a chunk that is hurt after all
    let victim = chunks_of(&first, TABLE, &chunk_files(&first))?.pop().context("a chunk of the table")?;
    second.stop()?;
    flip(&victim, &mut dice)?;
    row.self_check(!found(&first, TABLE)?.is_empty(), "a chunk with another bit");
    Ok(())
}

fn upload_all(lab: &Lab, node: &Node, files: usize, dice: &Dice) -> anyhow::Result<()> {
    let folder = lab.path().join("many");
    std::fs::create_dir(&folder)?;
    for number in 0..files {
        std::fs::write(folder.join(format!("{number:05}.bin")), one_of_many(number, dice))?;
    }
    let table = lab.path().join("table.csv");
    std::fs::write(&table, table_text())?;
    for (path, name) in [(&folder, "many"), (&table, "table")] {
        let path = path.to_str().context("a UTF-8 folder")?;
        node.bib(&["dataset", "upload", path, "--topic", TOPIC, "--name", name])?.ok()?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn one_of_many(number: usize, dice: &Dice) -> Vec<u8> {
    dice.branch(number as u64 + 100).bytes(FILE)
}

/// Whether the files of the large dataset begin with these bytes, one file after the other.
fn begins_many(bytes: &[u8], dice: &Dice) -> bool {
    bytes.chunks(FILE).enumerate().all(|(number, part)| one_of_many(number, dice).starts_with(part))
}

fn table_text() -> String {
    let rows: String = (0..25_000).map(|n| format!("{n},{}\n", n % 97)).collect();
    format!("a,b\n{rows}")
}

fn begins_table(bytes: &[u8]) -> bool {
    table_text().as_bytes().starts_with(bytes)
}

/// The chunk file of a dataset of one small file: there is one of its size.
fn chunks_of(node: &Node, name: &str, all: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let about = node.json(&["dataset", "get", name])?;
    let bytes = about["version"]["bytes"].as_u64().context("the bytes of the version")?;
    let one = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() == bytes);
    let found: Vec<PathBuf> = all.iter().filter(one).cloned().collect();
    ensure!(!found.is_empty(), "{name} is not one chunk of {bytes} bytes");
    Ok(found)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Hurts every file of the list in one of four ways; answers the names.
fn hurt_all(paths: &[PathBuf], dice: &mut Dice) -> anyhow::Result<BTreeSet<String>> {
    let ways = paths.len() / 13;
    for (at, path) in paths.iter().enumerate() {
        let length = std::fs::metadata(path)?.len();
        if at < ways {
            std::fs::File::options().write(true).open(path)?.set_len(dice.below(length))?;
        } else if at < 2 * ways && at + 1 < 2 * ways && (at - ways).is_multiple_of(2) {
            let other = &paths[at + 1];
            let (one, two) = (std::fs::read(path)?, std::fs::read(other)?);
            overwrite(path, &two)?;
            overwrite(other, &one)?;
        } else if (2 * ways..3 * ways).contains(&at) {
            overwrite(path, &vec![0; usize::try_from(length)?])?;
        } else if at >= 3 * ways || at + 1 == 2 * ways {
            flip(path, dice)?;
        }
    }
    let really = paths.iter().filter(|path| std::fs::read(path).is_ok_and(|bytes| !is_named(path, &bytes)));
    Ok(really.map(|path| name_of(path)).collect())
}

fn is_named(path: &Path, bytes: &[u8]) -> bool {
    let digest = bib_chunks::hash_of(bytes);
    digest.to_hex() == name_of(path)
}

/// Other bytes in the same file, as a disk does it.
fn overwrite(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let file = std::fs::File::options().write(true).open(path)?;
    file.set_len(bytes.len() as u64)?;
    Ok(file.write_all_at(bytes, 0)?)
}

/// One bit, and the time of the last change as it was: a disk that decays does not note it either.
fn flip(path: &Path, dice: &mut Dice) -> anyhow::Result<()> {
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let about = file.metadata()?;
    let at = dice.below(about.len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ (1 << dice.below(8))], at)?;
    Ok(file.set_modified(about.modified()?)?)
}

/// Expects of a download that it ended because of what is hurt, and that what came before was right.
fn is_refused(
    row: &mut Row,
    what: &str,
    (bytes, outcome): &(Vec<u8>, Result<(), Status>),
    begins: &dyn Fn(&[u8]) -> bool,
) {
    let refused = outcome.as_ref().is_err_and(|status| status.code() == Code::DataLoss);
    row.expect(refused, || format!("a download of {what}, which is hurt, ended with {outcome:?}"));
    row.expect(begins(bytes), || format!("{what}: a wrong byte is among the {} that were served", bytes.len()));
}

/// The same of a query, which has nothing to say then.
fn is_unanswered(row: &mut Row, answer: &Outcome) {
    let (code, said) = (answer.code, answer.stdout.trim());
    // the first to meet it hears that it is hurt, the next ones that nobody is there to give it
    let refused = code == INTEGRITY || (code == UNAVAILABLE && answer.stderr.contains("CHUNKS_ELSEWHERE"));
    row.expect(refused, || format!("a query that met a hurt chunk ended with {code}: {}", answer.stderr));
    row.expect(said.is_empty(), || format!("a query read a hurt chunk and answered {said}"));
}

fn names_in(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder)?.flatten();
    Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Nothing hurt leaves the node, by any door.
fn alone(
    lab: &Lab,
    first: &Node,
    runtime: &tokio::runtime::Runtime,
    begins_many: &dyn Fn(&[u8]) -> bool,
    row: &mut Row,
) -> anyhow::Result<()> {
    let (target, before) = (lab.path().join("served"), names_in(lab.path())?);
    let outcome = first.bib(&["dataset", "download", MANY, "--out", target.to_str().context("a UTF-8 folder")?])?;
    let code = outcome.code;
    row.expect(code == INTEGRITY, || format!("a download of a hurt version ended with {code}: {}", outcome.stderr));
    let left: Vec<String> = names_in(lab.path())?.difference(&before).cloned().collect();
    row.expect(left.is_empty(), || format!("a download of a hurt version left {left:?}"));
    let inquiry = Inquiry::begin(runtime, &first.data_dir())?;
    is_refused(row, MANY, &inquiry.bytes(MANY), begins_many);
    is_refused(row, TABLE, &inquiry.bytes(TABLE), &begins_table);
    is_unanswered(row, &first.bib(&["dataset", "query", QUERY, "--json"])?);
    // another node takes what is good and nothing else
    let mut third = lab.node(NodeSpec::cache("stranger"))?;
    third.start()?;
    pair(first, &third)?;
    subscribe(&third, TOPIC)?;
    until("another node has the good chunks", PATIENCE, || chunk_files(&third).len() > 10)?;
    row.expect(!has(&third, TABLE), || "another node calls a version whole that cannot be".to_owned());
    third.stop()?;
    let wrong =
        chunk_files(&third).iter().filter(|path| std::fs::read(path).is_ok_and(|b| !is_named(path, &b))).count();
    row.expect(wrong == 0, || format!("{wrong} hurt chunks were given to another node"));
    Ok(())
}

/// The chunks that `verify` names.
fn found(node: &Node, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let outcome = node.bib(&["dataset", "verify", name, "--json"])?;
    ensure!(outcome.code == 0 || outcome.code == INTEGRITY, "verify ended with {}: {}", outcome.code, outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout)?;
    ensure!(report["moreDamage"] == 0, "verify lists only a part: {} more", report["moreDamage"]);
    let damage = report["damage"].as_array().context("damage")?;
    let chunk = |one: &serde_json::Value| one["chunk"].as_str().map(|text| text.replace("sha256:", ""));
    Ok(damage.iter().filter_map(chunk).filter(|name| !name.is_empty()).collect())
}

/// Mends, once more if the neighbour was not connected yet.
fn repaired(node: &Node, name: &str) -> anyhow::Result<serde_json::Value> {
    let mut report = serde_json::Value::Null;
    until("the version is mended", PATIENCE * 5, || {
        let outcome = node.bib(&["dataset", "verify", name, "--repair", "--json"]);
        report = outcome.ok().and_then(|o| serde_json::from_str(&o.stdout).ok()).unwrap_or_default();
        report["ok"] == true
    })
    .with_context(|| short(&report))?;
    Ok(report)
}

fn short(report: &serde_json::Value) -> String {
    report.to_string().chars().take(400).collect()
}

/// A read that fails is followed by a good copy, without anybody asking for it.
fn by_itself(
    first: &Node,
    second: &mut Node,
    runtime: &tokio::runtime::Runtime,
    dice: &mut Dice,
    row: &mut Row,
) -> anyhow::Result<()> {
    ensure!(second.pid().is_some(), "the neighbour does not run");
    let victim = chunks_of(first, TABLE, &chunk_files(first))?.pop().context("a chunk of the table")?;
    let good = first.json(&["dataset", "query", QUERY])?;
    flip(&victim, dice)?;
    // it was read before, and was good then
    is_unanswered(row, &first.bib(&["dataset", "query", QUERY, "--json"])?);
    let watch = StopWatch::start();
    let healed = until("the chunk is mended by itself", PATIENCE, || {
        first.json(&["dataset", "query", QUERY]).is_ok_and(|now| now == good)
    });
    row.expect(healed.is_ok(), || "a chunk that a query found hurt was not mended by itself".to_owned());
    row.figure("ms to mend after a query", watch.millis());
    flip(&victim, dice)?;
    let inquiry = Inquiry::begin(runtime, &first.data_dir())?;
    is_refused(row, TABLE, &inquiry.bytes(TABLE), &begins_table);
    let whole = |(bytes, outcome): (Vec<u8>, Result<(), Status>)| outcome.is_ok() && bytes == table_text().as_bytes();
    let healed = until("the chunk is mended by itself", PATIENCE, || whole(inquiry.bytes(TABLE)));
    row.expect(healed.is_ok(), || "a chunk that a download found hurt was not mended by itself".to_owned());
    Ok(())
}

/// What was found hurt while nobody had it is mended when somebody has, also in another life of the node.
fn after_a_restart(first: &mut Node, second: &mut Node, dice: &mut Dice, row: &mut Row) -> anyhow::Result<()> {
    second.stop()?;
    let victim = chunks_of(first, TABLE, &chunk_files(first))?.pop().context("a chunk of the table")?;
    flip(&victim, dice)?;
    row.expect(found(first, TABLE)?.len() == 1, || "verify did not see one bit".to_owned());
    first.kill9()?;
    first.start()?;
    second.start()?;
    let healed = until("the chunk is mended after a restart", PATIENCE, || victim.exists());
    row.expect(healed.is_ok(), || "a chunk in quarantine was forgotten by a restart".to_owned());
    row.expect(found(first, TABLE)?.is_empty(), || "it is not mended well".to_owned());
    Ok(())
}

/// The audit log has each of them, found and mended.
fn recorded(node: &Node, hurt: usize, row: &mut Row) -> anyhow::Result<()> {
    let mut counts = BTreeMap::new();
    for action in ["chunk.damaged", "chunk.repair"] {
        let records = node.json(&["admin", "audit", "list", "--action", action, "--limit", "5000"])?;
        let objects: BTreeSet<String> = records
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|record| record["object"].as_str().map(str::to_owned))
            .collect();
        counts.insert(action, objects.len());
    }
    // a chunk that was found missing after it had been moved away is known as damaged already
    row.expect(counts["chunk.damaged"] >= hurt, || format!("{counts:?} in the audit log, {hurt} were hurt"));
    row.expect(counts["chunk.repair"] >= hurt, || format!("{counts:?} in the audit log, {hurt} were mended"));
    let verdict = node.json(&["admin", "audit", "verify"])?;
    row.expect(verdict["ok"] == true, || format!("the audit log: {verdict}"));
    Ok(())
}
