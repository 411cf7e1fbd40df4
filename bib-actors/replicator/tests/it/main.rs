//! The replicator over real swarms, real guardians and real chunk stores, on loopback.

mod chain;
mod following;
mod hostile;
mod liars;
mod pairing;
mod resume;
mod several;
mod support;
mod throughput;
