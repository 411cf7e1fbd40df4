//! The hot part of the kit: an ask and its answer, and what surrounds it.

use bib_kit::{Child, Cx, Handles, Message, Reply, clock, probe};
use divan::Bencher;
use divan::counter::ItemsCount;
use std::time::Duration;

/// Asks in one sample: an actor is started for each sample.
const ASKS: u64 = 10_000;
const LIMIT: Duration = Duration::from_secs(10);

fn main() {
    divan::main();
}

struct Counter(u64);
struct Next;

impl Child for Counter {
    const NAME: &'static str = "counter";
}

impl Message for Next {
    type Reply = u64;
}

impl Handles<Next> for Counter {
    fn handle(&mut self, _msg: Next, _cx: &mut Cx<'_, Self>) -> Reply<u64> {
        self.0 += 1;
        Reply::now(self.0)
    }
}

/// One ask after the other, on the actor's own thread.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn ask(bencher: Bencher) {
    bencher.counter(ItemsCount::new(ASKS)).bench_local(|| {
        probe::run(async {
            let (counter, _guard) = probe::start(|_args| async { Ok(Counter(0)) }).await;
            for _ in 0..ASKS {
                divan::black_box(counter.ask(Next, LIMIT).await.expect("an answer"));
            }
        });
    });
}

/// Messages without an answer; the ask behind them waits for all.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn tell(bencher: Bencher) {
    const BURST: u64 = 32;
    bencher.counter(ItemsCount::new(ASKS)).bench_local(|| {
        probe::run(async {
            let (counter, _guard) = probe::start(|_args| async { Ok(Counter(0)) }).await;
            for _ in 0..ASKS / BURST {
                (1..BURST).for_each(|_| counter.tell(Next).expect("a place in the mailbox"));
                divan::black_box(counter.ask(Next, LIMIT).await.expect("an answer"));
            }
        });
    });
}

/// The id that every ask carries.
#[divan::bench]
fn request_id() -> bib_domain::RequestId {
    clock::new_request_id()
}
