//! The services of the API. Each method translates a request, asks the actors, and translates the answer.

mod admin;
mod auth;
mod catalog;
mod convert;
mod dataset;
mod download;
mod elsewhere;
mod entries;
mod etags;
mod health;
mod ipc;
mod locks;
mod node;
mod origin;
mod pages;
mod publish;
mod query;
mod receive;
mod remote;
mod shape;
mod sign_in;
mod stream;
mod tables;
mod topic;
mod upload;
mod verify;
mod versions;
mod view;
mod watch;

pub(crate) use admin::Admin;
pub(crate) use auth::Auth;
pub(crate) use dataset::Datasets;
pub(crate) use etags::Etags;
pub(crate) use health::HealthOf;
pub(crate) use locks::DatasetLocks;
pub(crate) use node::Nodes;
pub(crate) use query::Queries;
pub(crate) use remote::PeerFetch;
pub(crate) use topic::Topics;

use crate::access::Caller;
use crate::problem::Problem;
use tonic::{Request, Response, Status};

/// Takes a request apart, does the work, and turns a problem into the status of this call.
async fn answer<Q, A, W>(request: Request<Q>, work: impl FnOnce(Caller, Q) -> W) -> Result<Response<A>, Status>
where
    W: Future<Output = Result<A, Problem>>,
{
    let (_, extensions, message) = request.into_parts();
    let Some(caller) = extensions.get::<Caller>().cloned() else {
        // The gate puts it there; without the gate nothing is answered.
        return Err(Status::internal("the call did not pass the gate"));
    };
    let id = caller.request_id;
    work(caller, message).await.map(Response::new).map_err(|problem| problem.into_status(&id))
}
