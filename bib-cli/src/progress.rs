//! Progress on standard error: a bar, plain lines or JSON lines.

use crate::global::{Global, ProgressMode};
use crate::look::Look;
use crate::output::{bytes, note};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How often progress that was asked for says something.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often progress that nobody asked for says something, where there is no terminal.
const CALM_INTERVAL: Duration = Duration::from_secs(10);

/// The phase whose total is known from the beginning, unless it never is.
pub(crate) const UPLOAD: &str = "upload";

/// Progress of one transfer.
pub(crate) struct Progress {
    phase: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    said: Instant,
    shape: Shape,
}

enum Shape {
    Bar(ProgressBar),
    Plain(Duration),
    Json(Duration),
    Silent,
}

impl Progress {
    /// Progress of `phase` over `total` bytes; zero if not known.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the rate of a transfer is measured here, in a program without bib-kit"
    )]
    pub(crate) fn new(global: &Global, phase: &'static str, total: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        let shape = match global.progress.unwrap_or(ProgressMode::Auto) {
            _ if global.quiet => Shape::Silent,
            ProgressMode::Bar if global.accessible => Shape::Plain(INTERVAL),
            ProgressMode::Bar => Shape::Bar(bar(phase, total)),
            ProgressMode::Plain => Shape::Plain(INTERVAL),
            ProgressMode::Json => Shape::Json(INTERVAL),
            ProgressMode::None => Shape::Silent,
            ProgressMode::Auto if global.wants_json() => Shape::Json(CALM_INTERVAL),
            ProgressMode::Auto if terminal && !global.accessible => Shape::Bar(bar(phase, total)),
            ProgressMode::Auto => Shape::Plain(CALM_INTERVAL),
        };
        let now = Instant::now();
        Self { phase, total, done: 0, started: now, said: now, shape }
    }

    /// `more` bytes of `name` are done.
    pub(crate) fn advance(&mut self, more: u64, name: &str) {
        self.set(self.done + more, name);
    }

    /// `done` bytes are done in all.
    pub(crate) fn set(&mut self, done: u64, name: &str) {
        self.done = done;
        match &self.shape {
            Shape::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(crate::error::printable(name));
            }
            Shape::Plain(interval) | Shape::Json(interval) if self.said.elapsed() >= *interval => self.say(name),
            _ => {}
        }
    }

    /// Changes the total once it is known.
    pub(crate) fn set_total(&mut self, total: u64) {
        self.total = total;
        if let Shape::Bar(bar) = &self.shape {
            bar.set_length(total);
        }
    }

    /// Removes the bar; JSON progress ends with a summary.
    pub(crate) fn finish(self) {
        match &self.shape {
            Shape::Bar(bar) => bar.finish_and_clear(),
            Shape::Json(_) => note(
                &json!({"type": "summary", "phase": self.phase, "bytesDone": self.done,
                    "seconds": self.started.elapsed().as_secs_f64()})
                .to_string(),
            ),
            Shape::Plain(_) | Shape::Silent => {}
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the rate of a transfer is measured here, in a program without bib-kit"
    )]
    fn say(&mut self, name: &str) {
        self.said = Instant::now();
        let rate = u128::from(self.done) * 1000 / self.started.elapsed().as_millis().max(1);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        // what comes through a pipe has no end that is known
        let known = (self.total > 0).then_some(self.total);
        let percent = known.map(|total| (self.done * 100 / total).min(100));
        if matches!(self.shape, Shape::Json(_)) {
            let left = known.map(|total| total.saturating_sub(self.done) / rate.max(1));
            note(
                &json!({"type": "status", "phase": self.phase, "bytesDone": self.done, "totalBytes": known,
                    "percent": percent, "rateBps": rate, "etaSeconds": left, "currentFile": name})
                .to_string(),
            );
            return;
        }
        let share = percent.map_or_else(String::new, |percent| format!(" {percent}%"));
        let whole = known.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
        note(&format!("{}{share} {}{whole}, {}/s", self.phase, bytes(self.done), bytes(rate)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // work that failed or was interrupted leaves no half bar behind
        if let Shape::Bar(bar) = &self.shape {
            bar.finish_and_clear();
        }
    }
}

fn bar(phase: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // three columns stay free for the ^C of a terminal, which would push the bar into a second line
    let look = match total {
        // not known, or not yet
        0 if phase == UPLOAD => "{prefix:>8} {binary_bytes} {binary_bytes_per_sec} {wide_msg}   ",
        _ => {
            "{prefix:>8} [{bar:20}] {percent:>3}% {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} {wide_msg}   "
        }
    };
    let style = ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
    let signs = if Look::of_now().ascii { "=> " } else { "█▉▊▋▌▍▎▏ " };
    bar.set_style(style.progress_chars(signs));
    bar.set_prefix(phase);
    bar
}
