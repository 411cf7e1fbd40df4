//! Who can talk to the port: TLS 1.3 with the node's own authority, and nothing else.

use crate::support::{Node, Raw, run, tls_config};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use x509_parser::extensions::GeneralName;

fn authority(node: &Node) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(node.dir().join("tls/ca.pem")).unwrap()
}

fn roots(node: &Node) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority(node)).unwrap();
    roots
}

#[test]
fn the_pinned_authority_is_enough_by_name_and_by_address() {
    run(async {
        let node = Node::start().await;
        for name in ["localhost", "127.0.0.1"] {
            let raw = Raw::connect(node.tcp(), tls_config(roots(&node), &TLS13, b"h2"), name).await.unwrap();
            let (_, session) = raw.0.get_ref();
            assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
            let chain = session.peer_certificates().unwrap();
            assert_eq!(chain.len(), 2, "the authority is sent too");
            assert_eq!(chain[1], authority(&node));
            let (_, leaf) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
            let names = leaf.subject_alternative_name().unwrap().unwrap();
            let id = format!("bib://{}", node.identity.node_id());
            assert!(names.value.general_names.iter().any(|name| matches!(name, GeneralName::URI(uri) if *uri == id)));
        }
    });
}

#[test]
fn others_are_not_talked_to() {
    run(async {
        let node = Node::start().await;
        let connect = |config, name| Raw::connect(node.tcp(), config, name);
        assert!(connect(tls_config(RootCertStore::empty(), &TLS13, b"h2"), "localhost").await.is_err());
        assert!(connect(tls_config(roots(&node), &TLS13, b"h2"), "example.org").await.is_err());
        assert!(connect(tls_config(roots(&node), &TLS12, b"h2"), "localhost").await.is_err());
        assert!(connect(tls_config(roots(&node), &TLS13, b"http/1.1"), "localhost").await.is_err());
    });
}

#[test]
fn plain_text_is_refused() {
    run(async {
        let node = Node::start().await;
        for bytes in
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"]
        {
            let answer = Raw(TcpStream::connect(node.tcp()).await.unwrap()).exchange(bytes).await.unwrap();
            // at most a TLS alert, which is seven bytes
            assert!(answer.len() <= 7 && (answer.is_empty() || answer[0] == 21), "{answer:?}");
        }
        node.client(crate::support::Person::Rita).await;
    });
}
