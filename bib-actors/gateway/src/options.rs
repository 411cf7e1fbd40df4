//! What the gateway is told: where it listens, who it is, and every bound with its reason.

use bib_domain::{NodeId, NodeMode, Role};
use bib_query::QueryOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The options of the gateway.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The node's data directory: `tls/` and `run/` in it are the gateway's. Since 0.1.
    pub data_dir: PathBuf,
    /// The node's id. Since 0.1.
    pub node_id: NodeId,
    /// The node's name for people. Since 0.1.
    pub node_name: String,
    /// What the node keeps. Since 0.1.
    pub mode: NodeMode,
    /// Version of bibd. Since 0.1.
    pub version: String,
    /// When bibd was started, Unix milliseconds. Since 0.1.
    pub started_ms: i64,
    /// Where gRPC over TLS listens; empty means only the Unix socket. Port 0 takes a free one. Since 0.1.
    pub grpc_listen: Vec<SocketAddr>,
    /// Host names and addresses for the server certificate, beside the fixed ones. Since 0.1.
    pub names: Vec<String>,
    /// People who may log in from the first start on; added where they are not known yet. Since 0.1.
    pub bootstrap_keys: Vec<BootstrapKey>,
    /// Whether callers with a session may ask for the API's descriptors. Since 0.1.
    pub reflection: bool,
    /// Whether topics and versions may originate on untrusted storage. bibd never sets it: a cache's only copy of
    /// something would be lost with it. Tests of the API do, where the storage is not what they are about. Since 0.1.
    pub originate_untrusted: bool,
    /// Bounds of connections.
    pub connections: ConnectionOptions,
    /// Bounds of login and sessions.
    pub sessions: SessionOptions,
    /// Bounds of uploads, downloads, verifications.
    pub transfers: TransferOptions,
    /// Bounds of calls to other actors.
    pub calls: CallOptions,
    /// Bounds of queries.
    pub query: QueryOptions,
}

impl GatewayOptions {
    /// The usual ports on loopback, the usual bounds.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, node_id: NodeId, node_name: impl Into<String>, mode: NodeMode) -> Self {
        Self {
            data_dir: data_dir.into(),
            node_id,
            node_name: node_name.into(),
            mode,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: bib_kit::clock::unix_ms(),
            grpc_listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 4000))],
            names: Vec::new(),
            bootstrap_keys: Vec::new(),
            reflection: true,
            originate_untrusted: false,
            connections: ConnectionOptions::default(),
            sessions: SessionOptions::default(),
            transfers: TransferOptions::default(),
            calls: CallOptions::default(),
            query: QueryOptions::default(),
        }
    }
}

/// A person who may log in from the first start on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapKey {
    /// The person's name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Their public key in OpenSSH form.
    pub key: String,
}

/// Bounds of connections. They hold before anybody has proved anything.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// TLS connections at the same time. Each costs some 50 KiB and a file descriptor.
    pub total: usize,
    /// Of which from one address: one machine must not take all places.
    pub per_address: usize,
    /// Connections to the Unix socket, counted apart, so that the owner always gets in.
    pub local: usize,
    /// Connections over which programs on this machine pass open files, counted apart: one for each upload.
    pub passing: usize,
    /// Connections of the pages, within the process: one for their calls and one for each download.
    pub inside: usize,
    /// TLS handshakes at the same time. When there are more, the address that has most of them gives up its oldest, so
    /// the number says how long one lives under a flood. Fewer than `total`: who is in must not be kept from coming back.
    pub handshakes: usize,
    /// How long a handshake may take. Two ways across the world and a signature are far below it.
    pub handshake_timeout: Duration,
    /// Calls at the same time on one connection.
    pub streams: u32,
    /// Streams that a client reset and the server has not noticed yet; beyond it the connection is closed.
    pub pending_resets: usize,
    /// Streams that the server reset after a client's fault; beyond it the connection is closed.
    pub local_resets: usize,
    /// Bytes of the headers of one call.
    pub header_bytes: u32,
    /// Bytes of one HTTP/2 frame. Larger ones make small calls wait behind large ones.
    pub frame_bytes: u32,
    /// HTTP/2 window of one call in bytes: an upload fills it before the first acknowledgement.
    pub stream_window: u32,
    /// HTTP/2 window of one connection in bytes.
    pub connection_window: u32,
    /// Bytes of one message that is received: an upload's data messages are the largest.
    pub message_bytes: usize,
    /// How often a silent client is asked whether it is still there.
    pub keepalive_interval: Duration,
    /// How long it may take to answer.
    pub keepalive_timeout: Duration,
    /// How long to wait for a port that the incarnation before holds.
    pub bind_patience: Duration,
    /// How long calls under way may take to end when the node stops.
    pub drain: Duration,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            total: 512,
            per_address: 128,
            local: 64,
            passing: 16,
            inside: 48,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            streams: 128,
            pending_resets: 20,
            local_resets: 256,
            header_bytes: 16 << 10,
            frame_bytes: 64 << 10,
            stream_window: 1 << 20,
            connection_window: 4 << 20,
            message_bytes: 4 << 20,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            bind_patience: Duration::from_secs(5),
            drain: Duration::from_secs(3),
        }
    }
}

