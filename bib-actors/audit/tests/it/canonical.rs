//! The encoding is canonical: one sequence of bytes a record, one record a sequence of bytes.

use crate::support::node;
use bib_audit::format::{RECORD_MAX_BYTES, RecordView, leaf_hash};
use bib_audit::{AuditRecord, Outcome};
use bib_domain::RequestId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z./-]{0,40}", "\\PC{0,60}"].prop_map(|text| text.nfc().collect())
}

prop_compose! {
    fn parts()(
        numbers in any::<(u64, u64, u64, u64, u64)>(),
        rows in option::of(any::<u64>()),
        hashes in any::<([u8; 32], [u8; 32], [u8; 16])>(),
        session_hash in option::of(any::<[u8; 32]>()),
        flags in 0..4_u64,
        outcome in 0..4_usize,
        break_glass in any::<bool>(),
        params in vec((text(), any::<[u8; 32]>()), 0..30),
    ) -> AuditRecord {
        AuditRecord {
            epoch: numbers.0,
            seq: numbers.1,
            prev_hash: hashes.0,
            unix_ns: numbers.2,
            monotonic_ns: numbers.3,
            clock_flags: flags,
            node_id: node(),
            actor: String::new(),
            session_hash,
            job_id: None,
            op_id: RequestId::from_bytes(hashes.2),
            role: String::new(),
            action: String::new(),
            object: String::new(),
            fingerprint: None,
            rows,
            duration_us: numbers.4,
            component: String::new(),
            outcome: Outcome::ALL[outcome],
            params,
            break_glass,
            metadata: Vec::new(),
            salt: hashes.1,
            leaf_hash: [0; 32],
        }
    }
}

prop_compose! {
    fn record()(
        parts in parts(),
        texts in (text(), text(), text(), text(), text()),
        optional in (option::of(text()), option::of(text())),
        metadata in vec((text(), text()), 0..10),
    ) -> AuditRecord {
        let (actor, role, action, object, component) = texts;
        let (job_id, fingerprint) = optional;
        let mut record =
            AuditRecord { actor, role, action, object, component, job_id, fingerprint, metadata, ..parts };
        record.leaf_hash = leaf_hash(&record.encode());
        record
    }
}

proptest! {
    #[test]
    fn a_record_is_read_as_written(record in record()) {
        let bytes = record.encode();
        prop_assert_eq!(AuditRecord::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn bytes_that_are_accepted_are_the_ones_that_would_be_written(
        record in record(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = record.encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = AuditRecord::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        let _ = RecordView::parse(&bytes);
    }

    #[test]
    fn a_record_cut_anywhere_is_refused(record in record(), at in any::<prop::sample::Index>()) {
        let bytes = record.encode();
        prop_assert!(RecordView::parse(&bytes[..at.index(bytes.len())]).is_err());
    }
}

#[test]
fn what_is_too_long_is_refused() {
    assert!(RecordView::parse(&vec![0; RECORD_MAX_BYTES + 1]).is_err());
}
