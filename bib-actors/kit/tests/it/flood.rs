//! A flood of a million messages stays within its bound, and a neighbour on the same thread keeps answering.

use crate::subject::{Count, LIMIT, Subject, until};
use bib_kit::{AskError, ChildSpec, Slot, StartEnv, probe};
use bib_kit::{Child, Cx, Handles, ManagedChild, Message, Ref, Reply, system};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

const FLOOD: u64 = 1_000_000;
const CAPACITY: usize = 64;

/// Notes how much of itself is alive at a time.
struct Drop1(Arc<Counters>);

#[derive(Default)]
struct Counters {
    alive: AtomicU64,
    most: AtomicU64,
}

impl Drop1 {
    fn new(counters: &Arc<Counters>) -> Self {
        let alive = counters.alive.fetch_add(1, Ordering::SeqCst) + 1;
        counters.most.fetch_max(alive, Ordering::SeqCst);
        Self(Arc::clone(counters))
    }
}

impl Drop for Drop1 {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Message for Drop1 {
    type Reply = ();
}

struct Sink(Arc<AtomicU64>);

impl Child for Sink {
    const NAME: &'static str = "sink";
}

impl Handles<Drop1> for Sink {
    fn handle(&mut self, drop1: Drop1, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Reply::later(async move {
            tokio::task::yield_now().await;
            drop(drop1);
        })
    }
}

fn sink(runtime: Handle) -> (Ref<Sink>, Arc<AtomicU64>, Box<dyn ManagedChild>) {
    let handled = Arc::new(AtomicU64::new(0));
    let slot = Slot::new(ChildSpec::new(Sink::NAME, 1).with_mailbox(CAPACITY));
    let handle = slot.handle();
    let counter = Arc::clone(&handled);
    let mut child = slot.child(move |_args| {
        let counter = Arc::clone(&counter);
        async move { Ok(Sink(counter)) }
    });
    let _running = child.start(&StartEnv::new(runtime), 1);
    (handle, handled, child)
}

#[test]
fn a_million_messages_stay_within_the_bound_and_none_is_lost_in_silence() {
    system::run(async {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (sink, handled, _child) = sink(runtime.handle().clone());
        assert!(sink.ready(LIMIT).await);
        let counters = Arc::new(Counters::default());
        let flooders: Vec<_> = (0..4)
            .map(|_| {
                let (sink, counters) = (sink.clone(), Arc::clone(&counters));
                runtime.spawn(async move {
                    let (mut taken, mut refused) = (0_u64, 0_u64);
                    for i in 0..FLOOD / 4 {
                        let result = if i % 2 == 0 {
                            sink.tell(Drop1::new(&counters))
                        } else {
                            sink.ask(Drop1::new(&counters), LIMIT).await
                        };
                        match result {
                            Ok(()) => taken += 1,
                            Err(AskError::Overloaded { capacity: CAPACITY, .. }) => refused += 1,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    (taken, refused)
                })
            })
            .collect();
        let (mut taken, mut refused) = (0, 0);
        for flooder in flooders {
            let (some, others) = flooder.await.unwrap();
            taken += some;
            refused += others;
        }
        assert_eq!(taken + refused, FLOOD);
        until(|| handled.load(Ordering::SeqCst) == taken && sink.mailbox_used() == 0).await;
        let most = counters.most.load(Ordering::SeqCst);
        // beside the mailbox each flooder may hold the one message that it is about to send, and an answered ask may
        // still be on its way out
        assert!(most <= CAPACITY as u64 + 8, "{most} messages were alive at a time");
        runtime.shutdown_background();
    });
}

#[test]
fn a_flooded_actor_answers_pings_and_leaves_its_neighbours_their_turn() {
    system::run(async {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (flooded, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let (neighbour, _other) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let stop = bib_kit::CancellationToken::new();
        let (source, stopped) = (flooded.clone(), stop.clone());
        let flooder = runtime.spawn(async move {
            while !stopped.is_cancelled() {
                source.tell(Count).ok();
                tokio::task::consume_budget().await;
            }
        });
        for round in 1..=20 {
            assert!(guard.ping(LIMIT).await, "a flooded actor is not a hung one");
            assert_eq!(neighbour.ask(Count, LIMIT).await, Ok(round));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
        flooder.await.unwrap();
        guard.stop().await;
        runtime.shutdown_background();
    });
}
