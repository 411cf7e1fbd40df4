//! How fast bytes go over several streams. Prints a figure and asserts none: time is the benchmark's business.

use crate::support::{connected, run};
use bib_kit::clock;
use bib_swarm::protocols::DATA;
use futures::{AsyncReadExt, AsyncWriteExt};

/// Bytes of one write.
const BLOCK: usize = 256 << 10;

/// Sends `total` bytes over `streams` streams of one connection; returns bytes per second.
async fn bench(transport: &str, total: u64, streams: u64) -> f64 {
    let (host, friend) = connected(transport).await;
    let mut accepted = host.swarm.accept(DATA).await.unwrap();
    let begun = clock::monotonic();
    let share = total / streams;
    let mut receivers = tokio::task::JoinSet::new();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let mut out = friend.swarm.open_stream(&host.id, DATA).await.unwrap();
        let (_, mut inbound) = accepted.recv().await.unwrap();
        senders.spawn(async move {
            let block = vec![0xa5; BLOCK];
            let mut left = share;
            while left > 0 {
                let part = left.min(BLOCK as u64);
                out.write_all(&block[..usize::try_from(part).unwrap()]).await.unwrap();
                left -= part;
            }
            out.close().await.unwrap();
        });
        receivers.spawn(async move {
            let mut buffer = vec![0; BLOCK];
            let mut received = 0_u64;
            loop {
                match inbound.read(&mut buffer).await.unwrap() {
                    0 => break received,
                    n => received += n as u64,
                }
            }
        });
    }
    senders.join_all().await;
    assert!(receivers.join_all().await.into_iter().all(|received| received == share));
    (share * streams) as f64 / clock::since(begun).as_secs_f64()
}

fn report(transport: &str, total: u64) {
    let rate = run(bench(transport, total, 4));
    eprintln!("{transport}: {} MiB over 4 streams at {:.0} MB/s", total >> 20, rate / 1e6);
}

#[test]
fn sixty_four_mebibytes_over_four_streams() {
    report("tcp", 64 << 20);
    report("quic-v1", 64 << 20);
}
