//! The work of a dead incarnation cannot write: its end is reported only when all of it has ended.

use crate::subject::{LIMIT, until};
use bib_kit::{BlockingError, BlockingPool, Child, Exit, StartArgs, Tasks, TooManyTasks, Where, blocking, probe};
use bib_kit::{ChildSpec, Placement, Slot};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use tokio::runtime::{Builder, Handle, Runtime};

fn shared_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a test machine gives a runtime")
}

/// Writes its incarnation into a shared cell without pause, on the shared runtime and by blocking calls.
struct Writer {
    _tasks: Tasks,
    _pool: BlockingPool,
}

impl Child for Writer {
    const NAME: &'static str = "writer";
}

/// What is written, and the newest incarnation that was started.
#[derive(Default)]
struct Page {
    newest: AtomicU64,
    written: AtomicU64,
    stale: AtomicU64,
}

impl Page {
    fn write(&self, incarnation: u64) {
        self.written.fetch_add(1, Ordering::SeqCst);
        if self.newest.load(Ordering::SeqCst) != incarnation {
            self.stale.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn start_writer(args: StartArgs, page: Arc<Page>) -> Result<Writer, bib_kit::StartError> {
    let incarnation = args.incarnation;
    page.newest.store(incarnation, Ordering::SeqCst);
    let tasks = args.tasks(2);
    let pool = args.blocking(1);
    let book = Arc::clone(&page);
    tasks.spawn("writer", async move {
        loop {
            book.write(incarnation);
            tokio::task::yield_now().await;
        }
    })?;
    let inner = pool.clone();
    tasks.spawn("blocking writer", async move {
        loop {
            let book = Arc::clone(&page);
            let write = move || {
                for _ in 0..1000 {
                    book.write(incarnation);
                }
            };
            inner.run(write).await.expect("writing does not panic");
        }
    })?;
    Ok(Writer { _tasks: tasks, _pool: pool })
}

#[test]
fn nothing_is_written_by_an_incarnation_that_has_a_successor() {
    let runtime = shared_runtime();
    let page = Arc::new(Page::default());
    let factory_page = Arc::clone(&page);
    probe::run(async {
        let slot = Slot::new(ChildSpec::new(Writer::NAME, 1).with_placement(Placement::Current));
        let writer = slot.handle();
        let child = slot.child(move |args| start_writer(args, Arc::clone(&factory_page)));
        let mut guard = probe::Guard::new(child).on(runtime.handle().clone());
        guard.start().await.unwrap();
        for round in 1..=100 {
            let before = page.written.load(Ordering::SeqCst);
            until(|| page.written.load(Ordering::SeqCst) > before).await;
            if round % 2 == 0 {
                writer.inject_panic(Where::Handler).unwrap();
                guard.exited().await;
            } else {
                guard.abort().await;
            }
            let ended = page.written.load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            assert_eq!(page.written.load(Ordering::SeqCst), ended, "its work has ended before its end is told");
            guard.start().await.unwrap();
        }
        guard.stop().await;
    });
    assert_eq!(page.stale.load(Ordering::SeqCst), 0);
    runtime.shutdown_background();
}

#[test]
fn tokens_are_cancelled_at_every_kind_of_end() {
    struct Keeper;
    impl Child for Keeper {
        const NAME: &'static str = "keeper";
    }
    probe::run(async {
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&tokens);
        let (keeper, mut guard) = probe::start(move |args: StartArgs| {
            kept.lock().push(args.token);
            async { Ok(Keeper) }
        })
        .await;
        guard.stop().await;
        guard.start().await.unwrap();
        guard.abort().await;
        guard.start().await.unwrap();
        keeper.inject_panic(Where::Spawned).unwrap();
        guard.exited().await;
        guard.start().await.unwrap();
        let cancelled: Vec<bool> = tokens.lock().iter().map(bib_kit::CancellationToken::is_cancelled).collect();
        assert_eq!(cancelled, [true, true, true, false]);
    });
}

#[test]
fn a_set_of_tasks_is_bounded_and_ends_with_its_owner() {
    let runtime = shared_runtime();
    let ended = Arc::new(AtomicU64::new(0));
    struct Ends(Arc<AtomicU64>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    probe::run(async {
        let panics = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&panics);
        let tasks = Tasks::new(runtime.handle().clone(), 3)
            .on_panic(move |name, text| heard.lock().push(format!("{name}: {text}")));
        for _ in 0..3 {
            let ends = Ends(Arc::clone(&ended));
            tasks
                .spawn("sleeper", async move {
                    let _ends = ends;
                    std::future::pending().await
                })
                .unwrap();
        }
        let refused = tasks.spawn("one more", async {});
        assert_eq!(refused, Err(TooManyTasks { name: "one more".to_owned(), limit: 3 }));
        tasks.abort_all();
        tasks.wait_idle().await;
        assert_eq!(ended.load(Ordering::SeqCst), 3);
        tasks.spawn("clumsy", async { panic!("dropped a plate") }).unwrap();
        tasks.wait_idle().await;
        assert!(panics.lock()[0].starts_with("clumsy: dropped a plate"));
        let ends = Ends(Arc::clone(&ended));
        tasks
            .spawn("sleeper", async move {
                let _ends = ends;
                std::future::pending().await
            })
            .unwrap();
        drop(tasks);
        until(|| ended.load(Ordering::SeqCst) == 4).await;
    });
    runtime.shutdown_background();
}

#[test]
fn tasks_that_hold_their_own_set_end_with_the_incarnation() {
    struct Leaky(Arc<Tasks>);
    impl Child for Leaky {
        const NAME: &'static str = "leaky";
        fn started(&mut self, _cx: &mut bib_kit::Cx<'_, Self>) {
            let own = Arc::clone(&self.0);
            let forever = async move {
                let _own = own;
                std::future::pending().await
            };
            self.0.spawn("forever", forever).unwrap();
        }
    }
    probe::run(async {
        let (_leaky, mut guard) =
            probe::start(|args: StartArgs| async move { Ok(Leaky(Arc::new(args.tasks(1)))) }).await;
        let report = guard.stop().await;
        assert_eq!((report.exit, report.stale_work), (Exit::Stopped, false));
    });
}

#[test]
fn blocking_calls_are_bounded_and_their_panics_are_errors() {
    let runtime = shared_runtime();
    runtime.block_on(async {
        let pool = BlockingPool::new(Handle::current(), 1);
        assert_eq!(blocking::run(&pool, || 6 * 7).await, Ok(42));
        let broken: Result<(), _> = blocking::run(&pool, || panic!("bad sector")).await;
        assert!(matches!(broken, Err(BlockingError::Panicked { text }) if text.contains("bad sector")));
        assert_eq!(pool.free(), 1);

        let (release, hold) = channel::<()>();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move { blocking::run(&pool, move || hold.recv()).await }
        });
        until(|| pool.free() == 0).await;
        let made = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&made);
        let waiting = blocking::run(&pool, move || flag.store(true, Ordering::SeqCst));
        let gave_up = tokio::time::timeout(std::time::Duration::from_millis(20), waiting).await;
        assert!(gave_up.is_err());
        drop(release);
        assert!(busy.await.unwrap().is_ok());
        assert_eq!(blocking::run(&pool, || 1).await, Ok(1));
        assert!(!made.load(Ordering::SeqCst), "a call that was given up is not made");
    });
    runtime.shutdown_timeout(LIMIT);
}

#[test]
fn a_doomed_incarnation_ends_with_the_reason_given_first() {
    struct Doomed;
    impl Child for Doomed {
        const NAME: &'static str = "doomed";
    }
    probe::run(async {
        let dooms = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&dooms);
        let (_doomed, mut guard) = probe::start(move |args: StartArgs| {
            kept.lock().push(args.doom());
            async { Ok(Doomed) }
        })
        .await;
        let doom = dooms.lock()[0].clone();
        std::thread::spawn(move || {
            doom.fail("the socket is gone");
            doom.fail("and so is everything else");
        });
        assert_eq!(guard.exited().await.exit, Exit::Failed("the socket is gone".to_owned()));
    });
}
