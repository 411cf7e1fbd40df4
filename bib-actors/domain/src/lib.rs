//! Pure types and decisions of a BIB node.
//!
//! Nothing here names actix, tokio, libp2p, SQL or a clock: a decision is a function of
//! `(state, event, now)` and returns what is to be done. Actors feed events in and carry the commands out.

pub mod access;
pub mod agreement;
pub mod backlog;
pub mod backoff;
pub mod continuity;
pub mod crowd;
pub mod hash;
pub mod mode;
pub mod names;
pub mod offered;
pub mod op;
pub mod paths;
pub mod reading;
pub mod roster;
pub mod space;
pub mod supervision;
pub mod ticket;
pub mod transfer;
pub mod vigil;
pub mod want;

pub use access::Role;
pub use hash::{ChunkHash, ContentHash, HashParseError, VersionId};
pub use mode::{ModeRefusal, NodeMode, OriginRefusal, StorageKind};
pub use names::{DatasetName, DatasetRef, NameError, NodeId, TopicName};
pub use op::{OpContext, RequestId, Who};
pub use paths::{PathError, PathProblem, check_path, check_symlink};
pub use space::{Need, SpaceState};
