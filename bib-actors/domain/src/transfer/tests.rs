//! What must hold of a transfer, whatever its peers do: examples, and a simulated swarm driven by random choices.

use super::*;
use proptest::prelude::*;

fn node(n: usize) -> NodeId {
    let tail = char::from(b'a' + u8::try_from(n).unwrap());
    format!("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXT{tail}").parse().unwrap()
}

fn rules() -> Rules {
    Rules {
        in_flight_bytes: 1000,
        window_chunks: 4,
        first_window_bytes: 400,
        min_window_bytes: 100,
        max_window_bytes: 800,
        ..Rules::default()
    }
}

fn asks(commands: &[Command]) -> Vec<(NodeId, u32)> {
    let ask = |command: &Command| match command {
        Command::Ask { peer, chunk } => Some((peer.clone(), *chunk)),
        _ => None,
    };
    commands.iter().filter_map(ask).collect()
}

fn bring(transfer: &mut Transfer, peer: usize, chunk: u32, now: u64) -> Vec<Command> {
    let mut out = transfer.handle(Event::Arrived { peer: node(peer), chunk }, now);
    out.extend(transfer.handle(Event::Verified { peer: node(peer), chunk }, now));
    out
}

#[test]
fn nothing_missing_is_done_at_once() {
    let mut transfer = Transfer::new(vec![10, 10], &[], rules());
    assert_eq!(transfer.handle(Event::Tick, 0), [Command::Done]);
    assert!(transfer.handle(Event::PeerReady(node(1)), 1).is_empty());
}

#[test]
fn resumes_with_what_is_missing_only() {
    let mut transfer = Transfer::new(vec![10; 6], &[1, 4], rules());
    let out = transfer.handle(Event::PeerReady(node(1)), 0);
    assert_eq!(asks(&out), [(node(1), 1), (node(1), 4)]);
    bring(&mut transfer, 1, 1, 1);
    bring(&mut transfer, 1, 4, 1);
    assert!(transfer.handle(Event::Durable(vec![1]), 2).is_empty());
    assert_eq!(transfer.handle(Event::Durable(vec![4]), 2), [Command::Done]);
}

