//! Health: how each actor is. Readable by anybody, so it says states to all and reasons to those who have a session.

use super::answer;
use crate::access::Caller;
use crate::problem::Problem;
use crate::serve::{is_ready, state_word};
use crate::shared::Shared;
use bib_kit::{ActorHealth, ActorState};
use bib_proto::v1::health_service_server::HealthService;
use bib_proto::v1::{self, GetHealthRequest, GetHealthResponse};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The health service.
pub(crate) struct HealthOf(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl HealthService for HealthOf {
    async fn get_health(&self, request: Request<GetHealthRequest>) -> Result<Response<GetHealthResponse>, Status> {
        answer(request, |caller, _| async move { self.look(&caller).await }).await
    }
}

impl HealthOf {
    async fn look(&self, caller: &Caller) -> Result<GetHealthResponse, Problem> {
        let known = caller.role().is_some();
        let actors = self.0.deps.health.snapshot();
        let mut warnings = Vec::new();
        for actor in &actors {
            if actor.state != ActorState::Up {
                warnings.push(format!("{} is {}", actor.name, state_word(actor)));
            }
        }
        if known
            && let Ok(storage) = self.0.deps.guardian.storage().await
            && !storage.notice.is_empty()
        {
            warnings.push(storage.notice);
        }
        let space = self.0.deps.guardian.space();
        for notice in [space.notice(), space.withheld()] {
            if known && !notice.is_empty() {
                warnings.push(notice);
            }
        }
        if known {
            warnings.extend(self.0.deps.health.warnings());
        }
        Ok(GetHealthResponse {
            ready: is_ready(&actors),
            actors: actors.iter().map(|actor| state_of(actor, known)).collect(),
            warnings,
        })
    }
}

fn state_of(actor: &ActorHealth, known: bool) -> v1::ActorHealth {
    let failure = actor.last_failure.as_deref().unwrap_or_default();
    v1::ActorHealth {
        name: actor.name.to_owned(),
        rank: actor.rank.into(),
        state: state_word(actor).to_owned(),
        incarnation: actor.incarnation,
        restarts: actor.restarts,
        last_failure: if known || failure.is_empty() { failure.to_owned() } else { "log in to read it".to_owned() },
        last_failure_ms: actor.last_failure_ms.unwrap_or_default(),
        mailbox_used: u32::try_from(actor.mailbox_used).unwrap_or(u32::MAX),
        mailbox_capacity: u32::try_from(actor.mailbox_capacity).unwrap_or(u32::MAX),
    }
}