/// Bounds of login and sessions.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How long a challenge is good: long enough to touch a key or type a passphrase.
    pub challenge_ttl: Duration,
    /// Challenges that wait for their answer.
    pub challenges: usize,
    /// Of which for one address.
    pub challenges_per_address: usize,
    /// How long a session lasts, whether it is used or not.
    pub lifetime: Duration,
    /// How long a session that was looked up is believed; what ends it elsewhere is noticed after that.
    pub cache_ttl: Duration,
    /// Sessions that are remembered.
    pub cache_capacity: usize,
    /// How long a challenge that is signed by hand is good.
    pub sign_in_ttl: Duration,
    /// How long a one-time token is good.
    pub one_time_ttl: Duration,
    /// One-time tokens that are out.
    pub one_time_tokens: usize,
    /// Failed logins of one address within `failure_window` before it has to wait.
    pub failures: u64,
    /// See `failures`.
    pub failure_window: Duration,
    /// Refused calls of one address within `failure_window` that get an audit record each; the rest is counted.
    pub refusal_records: u64,
    /// Addresses that are remembered for these bounds.
    pub addresses: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            challenge_ttl: Duration::from_secs(60),
            challenges: 4096,
            challenges_per_address: 64,
            lifetime: Duration::from_secs(12 * 3600),
            cache_ttl: Duration::from_secs(5),
            cache_capacity: 1024,
            sign_in_ttl: Duration::from_secs(300),
            one_time_ttl: Duration::from_secs(60),
            one_time_tokens: 256,
            failures: 10,
            failure_window: Duration::from_secs(60),
            refusal_records: 60,
            addresses: 4096,
        }
    }
}

/// Bounds of streams of bytes.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// Uploads at the same time; each holds a blocking thread.
    pub uploads: usize,
    /// How long an upload may pause between messages.
    pub upload_idle: Duration,
    /// Messages of an upload that wait to be written.
    pub upload_queue: usize,
    /// Entries of one upload: its manifest is held in memory.
    pub upload_entries: u64,
    /// Bytes of one data message of an upload.
    pub upload_message: usize,
    /// Files of one upload that its answer has something to say about; further ones are counted.
    pub upload_notices: usize,
    /// How often an upload whose number was taken meanwhile tries the next.
    pub publish_tries: u32,
    /// Downloads at the same time.
    pub downloads: usize,
    /// Bytes of one data message of a download.
    pub download_message: usize,
    /// Bytes that are read and checked in one go.
    pub download_read: usize,
    /// Small files that are read in one go, as far as they fit into `download_read`.
    pub download_files: usize,
    /// Messages of a download, a query or a verification that wait for the client.
    pub stream_queue: usize,
    /// How long a client may not take anything from a stream.
    pub stream_idle: Duration,
    /// Verifications at the same time: each reads a disk as fast as it can.
    pub verifications: usize,
    /// Threads that read and hash chunks in one verification, besides the one that hashes files.
    pub verify_threads: usize,
    /// Queries at the same time.
    pub queries: usize,
    /// Streams of events at the same time: one for each browser.
    pub event_streams: usize,
    /// Events that are kept for a client that was away for a moment.
    pub event_ring: usize,
    /// How long one stream of events lasts; what ended a session is noticed after that.
    pub event_stream_age: Duration,
    /// How often transfers are looked at while somebody listens.
    pub transfer_tick: Duration,
    /// How long a page, statistics or a check may wait for a place among them: a browser asks for several at once.
    pub page_wait: Duration,
    /// Blocking reads at the same time.
    pub blocking_reads: usize,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            uploads: 8,
            upload_idle: Duration::from_secs(120),
            upload_queue: 8,
            upload_entries: 1_000_000,
            upload_message: 1 << 20,
            upload_notices: 100,
            publish_tries: 5,
            downloads: 32,
            download_message: 256 << 10,
            download_read: 1 << 20,
            download_files: 1024,
            stream_queue: 8,
            stream_idle: Duration::from_secs(120),
            verifications: 2,
            verify_threads: std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)),
            queries: 8,
            event_streams: 64,
            event_ring: 4096,
            event_stream_age: Duration::from_secs(600),
            transfer_tick: Duration::from_millis(500),
            page_wait: Duration::from_secs(20),
            blocking_reads: 16,
        }
    }
}

/// Bounds of calls to other actors.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// Entries of one page, whatever the client asks for. Below the guardian's largest page: one entry more is read, to
    /// know whether there is a next page.
    pub page_max: u32,
    /// Entries of one page when the client does not say.
    pub page_default: u32,
    /// Versions of one answer, and so many when the client does not say: one that knows of no pages takes them for all
    /// there are. As large as the guardian's largest page allows, of which one entry says whether more follow.
    pub versions_max: u32,
    /// Bytes of a version's entries in one answer, but for a single entry that is larger: further ones come with a further
    /// call. Below what a client takes in one message.
    pub entries_bytes: usize,
    /// Background tasks of the gateway: one for each stream, record and renewal.
    pub tasks: usize,
    /// How often the standard health service and the certificate are looked at.
    pub tick: Duration,
    /// How long a ticket is good when the client does not say.
    pub invite_ttl: Duration,
    /// How long a ticket may be good at most.
    pub invite_ttl_max: Duration,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            page_max: 500,
            page_default: 100,
            versions_max: 999,
            entries_bytes: 16 << 20,
            tasks: 2048,
            tick: Duration::from_millis(500),
            invite_ttl: Duration::from_secs(24 * 3600),
            invite_ttl_max: Duration::from_secs(30 * 24 * 3600),
        }
    }
}