#[test]
fn verified_is_not_yet_durable() {
    let mut transfer = Transfer::new(vec![10], &[0], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    assert!(bring(&mut transfer, 1, 0, 1).is_empty(), "neither done nor starved nor asked again");
    assert!(!transfer.needs(0));
    assert_eq!(transfer.handle(Event::Durable(vec![0]), 2), [Command::Done]);
}

#[test]
fn a_liar_is_blamed_once_and_others_go_on() {
    let mut transfer = Transfer::new(vec![100; 4], &[0, 1, 2, 3], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    transfer.handle(Event::Arrived { peer: node(1), chunk: 0 }, 1);
    let out = transfer.handle(Event::Wrong { peer: node(1), chunk: 0, detail: "other bytes".into() }, 1);
    assert!(matches!(&out[..], [Command::Blame { chunk: 0, .. }, Command::Starved]), "{out:?}");
    assert!(transfer.handle(Event::PeerReady(node(1)), 2).is_empty(), "not used again");
    let out = transfer.handle(Event::PeerReady(node(2)), 2);
    assert_eq!(asks(&out).iter().map(|ask| ask.1).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_lie_that_is_found_late_is_blamed_too() {
    let mut transfer = Transfer::new(vec![100; 2], &[0, 1], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    transfer.handle(Event::Arrived { peer: node(1), chunk: 0 }, 0);
    transfer.handle(Event::Tick, rules().stall_ms);
    let out = transfer.handle(Event::Wrong { peer: node(1), chunk: 0, detail: String::new() }, rules().stall_ms);
    assert!(matches!(&out[..], [Command::Blame { .. }, Command::Starved]), "{out:?}");
}

#[test]
fn what_a_lost_peer_owed_is_asked_of_others_in_order() {
    let mut transfer = Transfer::new(vec![100; 8], &[0, 1, 2, 3, 4, 5, 6, 7], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    transfer.handle(Event::PeerLost(node(1)), 1);
    let out = transfer.handle(Event::PeerReady(node(2)), 1);
    assert_eq!(asks(&out).iter().map(|ask| ask.1).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_peer_that_stalls_is_left_without_blame() {
    let mut transfer = Transfer::new(vec![100; 2], &[0, 1], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    assert!(transfer.handle(Event::Tick, rules().stall_ms - 1).is_empty());
    let out = transfer.handle(Event::Tick, rules().stall_ms);
    assert!(matches!(&out[..], [Command::Leave { .. }, Command::Starved]), "{out:?}");
}

#[test]
fn a_slow_peer_is_asked_for_less() {
    let mut transfer = Transfer::new(vec![100; 40], &(0..40).collect::<Vec<_>>(), rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    transfer.handle(Event::Progress { peer: node(1), bytes: 50 }, 1000);
    transfer.handle(Event::Tick, 1000);
    let mut owed = 4;
    for chunk in 0..4 {
        owed += asks(&bring(&mut transfer, 1, chunk, 1000)).len();
        owed -= 1;
    }
    assert_eq!(owed, 1, "at 50 bytes a second the window is the least one");
}

#[test]
fn an_idle_peer_takes_over_in_the_end_game() {
    let mut transfer = Transfer::new(vec![100; 5], &[0, 1, 2, 3, 4], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    assert_eq!(asks(&transfer.handle(Event::PeerReady(node(2)), 0)), [(node(2), 4)]);
    assert!(asks(&bring(&mut transfer, 2, 4, 10)).is_empty(), "peer 1 has hardly begun");
    transfer.handle(Event::Progress { peer: node(1), bytes: 10 }, 1000);
    let out = transfer.handle(Event::Tick, 1000);
    assert_eq!(asks(&out), [(node(2), 3)], "the last of what the slow one owes");
    bring(&mut transfer, 2, 3, 1100);
    let out = transfer.handle(Event::Returned { peer: node(1), chunks: vec![3], failed: false }, 1100);
    assert!(!asks(&out).contains(&(node(1), 3)), "it is here already");
}

#[test]
fn what_the_slowest_cannot_leave_to_an_idle_peer_the_next_one_does() {
    let rules = Rules { window_chunks: 1, ..rules() };
    let mut transfer = Transfer::new(vec![100; 3], &[0, 1, 2], rules);
    for peer in 1..=3 {
        transfer.handle(Event::PeerReady(node(peer)), 0);
    }
    assert!(asks(&bring(&mut transfer, 3, 2, 10)).is_empty(), "the others have hardly begun");
    transfer.handle(Event::Progress { peer: node(1), bytes: 10 }, 900);
    transfer.handle(Event::Progress { peer: node(2), bytes: 20 }, 900);
    assert_eq!(asks(&transfer.handle(Event::Tick, 1000)), [(node(3), 0)], "what the slowest owes");
    let out = transfer.handle(Event::Absent { peer: node(3), chunk: 0 }, 1100);
    assert_eq!(asks(&out), [(node(3), 1)], "it does not have that one, and does not stand idle");
}

#[test]
fn a_small_version_is_not_asked_for_twice() {
    let mut transfer = Transfer::new(vec![100], &[0], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    assert!(transfer.handle(Event::PeerReady(node(2)), 0).is_empty());
    assert!(transfer.handle(Event::Tick, 250).is_empty());
}

#[test]
fn absent_chunks_come_from_elsewhere() {
    let mut transfer = Transfer::new(vec![100; 2], &[0, 1], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    let out = transfer.handle(Event::Absent { peer: node(1), chunk: 0 }, 1);
    assert!(out.is_empty(), "chunk 1 is still owed: {out:?}");
    let out = bring(&mut transfer, 1, 1, 2);
    assert!(out.is_empty(), "chunk 1 waits for the disk: {out:?}");
    assert_eq!(transfer.handle(Event::Durable(vec![1]), 3), [Command::Starved]);
    assert_eq!(asks(&transfer.handle(Event::PeerReady(node(2)), 4)), [(node(2), 0)]);
}

#[test]
fn starvation_is_timed_though_a_peer_is_there() {
    let mut transfer = Transfer::new(vec![100; 2], &[0, 1], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    transfer.handle(Event::Absent { peer: node(1), chunk: 0 }, 1);
    assert_eq!(transfer.starved_ms(50), None, "chunk 1 is still owed");
    bring(&mut transfer, 1, 1, 60);
    assert_eq!(transfer.starved_ms(70), None, "chunk 1 waits for the disk");
    transfer.handle(Event::Durable(vec![1]), 80);
    transfer.handle(Event::Tick, 500);
    assert_eq!(transfer.peers().count(), 1, "one that lacks few is not left");
    assert_eq!(transfer.starved_ms(1080), Some(1000));
    transfer.handle(Event::PeerReady(node(2)), 1100);
    assert_eq!(transfer.starved_ms(1100), None, "another one is asked");
    transfer.handle(Event::Absent { peer: node(2), chunk: 0 }, 1200);
    assert_eq!(transfer.starved_ms(1300), Some(100), "from then on");
}

#[test]
fn a_drip_keeps_a_peer_and_is_slow() {
    let mut transfer = Transfer::new(vec![100; 2], &[0, 1], rules());
    transfer.handle(Event::PeerReady(node(1)), 0);
    let step = rules().stall_ms - 1;
    for n in 1.. {
        transfer.handle(Event::Progress { peer: node(1), bytes: 1 }, n * step);
        assert!(transfer.handle(Event::Tick, n * step).is_empty(), "it is not left");
        assert_eq!(transfer.is_slow(), n * step >= rules().least_rate_over_ms);
        if transfer.is_slow() {
            break;
        }
    }
}

/// How a simulated peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    Lies,
    Lacks,
    Breaks,
    Silent,
}

#[derive(Debug, Clone)]
struct Sim {
    manners: Vec<Manner>,
    owed: Vec<Vec<u32>>,
    checking: Vec<(usize, u32)>,
    unsynced: Vec<u32>,
    blamed: Vec<bool>,
    left: Vec<bool>,
    done: bool,
}

impl Sim {
    fn new(manners: Vec<Manner>) -> Self {
        let n = manners.len();
        let (owed, checking, unsynced) = (vec![Vec::new(); n], Vec::new(), Vec::new());
        Self { manners, owed, checking, unsynced, blamed: vec![false; n], left: vec![false; n], done: false }
    }

    fn carry_out(&mut self, transfer: &Transfer, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Ask { peer, chunk } => {
                    let who = (0..self.owed.len()).find(|&n| node(n) == peer).unwrap();
                    assert!(!self.left[who], "asked a peer that was left");
                    assert!(transfer.needs(chunk), "asked for a chunk that is here");
                    self.owed[who].push(chunk);
                    assert!(self.owed[who].len() <= rules().window_chunks);
                    let copies = self.owed.iter().flatten().filter(|&&other| other == chunk).count();
                    assert!(copies <= usize::from(rules().copies));
                }
                Command::Blame { peer, .. } => {
                    let who = (0..self.owed.len()).find(|&n| node(n) == peer).unwrap();
                    assert_eq!(self.manners[who], Manner::Lies, "blamed an honest peer");
                    (self.blamed[who], self.left[who]) = (true, true);
                    self.owed[who].clear();
                }
                Command::Leave { peer, .. } => {
                    let who = (0..self.owed.len()).find(|&n| node(n) == peer).unwrap();
                    assert_ne!(self.manners[who], Manner::Honest, "left an honest peer");
                    self.left[who] = true;
                    self.owed[who].clear();
                }
                Command::Starved => {}
                Command::Done => self.done = true,
            }
        }
        assert!(transfer.in_flight_bytes() <= rules().in_flight_bytes, "{}", transfer.in_flight_bytes());
    }

    /// One step of one peer, or of the disk.
    fn step(&mut self, choice: usize) -> Option<Event> {
        let n = self.manners.len();
        match choice % (n + 2) {
            disk if disk == n => {
                (!self.unsynced.is_empty()).then(|| Event::Durable(std::mem::take(&mut self.unsynced)))
            }
            check if check == n + 1 => {
                let (who, chunk) = self.checking.pop()?;
                let peer = node(who);
                if self.manners[who] == Manner::Lies {
                    return Some(Event::Wrong { peer, chunk, detail: String::new() });
                }
                self.unsynced.push(chunk);
                Some(Event::Verified { peer, chunk })
            }
            who if self.owed[who].is_empty() => None,
            who => {
                let peer = node(who);
                let chunk = self.owed[who].remove(0);
                match self.manners[who] {
                    Manner::Silent => {
                        self.owed[who].insert(0, chunk);
                        None
                    }
                    Manner::Lacks => Some(Event::Absent { peer, chunk }),
                    Manner::Breaks => Some(Event::Returned { peer, chunks: vec![chunk], failed: true }),
                    Manner::Honest | Manner::Lies => {
                        self.checking.push((who, chunk));
                        Some(Event::Arrived { peer, chunk })
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn one_honest_peer_is_enough(
        others in prop::collection::vec(
            prop::sample::select(vec![Manner::Honest, Manner::Lies, Manner::Lacks, Manner::Breaks, Manner::Silent]), 0..4),
        lengths in prop::collection::vec(1_u32..200, 1..60),
        keep in prop::collection::vec(any::<bool>(), 60),
        choices in prop::collection::vec(0_usize..32, 0..400),
    ) {
        let mut manners = others;
        manners.push(Manner::Honest);
        let missing: Vec<u32> = (0..u32::try_from(lengths.len()).unwrap()).filter(|&n| !keep[n as usize]).collect();
        let mut transfer = Transfer::new(lengths, &missing, rules());
        let mut sim = Sim::new(manners.clone());
        let mut now = 0;
        for who in 0..manners.len() {
            let out = transfer.handle(Event::PeerReady(node(who)), now);
            sim.carry_out(&transfer, out);
        }
        // random steps, then fair turns until it is done
        let fair = (0..).map(|n| n % (manners.len() + 2));
        for (n, choice) in choices.into_iter().chain(fair).enumerate() {
            if sim.done {
                break;
            }
            prop_assert!(n < 60_000, "it does not end: {transfer:?}");
            now += 20;
            let event = sim.step(choice);
            // an honest peer that is given its turn makes progress; only the silent one may be left for stalling
            let events = event.into_iter().chain((n % 10 == 0).then_some(Event::Tick));
            for event in events.collect::<Vec<_>>() {
                let out = transfer.handle(event, now);
                sim.carry_out(&transfer, out);
            }
            for (who, manner) in manners.iter().enumerate() {
                if *manner == Manner::Honest && !sim.owed[who].is_empty() {
                    let out = transfer.handle(Event::Progress { peer: node(who), bytes: 1 }, now);
                    sim.carry_out(&transfer, out);
                }
            }
        }
        prop_assert!(sim.done || missing.is_empty());
        let all_here = missing.iter().all(|&chunk| !transfer.needs(chunk));
        prop_assert!(all_here);
    }
}
