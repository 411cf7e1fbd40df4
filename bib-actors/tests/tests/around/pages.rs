//! The pages over TLS as a browser elsewhere meets them: the address that it is given, the certificate that it is shown.

use super::https::{get, open};
use bib_node_tests::{Lab, NodeSpec, until};
use std::time::Duration;

#[test]
fn the_pages_show_a_certificate_that_somebody_else_signed() {
    let lab = Lab::new().unwrap();
    // another node's authority is somebody else
    let mut signer = lab.node(NodeSpec::cache("signer")).unwrap();
    signer.start().unwrap();
    signer.stop().unwrap();
    let theirs = |name: &str| signer.data_dir().join("tls").join(name);
    let file = |name: &str| theirs(name).display().to_string();
    let mut spec = NodeSpec::cache("shown");
    spec.env.push(("BIBD_WEB_CERTIFICATE".to_owned(), file("server.pem")));
    spec.env.push(("BIBD_WEB_KEY".to_owned(), file("server.key.pem")));
    let mut node = lab.node(spec).unwrap();
    let path = node.config_dir().join("bibd.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let announced = format!("localhost:{}", node.web().port());
    std::fs::write(&path, config.replace("[web]\n", &format!("[web]\ntls = true\nannounce = \"{announced}\"\n")))
        .unwrap();
    node.launch().unwrap();
    let ready = || node.json(&["status"]).is_ok_and(|it| it["ready"] == true);
    until("the node is ready", Duration::from_secs(120), ready).unwrap();

    let link = node.bib(&["ui", "--print-url", "-q"]).unwrap().ok().unwrap().stdout.trim().to_owned();
    assert!(link.starts_with(&format!("https://{announced}/auth/ott?token=")), "{link}");
    let own = node.data_dir().join("tls/ca.pem");
    let refused = get(&link, &own, None).unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let page = open(&link, &theirs("ca.pem")).unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("Sign out"), "{page}");
    let found = node.json(&["doctor", "--only", "web"]).unwrap();
    assert_eq!(found[0]["state"], "ok", "{found}");
    node.stop().unwrap();
}
