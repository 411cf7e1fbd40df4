//! The vigil: looks at the machine beside the actors, and says in the node's health what stands out.
//!
//! It watches the clocks, the disk below the data folder and the database's process. What it finds is a warning in the
//! health of the node, a line in the log and, for clocks and stops, a record in the audit log. It decides nothing and
//! mends nothing, and the node goes on without it. One thing it does by itself: when the node rests, it gives pages of the
//! program's own file back to the system.

mod disk;
mod program;
mod server;

use bib_audit::{AuditDraft, AuditHandle};
use bib_domain::OpContext;
use bib_domain::vigil::{Anomaly, ClockWatch, VigilRules};
use bib_kit::{HealthBoard, clock};
use disk::DiskProbe;
use program::Program;
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// The name in audit records.
const NAME: &str = "vigil";
/// Under these names a warning stands in the health; a new one takes the place of the old one.
const CLOCK: &str = "clock";
const STOPPED: &str = "stopped";
const DISK: &str = "disk-slow";
const SERVER: &str = "database-stopped";

/// What the vigil needs.
pub(crate) struct Watched {
    /// The node's folder.
    pub(crate) data: PathBuf,
    /// Where warnings stand.
    pub(crate) health: HealthBoard,
    /// Where anomalies are recorded.
    pub(crate) audit: AuditHandle,
}

/// Bounds of the vigil.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VigilOptions {
    /// When something stands out.
    pub(crate) rules: VigilRules,
    /// How often the disk is measured.
    pub(crate) probe_every: Duration,
    /// How long a jump or a stop stays among the warnings.
    pub(crate) keep: Duration,
}

impl Default for VigilOptions {
    fn default() -> Self {
        Self { rules: VigilRules::default(), probe_every: Duration::from_secs(5), keep: Duration::from_secs(600) }
    }
}

/// A steady clock in milliseconds that goes on while the machine sleeps: by one that does not, a sleep would look like a
/// wall clock that jumped.
fn steady_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)).unwrap_or(0)
}

/// The running vigil; it ends when this is dropped.
pub(crate) struct Vigil(JoinHandle<()>);

impl Vigil {
    /// Begins to watch.
    pub(crate) fn begin(runtime: &Handle, watched: Watched, options: VigilOptions) -> Self {
        let watch = Watch {
            clocks: ClockWatch::new(options.rules),
            disk: DiskProbe::new(watched.data.join("run"), options.rules),
            program: Program::new(options.rules),
            told: Vec::new(),
            probed: clock::monotonic(),
            options,
            watched,
        };
        Self(runtime.spawn(watch.run()))
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watch {
    watched: Watched,
    options: VigilOptions,
    clocks: ClockWatch,
    disk: DiskProbe,
    program: Program,
    /// Warnings that fade, and since when they stand.
    told: Vec<(&'static str, Instant)>,
    probed: Instant,
}

impl Watch {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.options.rules.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for anomaly in self.clocks.look(clock::unix_ms(), steady_ms()) {
                self.tell(anomaly).await;
            }
            self.fade();
            self.program.look();
            if clock::since(self.probed) >= self.options.probe_every {
                self.probed = clock::monotonic();
                let warning = self.disk.look();
                self.watched.health.warn(DISK, warning);
                self.watched.health.warn(SERVER, server::look(&self.watched.data));
            }
            self.clocks.done(steady_ms());
        }
    }

    async fn tell(&mut self, anomaly: Anomaly) {
        let (key, action, text, amount) = match anomaly {
            Anomaly::Jumped { by_ms } => {
                let (way, ends) = if by_ms < 0 {
                    ("back", "deadlines of sessions and tickets do not")
                } else {
                    ("forward", "and sessions and tickets end so much sooner")
                };
                let seconds = by_ms.unsigned_abs() / 1000;
                let text = format!(
                    "the clock of this machine jumped {way} by {seconds} s: times in records and lists follow it, \
                     {ends}; check its time service (timedatectl)"
                );
                (CLOCK, "clock.anomaly", text, by_ms.to_string())
            }
            Anomaly::StoodStill { for_ms } => {
                let text = format!(
                    "this node stood still for {} s: the process or the machine was stopped, or had no time to run; \
                     it goes on where it was",
                    for_ms / 1000
                );
                (STOPPED, "node.stood-still", text, for_ms.to_string())
            }
        };
        tracing::warn!("{text}");
        self.watched.health.warn(key, Some(text));
        self.told.retain(|(other, _)| *other != key);
        self.told.push((key, clock::monotonic()));
        let op = OpContext::node(clock::new_request_id(), NAME);
        let draft = AuditDraft::from_op(&op, action, "this node").metadata("by_ms", amount);
        if let Err(error) = self.watched.audit.append(draft).await {
            tracing::warn!(%error, action, "what the vigil saw was not recorded");
        }
    }

    /// Takes warnings away that have stood long enough.
    fn fade(&mut self) {
        let (keep, health) = (self.options.keep, &self.watched.health);
        self.told.retain(|(key, since)| {
            let stays = clock::since(*since) < keep;
            if !stays {
                health.warn(key, None);
            }
            stays
        });
    }
}
