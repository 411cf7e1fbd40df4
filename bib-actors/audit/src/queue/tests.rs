//! The queue without a writer.

use super::*;

fn push(door: &Door, action: &str) -> bool {
    let mut record = Some(draft(action));
    let taken = matches!(door.push(&mut record), Some(Ok(())));
    assert_eq!(taken, record.is_none(), "what is not taken is given back");
    taken
}

fn draft(action: &str) -> AuditDraft {
    let op = bib_domain::OpContext::node(bib_kit::clock::new_request_id(), "test");
    AuditDraft::from_op(&op, action, "object")
}

/// What the writer would write now: what has gathered first.
fn taken(inbox: &Inbox) -> Vec<String> {
    let mut actions = Vec::new();
    while let Some(job) = inbox.try_recv() {
        match job {
            Job::Write(entry) => actions.push(entry.draft.action),
            Job::Gather => actions.push("gather".to_owned()),
            Job::Flush => actions.push("flush".to_owned()),
            Job::Barrier(barrier) => {
                actions.push("barrier".to_owned());
                barrier.pass();
            }
            Job::Finish => actions.push("finish".to_owned()),
        }
    }
    inbox.gathered().into_iter().map(|entry| entry.draft.action).chain(actions).collect()
}

#[test]
fn records_come_in_by_the_open_door_while_there_is_room() {
    let door = Door::default();
    assert!(!push(&door, "a"), "no incarnation runs");
    let (queue, rx) = Queue::new(2, 9);
    let opened = door.open(&queue);
    for action in ["a", "b"] {
        assert!(push(&door, action), "{action}");
    }
    assert!(!push(&door, "c"), "it is full");
    assert_eq!(taken(&rx), ["a", "b", "gather", "flush"], "the writer is woken twice");
    opened.close();
    assert!(!push(&door, "d"));
    queue.finish();
    assert_eq!(taken(&rx), ["finish"], "nothing comes behind the order to finish");
}

#[test]
fn a_record_that_is_waited_for_comes_in_by_the_door_too() {
    let door = Door::default();
    let (queue, inbox) = Queue::new(1, 9);
    let _opened = door.open(&queue);
    let mut record = Some(draft("a"));
    let mut answer = door.append(&mut record).unwrap();
    assert!(record.is_none() && answer.try_recv().is_err(), "nobody has answered yet");
    let mut more = Some(draft("b"));
    assert!(door.append(&mut more).is_none() && more.is_some(), "what finds no room is given back");
    let Some(Job::Write(entry)) = inbox.try_recv() else { panic!("the record is the only job") };
    entry.waiter.answer(Err(gone()));
    assert!(matches!(answer.try_recv(), Ok(Err(AuditError::NotWritable { .. }))));
    drop(entry.room);
    drop(inbox);
    let mut late = door.append(&mut more).unwrap();
    assert!(matches!(late.try_recv(), Ok(Err(AuditError::NotWritable { .. }))), "the writer has ended");
}

#[test]
fn the_writer_sees_the_end_of_its_incarnation() {
    let door = Door::default();
    let (queue, rx) = Queue::new(2, 9);
    let opened = door.open(&queue);
    drop(queue);
    let nothing = |inbox: &Inbox| inbox.recv_timeout(Duration::ZERO).err();
    assert_eq!(nothing(&rx), Some(RecvTimeoutError::Timeout), "the door holds a sender");
    let (next, _next_rx) = Queue::new(2, 9);
    let second = door.open(&next);
    drop(opened);
    assert_eq!(nothing(&rx), Some(RecvTimeoutError::Disconnected));
    assert!(push(&door, "a"), "the end of the first leaves the second open");
    drop(second);
    assert!(!push(&door, "b"));
}

#[test]
fn only_the_first_record_that_nobody_waits_for_wakes_the_writer() {
    let (queue, inbox) = Queue::new(100, 4);
    let put = |action: &str| queue.push(draft(action), Waiter::Nobody, queue.try_room().unwrap());
    for action in ["a", "b", "c"] {
        put(action).unwrap();
    }
    assert_eq!(taken(&inbox), ["a", "b", "c", "gather"]);
    for action in ["d", "e", "f", "g", "h"] {
        put(action).unwrap();
    }
    assert_eq!(taken(&inbox), ["d", "e", "f", "g", "h", "gather", "flush"]);
    // one that comes between the waking and the look is seen by that look, and the next one wakes again
    put("i").unwrap();
    assert!(matches!(inbox.try_recv(), Some(Job::Gather)));
    put("j").unwrap();
    assert_eq!(taken(&inbox), ["i", "j"]);
    put("k").unwrap();
    assert_eq!(taken(&inbox), ["k", "gather"]);
    drop(inbox);
    assert!(put("l").is_err(), "the writer has ended");
    assert_eq!(queue.room.available_permits(), 100, "all places are free again");
}

#[test]
fn a_record_is_written_before_what_its_caller_waits_for_later() {
    let (queue, inbox) = Queue::new(100, 50);
    queue.push(draft("read"), Waiter::Nobody, queue.try_room().unwrap()).unwrap();
    let (tx, _rx) = oneshot::channel();
    queue.push(draft("change"), Waiter::Future(tx), queue.try_room().unwrap()).unwrap();
    assert_eq!(taken(&inbox), ["read", "gather", "change"]);
}

#[tokio::test]
async fn a_barrier_is_passed_when_all_before_it_was_taken() {
    let (queue, inbox) = Queue::new(2, 9);
    queue.push(draft("a"), Waiter::Nobody, queue.try_room().unwrap()).unwrap();
    let mut waits = Box::pin(queue.barrier());
    assert!(futures::poll!(&mut waits).is_pending());
    assert_eq!(taken(&inbox), ["a", "gather", "barrier"]);
    waits.await.unwrap();
    let mut late = Box::pin(queue.barrier());
    assert!(futures::poll!(&mut late).is_pending());
    drop(inbox);
    assert!(late.await.is_err(), "the writer has ended");
}

#[test]
fn a_record_without_haste_gathers_and_is_answered() {
    let door = Door::default();
    let mut record = Some(draft("a"));
    assert!(door.append_soon(&mut record).is_none() && record.is_some(), "nobody is there yet");
    let (queue, inbox) = Queue::new(1, 9);
    let _opened = door.open(&queue);
    let mut answer = door.append_soon(&mut record).unwrap().unwrap();
    let mut more = Some(draft("b"));
    assert!(door.append_soon(&mut more).is_none() && more.is_some(), "what finds no room is given back");
    assert!(matches!(inbox.try_recv(), Some(Job::Gather)), "it is no job of its own");
    let mut entries = inbox.gathered();
    entries.remove(0).waiter.answer(Err(gone()));
    assert!(matches!(answer.try_recv(), Ok(Err(AuditError::NotWritable { .. }))));
    let mut lost = door.append_soon(&mut more).unwrap().unwrap();
    drop(inbox);
    assert!(lost.try_recv().is_err(), "the writer ended with it");
}
