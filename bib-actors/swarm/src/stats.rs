//! Counters of the swarm for health pages and metrics. Never reset within an incarnation.

/// What the present incarnation has done and holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SwarmStats {
    /// Open connections.
    pub connections: usize,
    /// Peers with at least one connection.
    pub peers: usize,
    /// Calls that wait for a connection to be made.
    pub waiting: usize,
    /// Connections made, in both directions.
    pub established: u64,
    /// Inbound connections that failed or were denied by a limit.
    pub inbound_failures: u64,
    /// Outbound connections that failed.
    pub dial_failures: u64,
    /// Inbound streams closed because too many waited for their consumer.
    pub overflowed_streams: u64,
    /// Unpaired connections dropped because they stayed too long.
    pub expired_strangers: u64,
}
