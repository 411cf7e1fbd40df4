//! Writes a record as its one canonical sequence of bytes.
//!
//! An array of fixed length, integers in their shortest form, definite lengths, no maps, no floats, no tags:
//! RFC 8949 section 4.2.1 leaves one encoding for each record.

use super::{RECORD_FIELDS, RECORD_VERSION};
use crate::record::AuditRecord;
use minicbor::Encoder;
use minicbor::encode::Error;
use std::convert::Infallible;

type Done = Result<(), Error<Infallible>>;

/// Appends the canonical bytes of `record` to `out`. The leaf hash in `record` is not part of them.
pub fn encode_record(record: &AuditRecord, out: &mut Vec<u8>) {
    write(record, out).expect("a Vec takes every byte");
}

fn write(record: &AuditRecord, out: &mut Vec<u8>) -> Done {
    let mut metadata = Vec::new();
    pairs(&record.metadata, &mut metadata)?;
    let mut e = Encoder::new(out);
    e.array(RECORD_FIELDS)?;
    e.u64(RECORD_VERSION)?.u64(record.epoch)?.u64(record.seq)?.bytes(&record.prev_hash)?;
    e.u64(record.unix_ns)?.u64(record.monotonic_ns)?.u64(record.clock_flags)?;
    e.str(record.node_id.as_str())?.str(&record.actor)?;
    match &record.session_hash {
        Some(hash) => e.bytes(hash)?,
        None => e.null()?,
    };
    text_or_null(&mut e, record.job_id.as_deref())?;
    e.bytes(record.op_id.as_bytes())?;
    e.str(&record.role)?.str(&record.action)?.str(&record.object)?;
    text_or_null(&mut e, record.fingerprint.as_deref())?;
    match record.rows {
        Some(rows) => e.u64(rows)?,
        None => e.null()?,
    };
    e.u64(record.duration_us)?.str(&record.component)?.u64(record.outcome.code())?;
    e.array(record.params.len() as u64)?;
    for (name, mac) in &record.params {
        e.array(2)?.str(name)?.bytes(mac)?;
    }
    e.bool(record.break_glass)?.bytes(&metadata)?.bytes(&record.salt)?;
    Ok(())
}

fn text_or_null(e: &mut Encoder<&mut Vec<u8>>, text: Option<&str>) -> Done {
    match text {
        Some(text) => e.str(text)?,
        None => e.null()?,
    };
    Ok(())
}

/// The metadata: an array of `[name, value]`, itself canonical, carried as a byte string so that a reader may skip it.
fn pairs(pairs: &[(String, String)], out: &mut Vec<u8>) -> Done {
    let mut e = Encoder::new(out);
    e.array(pairs.len() as u64)?;
    for (name, value) in pairs {
        e.array(2)?.str(name)?.str(value)?;
    }
    Ok(())
}
