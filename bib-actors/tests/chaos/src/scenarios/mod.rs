//! The scenarios, each a function of its setting.

mod clocks;
mod damage;
mod floods;
mod kill;
mod lies;
mod panics;
mod postgres;
mod slow;
mod stopped;
mod storage;
mod transfer;

use crate::report::Row;
use crate::setting::Setting;
use crate::watch::StopWatch;
use std::sync::Once;

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, for `--scenarios`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    act: fn(&Setting, &mut Row) -> anyhow::Result<()>,
}

/// All scenarios, in the order in which they are run.
pub const ALL: [Scenario; 18] = [
    Scenario { name: "kill", about: "kill -9 of bibd during 16 uploaders", act: kill::run },
    Scenario { name: "postgres", about: "kill -9 of PostgreSQL's postmaster and its children", act: postgres::run },
    Scenario { name: "panics", about: "an injected panic in every place of every actor", act: panics::run },
    Scenario { name: "receiver", about: "kill -9 of the receiver of a transfer", act: transfer::receiver },
    Scenario { name: "sender", about: "kill -9 of the sender of a transfer", act: transfer::sender },
    Scenario { name: "damage", about: "hurt chunk files: never served, all found, all mended", act: damage::run },
    Scenario { name: "liar", about: "a lying peer: blamed, left, and an honest one used", act: lies::run },
    Scenario { name: "slow-disk", about: "every sync takes a second longer", act: slow::run },
    Scenario { name: "stopped", about: "bibd, PostgreSQL or a peer stopped for a while", act: stopped::run },
    Scenario { name: "clock", about: "the wall clock jumps an hour and ten years, both ways", act: clocks::run },
    Scenario { name: "flood-peers", about: "a flood against the node network", act: floods::peers },
    Scenario { name: "flood-api", about: "a flood against the API", act: floods::api },
    Scenario { name: "flood-pages", about: "a flood against the pages' port", act: floods::pages },
    Scenario { name: "lost-sync", about: "each sync of an upload fails", act: storage::lost_sync },
    Scenario {
        name: "lost-sync-start",
        about: "each sync of a first start fails",
        act: storage::lost_sync_at_first_start,
    },
    Scenario { name: "full-disk", about: "a disk that runs full under each part of a node", act: storage::full_disk },
    Scenario { name: "memory", about: "a lot of data through two nodes in little memory", act: storage::memory },
    Scenario { name: "many-files", about: "a folder of very many small files", act: storage::many_files },
];

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// Runs it. What stops it before its end is a violation too.
    #[must_use]
    pub fn run(&self, setting: &Setting) -> Row {
        provider();
        let watch = StopWatch::start();
        let mut row = Row::new(self.name, self.about, setting.seed);
        if let Err(error) = (self.act)(setting, &mut row) {
            row.violations.push(format!("it could not go on: {error:#}"));
        }
        row.seconds = watch.elapsed().as_secs_f64();
        row
    }
}

/// TLS has one provider for each process.
fn provider() {
    static ONCE: Once = Once::new();
    // the program that calls may have chosen one already
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}
