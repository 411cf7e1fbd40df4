//! The actor that the tests work with: it counts, waits, and fails wherever it is told to.

use bib_kit::{Child, Cx, Handles, Message, Reply, Tasks};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// No answer in these tests takes this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Counts, and keeps its background tasks.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) count: u64,
    pub(crate) tasks: Option<Tasks>,
}

impl Child for Subject {
    const NAME: &'static str = "subject";
}

/// Adds one and answers with the count.
pub(crate) struct Count;

/// Answers when the gate gives a permit.
pub(crate) struct Wait(pub(crate) Arc<Semaphore>);

/// Panics in the given place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Break {
    Handler,
    Later,
    Spawned,
    Then,
    Timer,
    Task,
    Fail,
}

impl Message for Count {
    type Reply = u64;
}

impl Message for Wait {
    type Reply = ();
}

impl Message for Break {
    type Reply = ();
}

impl Handles<Count> for Subject {
    fn handle(&mut self, _msg: Count, _cx: &mut Cx<'_, Self>) -> Reply<u64> {
        self.count += 1;
        Reply::now(self.count)
    }
}

impl Handles<Wait> for Subject {
    fn handle(&mut self, Wait(gate): Wait, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        Reply::later(async move {
            gate.acquire().await.expect("tests keep their gates open").forget();
        })
    }
}

impl Handles<Break> for Subject {
    fn handle(&mut self, place: Break, cx: &mut Cx<'_, Self>) -> Reply<()> {
        match place {
            Break::Handler => panic!("broken in {place:?}"),
            Break::Later => return Reply::later(async move { panic!("broken in {place:?}") }),
            Break::Spawned => cx.spawn(async move { panic!("broken in {place:?}") }),
            Break::Then => cx.spawn_then(async {}, move |_, (), _| panic!("broken in {place:?}")),
            Break::Timer => cx.every(Duration::from_millis(1), move |_, _| panic!("broken in {place:?}")),
            Break::Task => {
                let tasks = cx.tasks(1);
                tasks.spawn("doomed", async move { panic!("broken in {place:?}") }).expect("the set is empty");
                self.tasks = Some(tasks);
            }
            Break::Fail => cx.fail(format!("broken in {place:?}")),
        }
        Reply::now(())
    }
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("it becomes so within the limit");
}
