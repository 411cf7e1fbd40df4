//! Handles, asks, events, supervision and health for the actors of a BIB node.
//!
//! The only crate that names actix's address and context. An actor of ours is a [`Child`]: it is made by a factory,
//! takes one struct per message through a bounded mailbox, and is reached through a [`Ref`] that finds the present
//! incarnation at each call. A panic in the factory, in `started`, in a handler, in a spawned future or in a background
//! task ends this incarnation only, and its text is reported. What this crate never does: decide about restarts (that is
//! `bib_domain::supervision`) or know any actor of the node by name.

pub mod blocking;
pub mod child;
pub mod clock;
pub mod cx;
mod deadline;
mod envelope;
pub mod error;
pub mod events;
pub mod exit;
pub mod faults;
pub mod health;
mod host;
mod incarnation;
pub mod life;
pub mod managed;
pub mod message;
pub mod options;
pub mod panics;
mod place;
pub mod probe;
pub mod promise;
mod pump;
pub mod refs;
pub mod slot;
pub mod spec;
pub mod system;
pub mod tasks;

pub use blocking::{BlockingError, BlockingPool};
pub use child::{Child, Handles};
pub use cx::Cx;
pub use error::{AskError, StartError};
pub use events::{Event, Router, Subscription, Topic};
pub use exit::{Exit, ExitReport};
pub use faults::{FaultError, Where};
pub use health::{ActorHealth, ActorState, HealthBoard, NodeHealth};
pub use life::{Doom, StartArgs};
pub use managed::{Control, ManagedChild, Running, StartEnv};
pub use message::{Message, Reply};
pub use promise::Promise;
pub use refs::Ref;
pub use slot::Slot;
pub use spec::{ChildSpec, Placement};
pub use tasks::{Tasks, TooManyTasks};

pub use bib_domain::supervision::RestartPolicy;
pub use tokio_util::sync::CancellationToken;
