//! Timers skip what they missed, and an actor hears topics as long as it lives.

use crate::subject::until;
use bib_kit::{Child, Cx, Event, Router, Topic, Where, probe};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Ticker(Arc<AtomicU64>);

impl Child for Ticker {
    const NAME: &'static str = "ticker";

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        cx.every(Duration::from_millis(10), |ticker, _cx| {
            ticker.0.fetch_add(1, Ordering::SeqCst);
        });
    }
}

#[test]
fn missed_ticks_are_skipped() {
    probe::run(async {
        let ticks = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&ticks);
        let (ticker, _guard) = probe::start(move |_| {
            let counter = Arc::clone(&counter);
            async move { Ok(Ticker(counter)) }
        })
        .await;
        until(|| ticks.load(Ordering::SeqCst) > 1).await;
        let before = ticks.load(Ordering::SeqCst);
        ticker.inject_panic(Where::Block(Duration::from_millis(300))).unwrap();
        until(|| ticks.load(Ordering::SeqCst) > before).await;
        let after = ticks.load(Ordering::SeqCst);
        assert!(after - before <= 3, "{} ticks at once after a pause", after - before);
    });
}

#[derive(Clone, PartialEq, Debug)]
struct News(u32);

struct Listener {
    topic: Topic<News>,
    heard: Arc<Mutex<Vec<Event<News>>>>,
}

impl Child for Listener {
    const NAME: &'static str = "listener";

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        cx.listen(self.topic.subscribe(), |listener, event, _cx| listener.heard.lock().push(event));
    }
}

#[test]
fn a_listener_hears_all_or_how_much_it_missed() {
    probe::run(async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let topic = Topic::new(4);
        let (kept, source) = (Arc::clone(&heard), topic.clone());
        let (_listener, mut guard) = probe::start(move |_| {
            let (topic, heard) = (source.clone(), Arc::clone(&kept));
            async move { Ok(Listener { topic, heard }) }
        })
        .await;
        topic.publish(News(1));
        until(|| heard.lock().len() == 1).await;
        for number in 2..=11 {
            assert_eq!(topic.publish(News(number)), 1);
        }
        until(|| heard.lock().len() == 6).await;
        let expected = [
            Event::Item(News(1)),
            Event::Missed(6),
            Event::Item(News(8)),
            Event::Item(News(9)),
            Event::Item(News(10)),
            Event::Item(News(11)),
        ];
        assert_eq!(*heard.lock(), expected);
        guard.stop().await;
        assert_eq!(topic.publish(News(12)), 0, "the dead do not listen");
    });
}

#[test]
fn the_router_has_one_topic_per_type() {
    probe::run(async {
        let router = Router::new();
        let mut news = router.clone().topic::<News>().subscribe();
        let mut numbers = router.topic::<u32>().subscribe();
        router.topic::<News>().publish(News(7));
        router.topic::<u32>().publish(8);
        assert_eq!(news.recv().await, Event::Item(News(7)));
        assert_eq!(numbers.recv().await, Event::Item(8));
        drop(router);
        assert_eq!(numbers.recv().await, Event::Closed);
    });
}
