//! Every scenario with reduced numbers. One that fails prints the seed with which it can be repeated.
//!
//! Those that load the machine, or measure what a loaded node takes, run one at a time. Those that mostly wait - for a
//! flag, a deadline, a peer that comes back - run beside each other.

use bib_chaos::scenarios::Scenario;
use bib_chaos::{Extent, Setting};
use std::io::Write;
use std::sync::{PoisonError, RwLock};

/// Held for writing by whoever needs the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

fn holds(name: &str) {
    let setting = Setting::new(Extent::Reduced);
    let scenario = Scenario::named(name).expect("a scenario of this name");
    let row = scenario.run(&setting);
    let _ = writeln!(std::io::stdout(), "{row}");
    let seed = setting.seed;
    assert!(row.is_ok(), "repeat it with: BIB_CHAOS_SEED={seed} bib-chaos --reduced --scenarios {name}\n{row}");
}

mod alone {
    use super::{MACHINE, PoisonError};

    fn holds(name: &str) {
        let _machine = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        super::holds(name);
    }

    #[test]
    fn a_flood_of_calls_is_survived() {
        holds("flood-api");
    }

    #[test]
    fn a_flood_of_page_requests_is_survived() {
        holds("flood-pages");
    }

    #[test]
    fn a_flood_of_peers_is_survived() {
        holds("flood-peers");
    }

    #[test]
    fn bibd_is_killed_during_uploads() {
        holds("kill");
    }

    #[test]
    fn every_actor_panics_during_uploads() {
        holds("panics");
    }

    #[test]
    fn postgres_is_killed_during_uploads() {
        holds("postgres");
    }

    #[test]
    fn the_receiver_of_a_transfer_is_killed() {
        holds("receiver");
    }

    #[test]
    fn the_sender_of_a_transfer_is_killed() {
        holds("sender");
    }
}

mod beside {
    use super::{MACHINE, PoisonError};

    fn holds(name: &str) {
        let _machine = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        super::holds(name);
    }

    #[test]
    fn a_clock_that_jumps_harms_nobody() {
        holds("clock");
    }

    #[test]
    fn a_liar_is_blamed_and_left() {
        holds("liar");
    }

    #[test]
    fn a_slow_disk_is_flagged() {
        holds("slow-disk");
    }

    #[test]
    fn hurt_chunks_are_found_and_mended() {
        holds("damage");
    }

    #[test]
    fn stopped_processes_go_on() {
        holds("stopped");
    }
}
