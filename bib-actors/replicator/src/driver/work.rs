//! Transfers and repairs: starting them, telling them from whom to fetch, and taking in how they ended.

use super::underway::Underway;
use super::{Driver, Note};
use crate::report::{Progress, TransferRow, TransferState};
use crate::transfer::{self, Job, Outcome};
use bib_domain::backlog::{Offered, Standing};
use bib_domain::{DatasetRef, NodeId, SpaceState, VersionId};
use bib_kit::clock;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

impl Driver {
    /// A peer has a version that is not whole here.
    pub(super) fn offer(&mut self, peer: &NodeId, dataset: &DatasetRef, version: VersionId) -> Offered {
        if !self.policy.still_wanted(&dataset.topic) || self.policy.may_use(peer).is_err() {
            // the policy changed while the catalogue was being read; it will be read again
            return Offered::Known;
        }
        let offered = self.backlog.offer(version, dataset, Some(peer));
        if let Some(underway) = self.underway.get(&version) {
            self.tell_sources(version, underway);
        }
        offered
    }

    /// Starts as many transfers as may run; none while there is no room for what they bring.
    pub(super) fn start_transfers(&mut self) {
        if self.shared.guardian.space().state() != SpaceState::Open {
            return;
        }
        while self.underway.len() < self.shared.options.transfers_at_once {
            let now_ms = clock::uptime_ms();
            let (policy, peers) = (&self.policy, &self.peers);
            let usable =
                |peer: &NodeId| policy.may_use(peer).is_ok() && peers.get(peer).is_some_and(|state| state.connected);
            let Some((version, dataset)) = self.backlog.start_next(now_ms, usable) else { return };
            let progress = Arc::new(Progress::default());
            let (sources, receiver) = watch::channel(self.sources_of(&version));
            let give_way = CancellationToken::new();
            let job = Job {
                version,
                progress: Arc::clone(&progress),
                sources: receiver,
                // whoever stands in the backlog as a holder has said so in its catalogue
                holders: None,
                give_way: give_way.clone(),
            };
            let (shared, number) = (Arc::clone(&self.shared), self.underway.number());
            let started = self.shared.spawn("transfer", async move {
                let outcome = transfer::run(&shared, job).await;
                shared.note(Note::Ended { version, number, outcome }).await;
            });
            if !started {
                self.backlog.failed(&version, "too much is going on at once".to_owned(), now_ms, dice());
                return;
            }
            tracing::info!(%dataset, version = %version.short(), "fetching a version");
            self.underway.begin(version, number, Underway { dataset, progress, sources, give_way });
        }
    }

    /// Has a transfer that is too slow give its place to a version that waits for one. One at a time: the next one only
    /// if somebody still waits when its place was taken.
    pub(super) fn make_way(&mut self) {
        self.start_transfers();
        let full = self.shared.guardian.space().state() != SpaceState::Open;
        if full || self.underway.iter().any(|(_, underway)| underway.give_way.is_cancelled()) {
            return;
        }
        let mut slow = self.underway.iter().filter(|(_, underway)| underway.progress.is_slow());
        let now_ms = clock::uptime_ms();
        let in_the_way = |version: &VersionId| self.backlog.is_in_the_way(version, now_ms, |peer| self.usable(peer));
        if let Some((version, underway)) = slow.find(|(version, _)| in_the_way(version)) {
            tracing::info!(dataset = %underway.dataset, version = %version.short(), "a slow transfer gives way to others");
            underway.give_way.cancel();
        }
    }

    fn sources_of(&self, version: &VersionId) -> BTreeSet<NodeId> {
        self.backlog.holders(version).filter(|peer| self.usable(peer)).cloned().collect()
    }

    fn tell_sources(&self, version: VersionId, underway: &Underway) {
        let sources = self.sources_of(&version);
        underway.sources.send_if_modified(|old| {
            let changed = *old != sources;
            *old = sources;
            changed
        });
    }

    /// Tells every transfer, and whoever fetches besides, from whom they may fetch now.
    pub(super) fn follow_sources(&self) {
        self.shared.set_usable(self.peers.keys().filter(|peer| self.usable(peer)).cloned().collect());
        self.underway.iter().for_each(|(version, underway)| self.tell_sources(*version, underway));
    }

    /// A transfer ended. One that was stopped meanwhile is not known any more.
    pub(super) fn ended(&mut self, version: VersionId, number: u64, outcome: Outcome) {
        let Some(underway) = self.underway.ended(&version, number) else { return };
        let Underway { dataset, progress, .. } = underway;
        match outcome {
            Outcome::Whole => {
                tracing::info!(%dataset, version = %version.short(), "a version is whole");
                self.backlog.finished(&version);
                let row = progress.row(version, dataset, TransferState::Done, String::new());
                if self.ended.len() >= self.shared.options.shown_ended {
                    self.ended.pop_front();
                }
                self.ended.push_back(row);
            }
            Outcome::GaveWay => {
                let slow = self.sources_of(&version);
                self.backlog.gave_way(&version, slow);
            }
            Outcome::Failed { error, useless } => {
                tracing::warn!(%dataset, version = %version.short(), error, "a version could not be fetched yet");
                useless.iter().for_each(|peer| self.backlog.forget_holder(peer, Some(&version)));
                self.backlog.failed(&version, error, clock::uptime_ms(), dice());
            }
        }
    }

    /// The transfers, as people see them: what runs, what waits, what ended last.
    pub(super) fn rows(&self) -> Vec<TransferRow> {
        let rows = self.backlog.rows(self.shared.options.shown_waiting);
        let (running, waiting): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.standing == Standing::Running);
        let running = running.into_iter().filter_map(|row| {
            let underway = self.underway.get(&row.version)?;
            Some(underway.progress.row(row.version, row.dataset, TransferState::Running, row.error))
        });
        let paused = self.shared.guardian.space().notice();
        let waiting = waiting.into_iter().map(|row| {
            let why = if paused.is_empty() { row.error } else { format!("paused: {paused}") };
            TransferRow::waiting(row.version, row.dataset, why)
        });
        running.chain(waiting).chain(self.ended.iter().rev().cloned()).collect()
    }
}

pub(super) fn dice() -> u64 {
    // jitter between retries of many nodes
    let dice = clock::dice() * f64::from(u32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and u32::MAX")]
    let dice = dice as u64;
    dice
}
