//! A change between its last statement and its commit.

use crate::database::{Footprint, Tx};
use crate::error::GuardianError;
use crate::recall::Changing;

/// A change that is done but for its commit. Dropping it undoes the change.
pub(super) struct Ready<'a, T> {
    output: T,
    tx: Tx,
    /// Ends when the outcome is in the database or was given up, before anybody hears of it.
    _changing: Option<Changing<'a>>,
}

impl<'a, T> Ready<'a, T> {
    /// What became of a change but for its commit. One that was refused ends here.
    pub(super) async fn of(
        done: Result<T, GuardianError>,
        tx: Tx,
        changing: Option<Changing<'a>>,
    ) -> Result<Self, GuardianError> {
        match done {
            Ok(output) => Ok(Self { output, tx, _changing: changing }),
            Err(error) => Err(tx.fail(error).await),
        }
    }

    pub(super) async fn commit(self) -> Result<(T, Footprint), GuardianError> {
        let Self { output, tx, _changing } = self;
        Ok((output, tx.commit().await?))
    }
}
