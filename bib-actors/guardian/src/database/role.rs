//! The database roles of the node, and what each is for.

/// A database role. Each has its own pool, its own login and no more rights than its work needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DbRole {
    /// Topics, peers, people, sessions and invitations.
    Node,
    /// Reads the catalogue.
    Query,
    /// Publishes versions.
    Transform,
    /// Adds data, for jobs.
    Scrape,
    /// Maintenance.
    AdminJobs,
    /// The audit table.
    Audit,
}

impl DbRole {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Node, Self::Query, Self::Transform, Self::Scrape, Self::AdminJobs, Self::Audit];

    /// The group role that holds the rights.
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Node => "bibd_node",
            Self::Query => "bibd_query",
            Self::Transform => "bibd_transform",
            Self::Scrape => "bibd_scrape",
            Self::AdminJobs => "bibd_admin_jobs",
            Self::Audit => "bibd_audit",
        }
    }

    /// The login of the present generation.
    pub(crate) const fn login(self) -> &'static str {
        match self {
            Self::Node => "bibd_node_a",
            Self::Query => "bibd_query_a",
            Self::Transform => "bibd_transform_a",
            Self::Scrape => "bibd_scrape_a",
            Self::AdminJobs => "bibd_admin_jobs_a",
            Self::Audit => "bibd_audit_a",
        }
    }
}
