//! Files that would fill the memory of who reads them carelessly. Peak memory belongs to a process, so each of these
//! tests runs itself once more, alone.

use std::process::Command;

use crate::support::Lab;

const CHILD: &str = "BIB_TEST_BOUNDS_CHILD";

/// Runs `work` in a process of its own, whose memory must not grow by more than `most` MiB over what `work` was given.
fn alone(name: &str, most: u64, given: usize, work: impl FnOnce()) {
    if std::env::var_os(CHILD).is_none() {
        let name = format!("bounds::{name}");
        let child = Command::new(std::env::current_exe().unwrap()).args(["--exact", &name]).env(CHILD, "1").output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"), "no test is called {name}");
        return;
    }
    work();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak: u64 = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10;
    let allowed = most + (given >> 20) as u64;
    assert!(peak < allowed, "{peak} MiB were in use, {allowed} are allowed");
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[test]
fn a_record_of_nothing_but_commas() {
    alone("a_record_of_nothing_but_commas", 512, 60 << 20, || {
        let lab = Lab::new();
        let told = lab.put("data/t", &[("t.csv", &vec![b','; 60 << 20])]).remove(0);
        assert!(told.1.is_err(), "{told:?}");
        let mut later = b"a,b\n1,2\n".to_vec();
        later.resize(15 << 20, b',');
        let told = lab.put("data/t", &[("t.csv", &later)]).remove(0);
        assert!(told.1.is_err(), "{told:?}");
    });
}

#[test]
fn a_hundred_megabytes_in_rows_of_fifteen() {
    let row = format!("{},1\n", "x".repeat(15 << 20));
    let text = format!("a,b\n{}", row.repeat(7));
    alone("a_hundred_megabytes_in_rows_of_fifteen", 400, text.len(), || {
        let lab = Lab::one("t.csv", text.as_bytes());
        run(async {
            let result = lab.engine.query("dataset(\"data/t\")", None, None, &lab).await.unwrap();
            let mut rows = 0;
            let mut stream = result.stream;
            while let Some(batch) = futures::StreamExt::next(&mut stream).await {
                rows += batch.unwrap().num_rows();
            }
            assert_eq!(rows, 7);
        });
    });
}

#[test]
fn thousands_of_columns_and_rows() {
    let names: Vec<String> = (0..5_000).map(|n| format!("c{n}")).collect();
    let row = (0..5_000).map(|n| (n % 7).to_string()).collect::<Vec<_>>().join(",");
    let text = format!("{}\n{}", names.join(","), (row + "\n").repeat(4_000));
    alone("thousands_of_columns_and_rows", 400, text.len(), || {
        let lab = Lab::one("t.csv", text.as_bytes());
        run(async {
            let result = lab.engine.query("dataset(\"data/t\")", None, None, &lab).await.unwrap();
            let mut rows = 0;
            let mut stream = result.stream;
            while let Some(batch) = futures::StreamExt::next(&mut stream).await {
                rows += batch.unwrap().num_rows();
            }
            assert_eq!(rows, 4_000);
        });
    });
}
