//! Messages, services and the typed client of the BIB API.
//!
//! [`v1`] is generated from `schema/proto/bib/v1`. [`client`] connects, checks whom it reached, logs in with an
//! SSH key and retries what may be retried. Nothing of the node is linked from here.

pub mod client;
pub mod passing;

/// Version 1 of the API and of the peer protocols, generated from `schema/proto/bib/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("bib.v1");
}

/// The compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bib.v1.fds"));

/// The domain of every reason in a `google.rpc.ErrorInfo` of this API.
pub const ERROR_DOMAIN: &str = "bib.dev";

/// The namespace of signatures that are made by hand to sign in.
pub const SIGN_IN_NAMESPACE: &str = "bib-sign-in@1";

/// In which metadata the pages say for which browser they call. From anybody else it means nothing.
pub const BROWSER_HEADER: &str = "x-bib-browser";

/// What the client signs to log in: the node and its nonce, under a prefix that no other protocol uses.
#[must_use]
pub fn login_message(node_id: &str, nonce: &[u8]) -> Vec<u8> {
    let mut message = b"bib-login/1\0".to_vec();
    message.extend_from_slice(node_id.as_bytes());
    message.push(0);
    message.extend_from_slice(nonce);
    message
}
