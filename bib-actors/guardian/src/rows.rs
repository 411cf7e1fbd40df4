//! The types that the guardian's verbs take and give. They are plain values: no SQL, no wire format.

mod dataset;
mod page;
mod peer;
mod person;
mod status;
mod topic;
mod version;

pub use dataset::DatasetRow;
pub use page::CatalogPage;
pub use peer::PeerRow;
pub use person::{SessionRow, UserRow};
pub use status::{AuditIndexStatus, Counts, StorageInfo};
pub use topic::{NewTopic, Topic};
pub use version::{Published, VersionRow, VersionState};
