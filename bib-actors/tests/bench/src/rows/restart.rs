//! `restart`: from the panic that is sent to the first answer of the new incarnation, beside ractor.

use crate::context::Ctx;
use crate::measure::{in_turn, one, percentile};
use crate::report::{Better, NO_GOAL, Row};
use anyhow::Context;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, call_t};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Restarts in one round.
const RESTARTS: u32 = 300;
/// What the slowest of a hundred may take, in microseconds.
const FIRST: f64 = 1000.0;
/// What it is to come to.
const SECOND: f64 = 100.0;

/// The 99th percentile of each round.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let table = in_turn(
        ctx,
        vec![
            one(|_| Ok(p99(&bib_actors::root::bench::measure_restarts(RESTARTS).context("our restarts")?))),
            one(|_| Ok(p99(&runtime.block_on(ractor_restarts())?))),
        ],
    )?;
    let remark = "p99; ractor restarts in the same thread and writes no health board";
    Ok(vec![
        Row::new("restart", "bound", "us", Better::Lower, 1.0, table.bound(0, FIRST)).remark("p99; the first goal"),
        Row::new("restart.next", "bound", "us", Better::Lower, 1.0, table.bound(0, SECOND))
            .remark("p99; the second goal"),
        Row::new("restart", "ractor", "us", Better::Lower, NO_GOAL, table.beside(1, 0)).remark(remark),
    ])
}

fn p99(samples: &[Duration]) -> f64 {
    percentile(&mut samples.iter().map(|sample| sample.as_secs_f64() * 1e6).collect::<Vec<_>>(), 99)
}

enum Word {
    Panic,
    Ping(RpcReplyPort<()>),
}

struct Child;

impl Actor for Child {
    type Msg = Word;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<Word>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _me: ActorRef<Word>, word: Word, (): &mut ()) -> Result<(), ActorProcessingErr> {
        match word {
            Word::Panic => Err(ActorProcessingErr::from("broken on purpose")),
            Word::Ping(reply) => Ok(reply.send(())?),
        }
    }
}

struct Supervisor(mpsc::Sender<ActorRef<Word>>);

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        self.raise(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            self.raise(&me).await?;
        }
        Ok(())
    }
}

impl Supervisor {
    async fn raise(&self, me: &ActorRef<()>) -> Result<(), ActorProcessingErr> {
        let (child, _) = Actor::spawn_linked(None, Child, (), me.get_cell()).await?;
        Ok(self.0.send(child).await?)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn ractor_restarts() -> anyhow::Result<Vec<Duration>> {
    let (raised, mut children) = mpsc::channel(1);
    let spawned = Actor::spawn(None, Supervisor(raised), ()).await;
    let (supervisor, _) = spawned.map_err(|error| anyhow::anyhow!("ractor's supervisor: {error}"))?;
    let mut child = children.recv().await.context("ractor's child")?;
    let mut samples = Vec::new();
    for _ in 0..RESTARTS {
        let begun = Instant::now();
        child.cast(Word::Panic).map_err(|error| anyhow::anyhow!("ractor: {error}"))?;
        child = children.recv().await.context("ractor's new child")?;
        call_t!(child, Word::Ping, 1000).map_err(|error| anyhow::anyhow!("ractor: {error}"))?;
        samples.push(begun.elapsed());
    }
    supervisor.stop(None);
    Ok(samples)
}
