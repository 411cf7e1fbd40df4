//! Rounds: ours and the peer's in turn, on a machine that others leave alone.

use anyhow::Context;
use std::time::{Duration, Instant};

/// Ours and the peer's figure of one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Round {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

/// A round begins only while others take less than this share of the machine.
const MOST_BUSY: f64 = 0.15;
/// How long the machine is looked at before a round.
const LOOK: Duration = Duration::from_millis(300);
/// How often to look before going on all the same.
const LOOKS: usize = 100;

/// Runs both in turn. Before each run, waits until the machine is idle.
pub(crate) fn rounds(
    count: usize,
    mut ours: impl FnMut(usize) -> anyhow::Result<f64>,
    mut peer: impl FnMut(usize) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<Round>> {
    (0..count)
        .map(|number| {
            wait_for_quiet()?;
            let ours = ours(number).context("our side")?;
            wait_for_quiet()?;
            let peer = peer(number).context("the peer's side")?;
            Ok(Round { ours, peer })
        })
        .collect()
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

fn wait_for_quiet() -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        let before = ticks()?;
        std::thread::park_timeout(LOOK);
        let after = ticks()?;
        let (busy, all) = (after.0 - before.0, after.1 - before.1);
        if all > 0.0 && busy / all < MOST_BUSY {
            return Ok(());
        }
    }
    eprint_busy();
    Ok(())
}

fn eprint_busy() {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "others keep this machine busy: take the next figures for an indication only");
}

/// Busy and all ticks of the machine since its start.
fn ticks() -> anyhow::Result<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<f64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    let all: f64 = numbers.iter().take(8).sum();
    let idle = numbers.get(3).unwrap_or(&0.0) + numbers.get(4).unwrap_or(&0.0);
    Ok((all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
