//! How fast a child is back after a panic, measured through the real root.
//!
//! The child does no I/O; each sample runs from the panic's message to the first answer of the new incarnation.

use super::{Root, RootOptions};
use bib_kit::{Child, ChildSpec, Cx, Handles, Message, Ref, Reply, RestartPolicy, Slot, clock};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

/// No sample takes this long.
const LIMIT: Duration = Duration::from_secs(10);

struct Subject;

impl Child for Subject {
    const NAME: &'static str = "subject";
}

struct Break;
struct Answer;

impl Message for Break {
    type Reply = ();
}

impl Message for Answer {
    type Reply = u64;
}

impl Handles<Break> for Subject {
    fn handle(&mut self, _msg: Break, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        panic!("measured")
    }
}

impl Handles<Answer> for Subject {
    fn handle(&mut self, _msg: Answer, cx: &mut Cx<'_, Self>) -> Reply<u64> {
        Reply::now(cx.incarnation())
    }
}

/// Breaks a child `n` times and measures how long it takes until the next incarnation answers. `None` if a restart did
/// not happen. To be called on a thread that runs an actor system; the asker runs on `runtime`.
pub async fn restart_latency(n: u32, runtime: Handle) -> Option<Vec<Duration>> {
    let policy = RestartPolicy::permanent()
        .with_intensity(u32::MAX, Duration::ZERO)
        .with_backoff(Duration::ZERO, Duration::ZERO);
    let slot = Slot::new(ChildSpec::new(Subject::NAME, 1).with_policy(policy));
    let subject = slot.handle();
    let child = slot.child(|_args| async { Ok(Subject) });
    let root = Root::builder(runtime.clone()).options(RootOptions::default()).add(child).start().ok()?;
    if !root.ready(LIMIT).await {
        return None;
    }
    let samples = runtime.spawn(sample(subject, n)).await.ok()?;
    root.shutdown();
    root.wait().await;
    samples
}

/// The same with a thread system and a runtime of its own, for a benchmark program.
///
/// # Errors
/// If the machine gives no runtime or a restart did not happen.
pub fn measure_restarts(n: u32) -> std::io::Result<Vec<Duration>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let samples = bib_kit::system::run(restart_latency(n, runtime.handle().clone()));
    runtime.shutdown_background();
    samples.ok_or_else(|| std::io::Error::other("a child was not restarted, so there is nothing to measure"))
}

async fn sample(subject: Ref<Subject>, n: u32) -> Option<Vec<Duration>> {
    let mut samples = Vec::new();
    for _ in 0..n {
        let before = subject.ask(Answer, LIMIT).await.ok()?;
        let begun = clock::monotonic();
        let _unknown = subject.ask(Break, LIMIT).await;
        if !subject.ready_after(before, LIMIT).await {
            return None;
        }
        let after = subject.ask(Answer, LIMIT).await.ok()?;
        samples.push(clock::since(begun));
        if after <= before {
            return None;
        }
    }
    Some(samples)
}
