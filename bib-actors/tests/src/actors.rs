//! The actors of a node, as everybody expects them who makes one fail. What is here is compared with what a node says.

/// All but the root, as health lists them: by their ranks.
pub const ACTORS: [&str; 6] = ["audit", "guardian", "swarm", "replicator", "gateway", "pages"];

/// The root. Health does not list it: when it fails, the process ends.
pub const ROOT: &str = "root";

/// Those that build on an actor, and so start again with it.
#[must_use]
pub fn dependents(actor: &str) -> &'static [&'static str] {
    match actor {
        "audit" => &["guardian", "replicator", "gateway"],
        "guardian" => &["replicator", "gateway"],
        _ => &[],
    }
}
