//! Rounds: ours and the peers' in turn, on a machine that others leave alone.

use crate::context::Ctx;
use crate::machine::{Usage, has_room};
use anyhow::Context;
use std::io::Write;
use std::time::{Duration, Instant};

/// Ours and a peer's figure of one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Round {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

/// One side of a round: its figures. It is told a number that no other round had.
pub(crate) type Side<'a> = Box<dyn FnMut(usize) -> anyhow::Result<Vec<f64>> + 'a>;

/// Rounds of one figure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    pub(crate) rounds: Vec<Round>,
    /// Rounds among them in which others took more of the machine than they may.
    pub(crate) disturbed: usize,
}

/// Every figure of every side in every round.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rounds: Vec<Record>,
    wanted: usize,
}

/// One round: figures by side, and what others took of the machine while each side ran.
#[derive(Debug)]
struct Record {
    figures: Vec<Vec<f64>>,
    others: Vec<f64>,
}

/// A round counts only while others take less than this share of the machine.
const MOST_BUSY: f64 = 0.15;
/// Rounds that may be thrown away, for each that is wanted.
const RETRIES: usize = 2;
/// Room that a round needs at most, as files of the large size: at two nodes, at a peer, and a copy to compare with.
const ROOM: u64 = 6;
/// How long the machine is looked at before a round.
const LOOK: Duration = Duration::from_millis(250);
/// How often to look before going on all the same.
const LOOKS: usize = 12;

/// A side with one figure.
pub(crate) fn one<'a>(mut side: impl FnMut(usize) -> anyhow::Result<f64> + 'a) -> Side<'a> {
    Box::new(move |number| Ok(vec![side(number)?]))
}

/// Runs the sides in turn, ours first, until there are enough rounds that nobody disturbed, or too many were.
pub(crate) fn in_turn(ctx: &Ctx, mut sides: Vec<Side<'_>>) -> anyhow::Result<Table> {
    let mut table = Table { rounds: Vec::new(), wanted: ctx.rounds };
    let most = if ctx.quick { ctx.rounds } else { ctx.rounds * (1 + RETRIES) };
    for number in 0..most {
        if (0..sides.len()).all(|peer| table.quiet(&[0, peer]) >= ctx.rounds) {
            break;
        }
        if !ctx.quick {
            has_room(&std::env::temp_dir(), ctx.mib as u64 * ROOM)?;
        }
        let mut record = Record { figures: Vec::new(), others: Vec::new() };
        for (at, side) in sides.iter_mut().enumerate() {
            anyhow::ensure!(!bib_node_tests::is_interrupted(), "interrupted in round {number}");
            if !ctx.quick {
                rustix::fs::sync();
                wait_for_quiet()?;
            }
            let before = Usage::now()?;
            let who = || if at == 0 { "our side".to_owned() } else { format!("peer {at}") };
            record.figures.push(side(number).with_context(who)?);
            record.others.push(Usage::now()?.others_since(before));
        }
        if !ctx.quick && record.others.iter().any(|others| *others > MOST_BUSY) {
            let shares: Vec<String> = record.others.iter().map(|others| format!("{:.0} %", others * 100.0)).collect();
            let _ = writeln!(std::io::stderr(), "round {number}: others took {}", shares.join(", "));
        }
        table.rounds.push(record);
    }
    Ok(table)
}

/// Ours beside one peer, one figure each.
pub(crate) fn beside<'a>(
    ctx: &Ctx,
    ours: impl FnMut(usize) -> anyhow::Result<f64> + 'a,
    peer: impl FnMut(usize) -> anyhow::Result<f64> + 'a,
) -> anyhow::Result<Measured> {
    Ok(in_turn(ctx, vec![one(ours), one(peer)])?.beside(1, 0))
}

impl Table {
    /// Our figure beside that of a peer; peers count from 1.
    pub(crate) fn beside(&self, peer: usize, figure: usize) -> Measured {
        self.with(&[0, peer], |round| Round { ours: round[0][figure], peer: round[peer][figure] })
    }

