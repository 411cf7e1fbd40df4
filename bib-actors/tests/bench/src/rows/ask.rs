//! `ask`: a request and its reply, on one thread beside ractor, and across threads beside tokio's channels.

use super::float;
use crate::context::Ctx;
use crate::measure::{beside, seconds};
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use bib_actors::root::{Root, RootOptions};
use bib_kit::{Child, ChildSpec, Cx, Handles, Message, Ref, Reply, Slot, probe};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

const LIMIT: Duration = Duration::from_secs(10);

/// Both places.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let asks = ctx.size(200_000, 1_000);
    let same = beside(ctx, |_| ours_here(asks), |_| ractor_here(asks))?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let across = beside(ctx, |_| ours_across(&runtime, asks / 4), |_| tokio_across(&runtime, asks / 4))?;
    let ractor = Row::new("ask.same-thread", "ractor", "ns", Better::Lower, 1.0, same);
    let tokio = Row::new("ask.across-threads", "tokio", "ns", Better::Lower, 0.9, across);
    Ok(vec![
        ractor.remark("ours has a deadline and a request id; ractor's mailbox is unbounded"),
        tokio.remark("a bounded channel and a oneshot, without deadline, supervision or restart"),
    ])
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

/// Nanoseconds of an ask; every answer counted.
async fn ask(counter: &Ref<Counter>, asks: usize) -> anyhow::Result<f64> {
    let before = counter.ask(Next, LIMIT).await?;
    let begun = bib_kit::clock::monotonic();
    let mut last = 0;
    for _ in 0..asks {
        last = counter.ask(Next, LIMIT).await?;
    }
    let took = bib_kit::clock::since(begun);
    ensure!(last == before + asks as u64, "an ask was lost");
    Ok(took.as_secs_f64() * 1e9 / float(asks))
}

fn ours_here(asks: usize) -> anyhow::Result<f64> {
    probe::run(async {
        let (counter, _guard) = probe::start(|_args| async { Ok(Counter(0)) }).await;
        ask(&counter, asks).await
    })
}

fn ours_across(runtime: &Runtime, asks: usize) -> anyhow::Result<f64> {
    bib_kit::system::run(async {
        let slot = Slot::new(ChildSpec::new(Counter::NAME, 1));
        let counter = slot.handle();
        let child = slot.child(|_args| async { Ok(Counter(0)) });
        let root = Root::builder(runtime.handle().clone()).options(RootOptions::default()).add(child).start()?;
        ensure!(root.ready(LIMIT).await, "the child did not start");
        let measured = runtime.spawn(async move { ask(&counter, asks).await }).await?;
        root.shutdown();
        root.wait().await;
        measured
    })
}

struct Peer;
struct Question(RpcReplyPort<u64>);

impl Actor for Peer {
    type Msg = Question;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<Question>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _me: ActorRef<Question>, word: Question, count: &mut u64) -> Result<(), ActorProcessingErr> {
        *count += 1;
        Ok(word.0.send(*count)?)
    }
}

fn ractor_here(asks: usize) -> anyhow::Result<f64> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let spawned = Actor::spawn(None, Peer, ()).await;
        let (peer, _) = spawned.map_err(|error| anyhow::anyhow!("ractor: {error}"))?;
        let begun = bib_kit::clock::monotonic();
        let mut last = 0;
        for _ in 0..asks {
            last = call!(peer, Question).map_err(|error| anyhow::anyhow!("ractor: {error}"))?;
        }
        let took = bib_kit::clock::since(begun);
        ensure!(last == asks as u64, "an ask was lost");
        peer.stop(None);
        Ok(took.as_secs_f64() * 1e9 / float(asks))
    })
}

fn tokio_across(runtime: &Runtime, asks: usize) -> anyhow::Result<f64> {
    let (questions, mut asked) = mpsc::channel::<oneshot::Sender<u64>>(64);
    let server = std::thread::Builder::new().name("peer".to_owned()).spawn(move || -> std::io::Result<()> {
        Builder::new_current_thread().build()?.block_on(async {
            let mut count = 0;
            while let Some(back) = asked.recv().await {
                count += 1;
                let _ = back.send(count);
            }
        });
        Ok(())
    })?;
    let asking = async move {
        let begun = bib_kit::clock::monotonic();
        let mut last = 0;
        for _ in 0..asks {
            let (back, answer) = oneshot::channel();
            questions.send(back).await.ok().context("the peer has ended")?;
            last = answer.await?;
        }
        let took = bib_kit::clock::since(begun);
        ensure!(last == asks as u64, "an ask was lost");
        Ok(took.as_secs_f64() * 1e9 / float(asks))
    };
    let (measured, _) = seconds(|| runtime.block_on(runtime.spawn(asking)).map_err(anyhow::Error::from))?;
    server.join().map_err(|_| anyhow::anyhow!("the peer panicked"))??;
    measured
}
