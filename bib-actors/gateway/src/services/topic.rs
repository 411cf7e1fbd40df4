//! Topics: made here, listed, subscribed to.

use super::{answer, convert, elsewhere, origin, pages};
use crate::access::Caller;
use crate::mapping::topic_not_found;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::TopicName;
use bib_guardian::NewTopic;
use bib_kit::clock;
use bib_proto::v1::topic_service_server::TopicService;
use bib_proto::v1::{
    self, CreateTopicRequest, CreateTopicResponse, GetTopicRequest, GetTopicResponse, ListTopicsRequest,
    ListTopicsResponse, SubscribeRequest, SubscribeResponse, UnsubscribeRequest, UnsubscribeResponse,
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Longest description of a topic, in bytes.
const DESCRIPTION_MAX: usize = 4096;

/// The topic service.
pub(crate) struct Topics(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl TopicService for Topics {
    async fn create_topic(
        &self,
        request: Request<CreateTopicRequest>,
    ) -> Result<Response<CreateTopicResponse>, Status> {
        answer(request, |caller, asked| async move { self.create(&caller, asked).await }).await
    }

    async fn list_topics(&self, request: Request<ListTopicsRequest>) -> Result<Response<ListTopicsResponse>, Status> {
        answer(request, |caller, asked| async move { self.list(&caller, &asked).await }).await
    }

    async fn get_topic(&self, request: Request<GetTopicRequest>) -> Result<Response<GetTopicResponse>, Status> {
        answer(request, |caller, asked| async move {
            let name: TopicName = asked.name.parse()?;
            let row = elsewhere::topic(&self.0, &caller.op(), &name).await?;
            let topic = row.ok_or_else(|| topic_not_found(name.as_str()))?;
            Ok(GetTopicResponse { topic: Some(convert::topic(topic)) })
        })
        .await
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        answer(request, |caller, asked| async move {
            let topic = self.set_subscribed(&caller, &asked.request_id, &asked.name, true).await?;
            Ok(SubscribeResponse { topic: Some(topic) })
        })
        .await
    }

    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        answer(request, |caller, asked| async move {
            let topic = self.set_subscribed(&caller, &asked.request_id, &asked.name, false).await?;
            Ok(UnsubscribeResponse { topic: Some(topic) })
        })
        .await
    }
}

impl Topics {
    async fn create(&self, caller: &Caller, asked: CreateTopicRequest) -> Result<CreateTopicResponse, Problem> {
        let op = caller.op_with(&asked.request_id)?;
        if asked.description.len() > DESCRIPTION_MAX || asked.description.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Problem::invalid(
                "description",
                "BAD_DESCRIPTION",
                format!("a topic's description has at most {DESCRIPTION_MAX} bytes and no control characters"),
            ));
        }
        let new = NewTopic {
            name: asked.name.parse()?,
            description: asked.description,
            owner: self.0.options.node_id.clone(),
            created_ms: clock::unix_ms(),
            if_not_exists: asked.if_not_exists,
        };
        origin::check(&self.0).await?;
        let topic = self.0.deps.guardian.create_topic(&op, new).await?;
        Ok(CreateTopicResponse { topic: Some(convert::topic(topic)) })
    }

    async fn list(&self, caller: &Caller, asked: &ListTopicsRequest) -> Result<ListTopicsResponse, Problem> {
        let size = pages::size(&self.0.options.calls, asked.page_size);
        let after = pages::after::<TopicName>("topics", &asked.page_token)?;
        let rows = elsewhere::topics(&self.0, &caller.op(), after, size + 1).await?;
        let (rows, next_page_token) = pages::cut("topics", rows, size, |row| row.name.to_string());
        Ok(ListTopicsResponse { topics: rows.into_iter().map(convert::topic).collect(), next_page_token })
    }

    async fn set_subscribed(&self, caller: &Caller, id: &str, name: &str, on: bool) -> Result<v1::Topic, Problem> {
        let op = caller.op_with(id)?;
        let name: TopicName = name.parse()?;
        if on {
            elsewhere::check_keep(&self.0)?;
        }
        Ok(convert::topic(self.0.deps.guardian.set_subscribed(&op, &name, on).await?))
    }
}
