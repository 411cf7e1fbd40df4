//! The gateway's public face. Nobody asks it anything in the node's daily work: it is the top of the ranks.

use crate::actor::GatewayActor;
use crate::error::GatewayError;
use crate::messages::{GetListening, Listening};
use bib_kit::Ref;
use std::time::Duration;

/// A cheap handle to the present gateway.
#[derive(Clone)]
pub struct GatewayHandle(Ref<GatewayActor>);

impl GatewayHandle {
    /// Wraps the reference that the actor's slot gives.
    #[must_use]
    pub const fn new(actor: Ref<GatewayActor>) -> Self {
        Self(actor)
    }

    /// Where it listens. Cancel-safe: it only reads.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn listening(&self) -> Result<Listening, GatewayError> {
        Ok(self.0.ask(GetListening, Duration::from_secs(5)).await?)
    }

    /// The reference itself, for supervision and tests.
    #[must_use]
    pub const fn actor(&self) -> &Ref<GatewayActor> {
        &self.0
    }
}
