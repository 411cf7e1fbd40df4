//! Whether this node may be the first to hold something. Decided by the kind of its storage, never by the caller.

use super::elsewhere::check_keep;
use crate::problem::Problem;
use crate::shared::Shared;
use tonic::Code;

/// Refuses what would originate on storage that others must not rely on.
pub(super) async fn check(shared: &Shared) -> Result<(), Problem> {
    check_keep(shared)?;
    if shared.options.originate_untrusted {
        return Ok(());
    }
    let storage = shared.deps.guardian.storage().await?;
    storage.kind.check_origin().map_err(|refusal| {
        Problem::new(Code::FailedPrecondition, "MODE_SQLITE", refusal.to_string()).hint(
            "put it in on a node with PostgreSQL and subscribe to it here, or install PostgreSQL 14 to 18 and start bibd again",
        )
    })
}
