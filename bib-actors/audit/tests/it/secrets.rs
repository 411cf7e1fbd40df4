//! Parameter values never reach the disk, the events or the error messages.

use crate::support::{draft, options, start};
use bib_audit::{ListFilter, ParamKey};
use bib_kit::Event;
use bib_kit::probe::run;

const CANARY: &str = "canary-7f3a9c-secret";

#[test]
fn a_canary_is_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    run(async {
        let mut chain = start(options.clone()).await;
        let mut events = chain.topic.subscribe();
        for number in 0..20 {
            let mut draft = draft(number).param("password", CANARY);
            for extra in 0..number * 5 {
                draft = draft.param(format!("extra-{extra}"), format!("{extra}{CANARY}"));
            }
            assert!(!format!("{draft:?}").contains(CANARY));
            chain.audit.append(draft).await.unwrap();
            let Event::Item(event) = events.recv().await else { panic!("no event") };
            assert!(event.records.iter().all(|record| !String::from_utf8_lossy(&record.encode()).contains(CANARY)));
        }
        chain.guard.stop().await;
    });
    let mut files = 0;
    for entry in std::fs::read_dir(&options.dir).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
        files += 1;
    }
    assert!(files > 3);
}

#[test]
fn who_holds_the_key_can_test_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    run(async {
        let chain = start(options.clone()).await;
        chain.audit.append(draft(1).param("user", "mara")).await.unwrap();
        let record = chain.audit.list(ListFilter::default()).await.unwrap().remove(0);
        let key = ParamKey::derive(&options.hmac_key, record.epoch);
        assert_eq!(record.params, [("user".to_owned(), key.mac("user", "mara"))]);
    });
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    run(async {
        let chain = start(options.clone()).await;
        chain.append(0..3).await;
    });
    for path in crate::files::paths(&options.dir) {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
    assert_eq!(std::fs::metadata(&options.dir).unwrap().permissions().mode() & 0o077, 0);
}
