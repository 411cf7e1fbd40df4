//! Thin: each message becomes a command to the event loop, and its reply is awaited beside other messages.

use crate::actor::SwarmActor;
use crate::command::{Command, Opening};
use crate::error::SwarmError;
use crate::messages::{Accept, Dial, Disconnect, ListenAddrs, OpenStream, PanicInLoop, Peers, SetAllowed, Stats};
use crate::node_id::peer_of;
use crate::streams::OpenFailure;
use bib_kit::{Cx, Handles, Message, Reply};
use libp2p::{Stream, StreamProtocol};
use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How often a stream is tried: a connection that just closed is found out by using it.
const OPEN_ATTEMPTS: usize = 2;

fn protocol_of(name: &'static str) -> Result<StreamProtocol, SwarmError> {
    if name.starts_with('/') {
        Ok(StreamProtocol::new(name))
    } else {
        Err(SwarmError::BadProtocol { protocol: name.to_owned() })
    }
}

/// Sends a command and waits for its answer.
async fn call<T>(
    commands: mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, SwarmError> {
    let (reply, answer) = oneshot::channel();
    commands.send(command(reply)).await.map_err(|_| SwarmError::Stopped)?;
    answer.await.map_err(|_| SwarmError::Stopped)
}

async fn within<T>(
    limit: Duration,
    what: String,
    future: impl Future<Output = Result<T, SwarmError>>,
) -> Result<T, SwarmError> {
    tokio::time::timeout(limit, future).await.unwrap_or(Err(SwarmError::Timeout { what, limit }))
}

async fn open_stream(commands: mpsc::Sender<Command>, message: OpenStream) -> Result<Stream, SwarmError> {
    let protocol = protocol_of(message.protocol)?;
    let peer = peer_of(&message.peer)?;
    let (mut avoid, dial) = (None, message.dial);
    for _ in 0..OPEN_ATTEMPTS {
        let protocol = protocol.clone();
        let opening = call(commands.clone(), |reply| Command::Open { peer, protocol, avoid, dial, reply }).await??;
        let Opening { connection, outcome } = opening;
        match outcome.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(OpenFailure::Refused)) => {
                return Err(SwarmError::Refused { peer: message.peer, protocol: message.protocol.to_owned() });
            }
            Ok(Err(OpenFailure::Timeout | OpenFailure::Lost)) | Err(_) => avoid = Some(connection),
        }
    }
    Err(SwarmError::NotConnected { peer: message.peer })
}

impl Handles<OpenStream> for SwarmActor {
    fn handle(&mut self, msg: OpenStream, _: &mut Cx<'_, Self>) -> Reply<<OpenStream as Message>::Reply> {
        let what = format!("opening {} to node {}", msg.protocol, msg.peer);
        Reply::later(within(self.options.open_deadline(), what, open_stream(self.commands.clone(), msg)))
    }
}

impl Handles<Accept> for SwarmActor {
    fn handle(&mut self, msg: Accept, _: &mut Cx<'_, Self>) -> Reply<<Accept as Message>::Reply> {
        Reply::now(protocol_of(msg.protocol).map(|protocol| self.gate.accept(protocol)))
    }
}

impl Handles<Dial> for SwarmActor {
    fn handle(&mut self, msg: Dial, _: &mut Cx<'_, Self>) -> Reply<<Dial as Message>::Reply> {
        let what = format!("connecting to {}", msg.address);
        let commands = self.commands.clone();
        let dial = async move { call(commands, |reply| Command::Dial { address: msg.address, reply }).await? };
        Reply::later(within(self.options.dial_deadline(), what, dial))
    }
}

impl Handles<Disconnect> for SwarmActor {
    fn handle(&mut self, msg: Disconnect, _: &mut Cx<'_, Self>) -> Reply<<Disconnect as Message>::Reply> {
        let commands = self.commands.clone();
        Reply::later(async move {
            let peer = peer_of(&msg.peer)?;
            call(commands, |reply| Command::Disconnect { peer, reply }).await
        })
    }
}

impl Handles<Peers> for SwarmActor {
    fn handle(&mut self, _: Peers, _: &mut Cx<'_, Self>) -> Reply<<Peers as Message>::Reply> {
        Reply::later(call(self.commands.clone(), |reply| Command::Peers { reply }))
    }
}

impl Handles<ListenAddrs> for SwarmActor {
    fn handle(&mut self, _: ListenAddrs, _: &mut Cx<'_, Self>) -> Reply<<ListenAddrs as Message>::Reply> {
        Reply::later(call(self.commands.clone(), |reply| Command::ListenAddrs { reply }))
    }
}

impl Handles<SetAllowed> for SwarmActor {
    fn handle(&mut self, msg: SetAllowed, _: &mut Cx<'_, Self>) -> Reply<<SetAllowed as Message>::Reply> {
        let commands = self.commands.clone();
        Reply::later(async move {
            let parse = |(node, addresses)| Ok::<_, SwarmError>((peer_of(&node)?, addresses));
            let peers = msg.peers.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
            call(commands, |reply| Command::SetAllowed { peers, reply }).await
        })
    }
}

impl Handles<Stats> for SwarmActor {
    fn handle(&mut self, _: Stats, _: &mut Cx<'_, Self>) -> Reply<<Stats as Message>::Reply> {
        Reply::later(call(self.commands.clone(), |reply| Command::Stats { reply }))
    }
}

impl Handles<PanicInLoop> for SwarmActor {
    fn handle(&mut self, _: PanicInLoop, _: &mut Cx<'_, Self>) -> Reply<<PanicInLoop as Message>::Reply> {
        let commands = self.commands.clone();
        Reply::later(async move { commands.send(Command::Panic).await.map_err(|_| SwarmError::Stopped) })
    }
}
