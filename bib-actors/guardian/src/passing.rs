//! Which failures pass by themselves: a start that met one is tried again, and does not end the node.

use crate::error::GuardianError;
use bib_kit::AskError;
use std::error::Error;

/// Whether an actor that could not start because of this may start a moment later without anybody's doing: the guardian or
/// the database could not answer just then.
#[must_use]
pub fn passes(error: &(dyn Error + 'static)) -> bool {
    let of_guardian = |error: &GuardianError| {
        matches!(
            error,
            GuardianError::Ask(_)
                | GuardianError::Overloaded { .. }
                | GuardianError::Unavailable { .. }
                | GuardianError::GoingDown
        )
    };
    error.is::<AskError>() || error.downcast_ref::<GuardianError>().is_some_and(of_guardian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_must_mend_does_not_pass() {
        let away = AskError::Restarting { actor: "guardian" };
        let lost = GuardianError::Unavailable { reason: "the connection closed".to_owned() };
        assert!(
            passes(&away) && passes(&GuardianError::from(away)) && passes(&lost) && passes(&GuardianError::GoingDown)
        );
        let refused = GuardianError::Statement { reason: "42P01".to_owned() };
        let setup = GuardianError::Setup("PostgreSQL is not installed".to_owned());
        assert!(!passes(&refused) && !passes(&setup) && !passes(&std::io::Error::other("x")));
    }
}
