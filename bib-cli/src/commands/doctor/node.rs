//! Checks of the node itself: whether it answers, how its parts are, its peers, its audit log.

use super::check::Check;
use crate::error::{CliError, CliResult};
use crate::output::{count, counted};
use crate::session::{Env, Target};
use bib_proto::client::{Address, Client};
use bib_proto::v1::{GetHealthRequest, GetSelfRequest, GetSelfResponse, ListNodesRequest, Node, VerifyAuditRequest};

/// A node that answered.
pub(super) struct Answer {
    client: Client,
    own: GetSelfResponse,
}

/// Asks a node who it is.
pub(super) async fn ask(env: &Env, target: Target) -> CliResult<Answer> {
    let client = env.client_of(target).await?;
    let own = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner();
    Ok(Answer { client, own })
}

/// What there is to say of a node that does not answer.
pub(super) fn silence(env: &Env, error: &CliError) -> String {
    let advice = error.hints.first().map(|hint| format!("; {hint}")).unwrap_or_default();
    match env.target().map(|target| target.address) {
        Ok(Address::Unix(socket)) if !socket.exists() => {
            format!("bibd is not running: there is no socket {}{advice}", socket.display())
        }
        _ => format!("{}{advice}", error.message),
    }
}

impl Answer {
    /// Everything that the node says of itself.
    pub(super) async fn checks(self, env: &Env) -> Vec<Check> {
        let Self { client, own } = self;
        let node = own.node.clone().unwrap_or_default();
        let place = match client.address() {
            Address::Unix(_) => String::new(),
            elsewhere @ Address::Tcp { .. } => format!(" at {elsewhere}"),
        };
        let text = format!("{} answers{place}, bibd {}", node.name, own.version);
        let mut checks = vec![Check::ok("node", "answers", text)];
        let version = env!("CARGO_PKG_VERSION");
        checks.push(if own.version == version {
            Check::ok("node", "version", format!("bib and bibd are both {version}"))
        } else {
            Check::warn("node", "version", format!("bib is {version}, bibd is {}", own.version))
        });
        checks.push(if own.storage_notice.is_empty() {
            Check::ok("database", "storage", format!("{} ({})", node.storage, own.database_runtime))
        } else {
            Check::warn("database", "storage", own.storage_notice.clone())
        });
        checks.extend(health(env, &client, &own.storage_notice).await);
        checks.extend(peers(env, &client, &node).await);
        checks.push(audit(env, &client).await);
        checks
    }
}

async fn health(env: &Env, client: &Client, told: &str) -> Vec<Check> {
    let health = match env.call(client.health().get_health(GetHealthRequest {})).await {
        Ok(health) => health.into_inner(),
        Err(error) => return vec![Check::warn("node", "actors", format!("not known: {}", error.message))],
    };
    let away: Vec<String> = health
        .actors
        .iter()
        .filter(|actor| actor.state != "running")
        .map(|actor| format!("{} is {}", actor.name, actor.state))
        .collect();
    let mut checks = vec![if away.is_empty() {
        Check::ok("node", "actors", format!("all {} run", health.actors.len()))
    } else {
        Check::fail("node", "actors", away.join(", "))
    }];
    let restarted: Vec<String> = health
        .actors
        .iter()
        .filter(|actor| actor.restarts > 0)
        .map(|actor| format!("{} {}: {}", actor.name, counted(actor.restarts, "restart"), actor.last_failure))
        .collect();
    if !restarted.is_empty() {
        checks.push(Check::warn("node", "restarts", restarted.join("; ")));
    }
    let new = health.warnings.into_iter().filter(|warning| warning != told);
    checks.extend(new.map(|warning| Check::warn("node", "warning", warning)));
    checks
}

async fn peers(env: &Env, client: &Client, own: &Node) -> Vec<Check> {
    let request = ListNodesRequest { connected_only: false };
    let nodes = match env.call(client.nodes().list_nodes(request)).await {
        Ok(nodes) => nodes.into_inner().nodes,
        Err(error) => return vec![Check::warn("p2p", "peers", format!("not known: {}", error.message))],
    };
    let mut checks = vec![if own.addresses.is_empty() {
        Check::warn("p2p", "listens", "nowhere: other nodes cannot dial this one; it can dial them")
    } else {
        Check::ok("p2p", "listens", own.addresses.join(", "))
    }];
    let paired: Vec<&Node> = nodes.iter().filter(|node| node.paired).collect();
    let connected = paired.iter().filter(|node| node.connected).count();
    let text = format!("{} of {} connected", count(connected as u64), counted(paired.len() as u64, "paired node"));
    checks.push(if paired.is_empty() {
        Check::ok("p2p", "peers", "no node is paired; pair one: bib invite here, bib join TICKET there")
    } else if connected == 0 {
        Check::warn("p2p", "peers", format!("{text}; are they on, and is port 4001 of one side reachable?"))
    } else {
        Check::ok("p2p", "peers", text)
    });
    let blamed = nodes.iter().filter(|node| !node.blamed.is_empty());
    checks.extend(blamed.map(|node| {
        let name = if node.name.is_empty() { &node.id } else { &node.name };
        Check::fail("p2p", "blamed", format!("{name} was left: {}; pair anew once it is mended", node.blamed))
    }));
    checks
}

async fn audit(env: &Env, client: &Client) -> Check {
    match env.call(client.admin().verify_audit(VerifyAuditRequest {})).await.map(tonic::Response::into_inner) {
        Ok(verdict) if verdict.ok && verdict.index_ok => {
            Check::ok("audit", "chain", format!("{}, whole", counted(verdict.records, "record")))
        }
        Ok(verdict) if verdict.ok && !verdict.index_problem.is_empty() => {
            let text = format!("the log is whole; its index could not be compared: {}", verdict.index_problem);
            Check::warn("audit", "chain", text)
        }
        Ok(verdict) if verdict.ok => {
            let text = "the log is whole; its index in the database differs, and is rebuilt at the next start";
            Check::warn("audit", "chain", text)
        }
        Ok(verdict) => Check::fail("audit", "chain", verdict.problem),
        Err(error) => Check::warn("audit", "chain", format!("not verified: {}", error.message)),
    }
}
