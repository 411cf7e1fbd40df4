//! What proves a version: what it is called by, who signed it, and which nodes are known to have it. Pure.

use crate::format::short;
use bib_proto::v1::{GetDatasetResponse, Node, Version};

/// A node that has the version, as far as this one knows.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) what: &'static str,
}

/// Who signed the version, with a link where that node has a page here.
pub(super) fn publisher(version: &Version, own: &Node, nodes: &[Node]) -> (String, String) {
    let id = &version.publisher;
    if *id == own.id {
        return (own.name.clone(), "/".to_owned());
    }
    let known = nodes.iter().any(|node| node.id == *id);
    (name_of(id, nodes), if known { format!("/nodes/{id}") } else { String::new() })
}

fn name_of(id: &str, nodes: &[Node]) -> String {
    let known = nodes.iter().find(|node| node.id == id && !node.name.is_empty());
    known.map_or_else(|| short(id), |node| node.name.clone())
}

/// What anybody can check: the id follows from the manifest, and the signature from the manifest and the publisher's key.
pub(super) fn proof(found: &GetDatasetResponse, version: &Version) -> Vec<(&'static str, String)> {
    let mut proof = vec![
        ("Version id (SHA-256 of the manifest)", version.id.clone()),
        ("Signed by", version.publisher.clone()),
        ("Signature of the manifest", found.signature.clone()),
    ];
    proof.extend(version.parents.iter().map(|parent| ("Made from", parent.clone())));
    proof
}

/// What this node knows: itself, and the one that signed the version.
pub(super) fn replicas(version: &Version, own: &Node, nodes: &[Node]) -> Vec<Replica> {
    let here = match (version.complete, version.remote) {
        (true, _) => "whole, every chunk is here",
        (false, true) => "nothing: a proxy reads it from others",
        (false, false) => "in part",
    };
    let mut replicas = vec![Replica { name: own.name.clone(), link: "/".to_owned(), what: here }];
    if let Some(node) = nodes.iter().find(|node| node.id == version.publisher) {
        let what = if node.connected { "its publisher, connected now" } else { "its publisher, away" };
        replicas.push(Replica { name: name_of(&node.id, nodes), link: format!("/nodes/{}", node.id), what });
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_publisher_is_a_replica_where_it_is_known() {
        let node = |id: &str, name: &str| Node { id: id.to_owned(), name: name.to_owned(), ..Node::default() };
        let own = node("12D3KooWself", "here");
        let nodes = [node("12D3KooWother", "lab-b"), node("12D3KooWnameless", "")];
        let told = |by: &str| {
            let version = Version { publisher: by.to_owned(), complete: true, ..Version::default() };
            let names: Vec<String> = replicas(&version, &own, &nodes).into_iter().map(|one| one.name).collect();
            (publisher(&version, &own, &nodes), names)
        };
        let texts = |name: &str, link: &str| (name.to_owned(), link.to_owned());
        assert_eq!(told("12D3KooWself"), (texts("here", "/"), vec!["here".to_owned()]));
        let known = (texts("lab-b", "/nodes/12D3KooWother"), vec!["here".to_owned(), "lab-b".to_owned()]);
        assert_eq!(told("12D3KooWother"), known);
        assert_eq!(told("12D3KooWnameless").0, texts("…nameless", "/nodes/12D3KooWnameless"));
        assert_eq!(told("12D3KooWstranger"), (texts("…stranger", ""), vec!["here".to_owned()]));
    }
}
