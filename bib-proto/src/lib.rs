//! Messages, services and the typed client of the BIB API.

/// Version 1 of the API and of the peer protocols, generated from `schema/proto/bib/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("bib.v1");
}

/// The compiled `.proto` files, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bib.v1.fds"));
