//! The protocols offered to one inbound stream. Never does a handshake beyond agreeing on one of them.

use futures::future::{Ready, ready};
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::{Stream, StreamProtocol};
use std::convert::Infallible;

/// What the other side may choose from.
pub(crate) struct Offer {
    pub(crate) protocols: Vec<StreamProtocol>,
}

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, protocol: Self::Info) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
