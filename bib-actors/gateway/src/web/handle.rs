//! The pages' public face: where they are.

use super::actor::PagesActor;
use crate::error::GatewayError;
use crate::messages::GetPagesUrl;
use bib_kit::Ref;
use std::net::SocketAddr;
use std::time::Duration;

/// A cheap handle to the present pages.
#[derive(Clone)]
pub struct PagesHandle(Ref<PagesActor>);

impl PagesHandle {
    /// Wraps the reference that the actor's slot gives.
    #[must_use]
    pub const fn new(actor: Ref<PagesActor>) -> Self {
        Self(actor)
    }

    /// Where they listen, and under which address people reach them. Cancel-safe: it only reads.
    ///
    /// # Errors
    /// When the pages do not answer.
    pub async fn listening(&self) -> Result<(SocketAddr, String), GatewayError> {
        Ok(self.0.ask(GetPagesUrl, Duration::from_secs(5)).await?)
    }
}