    /// Our figure beside a bound.
    pub(crate) fn bound(&self, figure: usize, bound: f64) -> Measured {
        self.with(&[0], |round| Round { ours: round[0][figure], peer: bound })
    }

    /// One of our figures beside another one of ours.
    pub(crate) fn own(&self, figure: usize, other: usize) -> Measured {
        self.with(&[0], |round| Round { ours: round[0][figure], peer: round[0][other] })
    }

    /// Whatever can be made of the figures of some sides, in the rounds in which nobody disturbed those; disturbed ones
    /// fill up where there are too few.
    pub(crate) fn with(&self, sides: &[usize], pick: impl Fn(&[Vec<f64>]) -> Round) -> Measured {
        let (quiet, disturbed): (Vec<&Record>, Vec<&Record>) =
            self.rounds.iter().partition(|record| record.is_quiet(sides));
        let filling = self.wanted.saturating_sub(quiet.len()).min(disturbed.len());
        let chosen = quiet.into_iter().take(self.wanted).chain(disturbed.into_iter().take(filling));
        Measured { rounds: chosen.map(|record| pick(&record.figures)).collect(), disturbed: filling }
    }

    /// Rounds in which nobody disturbed these sides.
    fn quiet(&self, sides: &[usize]) -> usize {
        self.rounds.iter().filter(|record| record.is_quiet(sides)).count()
    }
}

impl Record {
    fn is_quiet(&self, sides: &[usize]) -> bool {
        sides.iter().all(|side| self.others[*side] <= MOST_BUSY)
    }
}

/// Seconds that `work` takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn seconds<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let begun = Instant::now();
    let done = work()?;
    Ok((done, begun.elapsed().as_secs_f64()))
}

/// The middle of the values, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// The value below which `percent` of the values lie.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// What was started before has its time to end, and others theirs.
fn wait_for_quiet() -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        let before = Usage::now()?;
        std::thread::park_timeout(LOOK);
        if Usage::now()?.busy_since(before) < MOST_BUSY {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert!((percentile(&mut values, 99) - 198.0).abs() < f64::EPSILON);
        assert!((percentile(&mut values, 50) - 100.0).abs() < f64::EPSILON);
        assert!(percentile(&mut [], 50).is_nan());
    }

    #[test]
    fn disturbed_rounds_count_only_where_there_are_too_few() {
        let record = |ours: f64, peer: f64| Record { figures: vec![vec![ours], vec![peer]], others: vec![ours, peer] };
        let rounds = vec![record(0.9, 0.0), record(0.1, 0.0), record(0.0, 0.9), record(0.0, 0.1)];
        let table = Table { rounds, wanted: 3 };
        let (own, beside) = (table.bound(0, 1.0), table.beside(1, 0));
        assert_eq!((own.rounds.len(), own.disturbed), (3, 0));
        assert_eq!((beside.rounds.len(), beside.disturbed), (3, 1));
    }

    #[test]
    fn sides_run_in_turn_and_each_round_has_a_number_of_its_own() {
        let ctx = Ctx { rounds: 2, mib: 1, quick: true, slow_peers: false, cache: std::path::PathBuf::new() };
        let order = std::cell::RefCell::new(Vec::new());
        let side = |name: &'static str, value: f64| {
            let order = &order;
            one(move |number| {
                order.borrow_mut().push((name, number));
                Ok(value)
            })
        };
        let table = in_turn(&ctx, vec![side("ours", 4.0), side("peer", 2.0)]).unwrap();
        assert_eq!(table.rounds.len(), 2);
        assert_eq!(table.beside(1, 0).rounds, vec![Round { ours: 4.0, peer: 2.0 }; 2]);
        assert_eq!(table.bound(0, 9.0).rounds[0], Round { ours: 4.0, peer: 9.0 });
        assert_eq!(order.into_inner(), [("ours", 0), ("peer", 0), ("ours", 1), ("peer", 1)]);
    }
}
