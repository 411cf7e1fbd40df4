//! The pages over TLS, and what keeps them from being served in the open.

use crate::support::{Node, Raw, run, tls_config};
use bib_proto::v1::{CreateOneTimeTokenRequest, ListTopicsRequest};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

#[test]
fn over_tls_the_cookie_is_this_hosts_alone() {
    run(async {
        let node = Node::with_pages(|pages| pages.tls = true).await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(node.dir().join("tls/ca.pem")).unwrap()).unwrap();
        let ask = |request: String, config| async move {
            let mut raw = Raw::connect(node.web, config, "127.0.0.1").await?;
            let text = raw.exchange(request.as_bytes()).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
        };
        let config = tls_config(roots.clone(), &TLS13, b"http/1.1");
        let made = node.local().await.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap();
        let made = made.into_inner();
        assert_eq!(made.pages_url, format!("https://{}", node.web));
        let line = format!("GET /auth/ott?token={} HTTP/1.1", made.token);
        let request = format!("{line}\r\nhost: {}\r\nconnection: close\r\n\r\n", node.web);
        let answer = ask(request, config.clone()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let cookie = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).unwrap();
        assert!(
            cookie.contains("__Host-bib-") && cookie.contains("; Secure") && !cookie.contains("Domain"),
            "{cookie}"
        );

        // a form is ours when it comes from https, and from nowhere else
        let cookie = cookie.split_once(':').unwrap().1.split(';').next().unwrap().trim().to_owned();
        let head = format!("host: {}\r\nconnection: close\r\ncookie: {cookie}\r\n", node.web);
        let page = ask(format!("GET /topics HTTP/1.1\r\n{head}\r\n"), config.clone()).await.unwrap();
        let token = page.split("name=\"_csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let send = |name: &str, scheme: &str| {
            let body = format!("_csrf={token}&name={name}");
            let form = format!(
                "origin: {scheme}://{}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
                node.web,
                body.len()
            );
            ask(format!("POST /topics HTTP/1.1\r\n{head}{form}\r\n{body}"), config.clone())
        };
        let forged = send("forged", "http").await.unwrap();
        assert!(forged.starts_with("HTTP/1.1 403"), "{forged}");
        let made = send("made", "https").await.unwrap();
        assert!(made.starts_with("HTTP/1.1 303") && made.contains("location: /topics/made?done=created"), "{made}");
        let topics = node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap().into_inner();
        assert_eq!(topics.topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["made"]);

        let old = tls_config(roots, &TLS12, b"http/1.1");
        assert!(Raw::connect(node.web, old, "127.0.0.1").await.is_err(), "TLS 1.2 is spoken");
    });
}

#[test]
fn without_tls_they_stay_on_this_machine() {
    run(async {
        let refused = Node::pages_refused(|pages| pages.listen = "0.0.0.0:0".parse().unwrap()).await;
        assert!(refused.contains("web.tls = true") && refused.contains("SSH tunnel"), "{refused}");
    });
}
