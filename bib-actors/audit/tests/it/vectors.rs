//! The published test vectors hold for this implementation.

use bib_audit::format::{RecordView, leaf_hash};
use bib_audit::{AuditRecord, Outcome, ParamKey};
use bib_domain::RequestId;
use serde_json::Value;

const VECTORS: &str = include_str!("../vectors/bib-audit-1.json");

fn vectors(group: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    all[group].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn pairs(value: &Value) -> Vec<(&Value, &Value)> {
    value.as_array().unwrap().iter().map(|pair| (&pair[0], &pair[1])).collect()
}

fn record(vector: &Value) -> AuditRecord {
    let r = &vector["record"];
    let number = |name: &str| r[name].as_u64().unwrap();
    let optional = |name: &str| r[name].as_str().map(str::to_owned);
    AuditRecord {
        epoch: number("epoch"),
        seq: number("seq"),
        prev_hash: bytes(&r["prev_hash"]),
        unix_ns: number("unix_ns"),
        monotonic_ns: number("monotonic_ns"),
        clock_flags: number("clock_flags"),
        node_id: text(&r["node_id"]).parse().unwrap(),
        actor: text(&r["actor"]),
        session_hash: (!r["session_hash"].is_null()).then(|| bytes(&r["session_hash"])),
        job_id: optional("job_id"),
        op_id: RequestId::from_bytes(bytes(&r["op_id"])),
        role: text(&r["role"]),
        action: text(&r["action"]),
        object: text(&r["object"]),
        fingerprint: optional("fingerprint"),
        rows: r["rows"].as_u64(),
        duration_us: number("duration_us"),
        component: text(&r["component"]),
        outcome: text(&r["outcome"]).parse::<Outcome>().unwrap(),
        params: pairs(&r["params"]).into_iter().map(|(name, mac)| (text(name), bytes(mac))).collect(),
        break_glass: r["break_glass"].as_bool().unwrap(),
        metadata: pairs(&r["metadata"]).into_iter().map(|(name, value)| (text(name), text(value))).collect(),
        salt: bytes(&r["salt"]),
        leaf_hash: bytes(&vector["leaf_hash"]),
    }
}

#[test]
fn records_have_the_published_bytes_and_hashes() {
    let vectors = vectors("records");
    assert!(vectors.len() >= 50, "{} vectors", vectors.len());
    for vector in &vectors {
        let name = &vector["name"];
        let expected = hex::decode(vector["bytes"].as_str().unwrap()).unwrap();
        let record = record(vector);
        assert_eq!(hex::encode(record.encode()), hex::encode(&expected), "{name}");
        assert_eq!(leaf_hash(&expected), record.leaf_hash, "{name}");
        assert_eq!(AuditRecord::decode(&expected).unwrap(), record, "{name}");
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    for vector in vectors("refused") {
        let bytes = hex::decode(vector["bytes"].as_str().unwrap()).unwrap();
        assert!(RecordView::parse(&bytes).is_err(), "{} was accepted", vector["name"]);
    }
}

#[test]
fn parameters_have_the_published_hmacs() {
    for vector in vectors("params") {
        let key = ParamKey::derive(&bytes(&vector["secret"]), vector["epoch"].as_u64().unwrap());
        let mac = key.mac(vector["name"].as_str().unwrap(), vector["value"].as_str().unwrap());
        assert_eq!(hex::encode(mac), vector["mac"].as_str().unwrap(), "{}", vector["name"]);
    }
}
