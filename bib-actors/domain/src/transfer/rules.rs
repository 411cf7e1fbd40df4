//! The bounds of a transfer.

/// How much is asked ahead, and when a peer is left. [`Rules::default`] suits a LAN and a wide-area link alike,
/// since the window follows the measured throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Bytes asked of all peers and not yet checked. They may all stand in memory at once.
    pub in_flight_bytes: u64,
    /// Chunks asked ahead of one peer: enough to keep all its streams busy.
    pub window_chunks: usize,
    /// Bytes asked ahead of a peer whose throughput is not known yet.
    pub first_window_bytes: u64,
    /// The least that is asked ahead of a peer, however slow it is.
    pub min_window_bytes: u64,
    /// The most that is asked ahead of one peer.
    pub max_window_bytes: u64,
    /// How long a peer's queue of asked chunks should last. Longer hides more latency; shorter leaves less with a
    /// peer that turns slow.
    pub queue_ms: u64,
    /// A peer that owes chunks and sends nothing for this long is left.
    pub stall_ms: u64,
    /// A peer that lacks more chunks than this is not a holder of the version.
    pub absent_limit: usize,
    /// Broken streams in a row after which a peer is left.
    pub failure_limit: u32,
    /// Of how many peers one chunk may be asked at the same time in the end game.
    pub copies: u8,
    /// A transfer that brings fewer bytes a second than this gives its place to another version that waits for one.
    /// With 0 none does.
    pub least_rate: u64,
    /// Over how long that is averaged.
    pub least_rate_over_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            in_flight_bytes: 96 * MIB,
            window_chunks: 32,
            first_window_bytes: 16 * MIB,
            min_window_bytes: 2 * MIB,
            max_window_bytes: 48 * MIB,
            queue_ms: 1000,
            stall_ms: 20_000,
            absent_limit: 16,
            failure_limit: 8,
            copies: 2,
            least_rate: 64 * 1024,
            least_rate_over_ms: 120_000,
        }
    }
}
