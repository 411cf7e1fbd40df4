//! Login with an SSH key: who gets in, who does not, and what is written down.

use crate::support::{Node, Person, ecdsa, ed25519, eventually, refusal, rsa, run, said, sign, weak_rsa};
use bib_domain::Role;
use bib_gateway::BootstrapKey;
use bib_kit::clock;
use bib_proto::client::Client;
use bib_proto::login_message;
use bib_proto::v1::{GetChallengeRequest, LoginRequest, LoginResponse, LogoutRequest, WhoAmIRequest};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::HashAlg;
use std::time::Duration;
use tonic::{Code, Status};

fn known(name: &str, key: &PrivateKey) -> BootstrapKey {
    BootstrapKey { name: name.to_owned(), role: Role::Researcher, key: key.public_key().to_openssh().unwrap() }
}

async fn nonce(client: &Client, key: &PrivateKey) -> (String, Vec<u8>) {
    let public_key = key.public_key().to_openssh().unwrap();
    let given = client.auth().get_challenge(GetChallengeRequest { public_key }).await.unwrap().into_inner();
    assert_eq!(given.nonce.len(), 32);
    (given.node_id, given.nonce)
}

async fn log_in(
    client: &Client,
    key: &PrivateKey,
    nonce: Vec<u8>,
    signed: (String, Vec<u8>),
) -> Result<LoginResponse, Status> {
    let public_key = key.public_key().to_openssh().unwrap();
    let request = LoginRequest { public_key, nonce, algorithm: signed.0, signature: signed.1 };
    client.auth().login(request).await.map(tonic::Response::into_inner)
}

#[test]
fn every_accepted_kind_of_key_gets_in() {
    run(async {
        let keys = [
            ("edda", ed25519(1), None),
            ("ecco", ecdsa(), None),
            ("rob", rsa(), Some(HashAlg::Sha256)),
            ("rob", rsa(), Some(HashAlg::Sha512)),
        ];
        let people = [known("edda", &ed25519(1)), known("ecco", &ecdsa()), known("rob", &rsa())];
        let node = Node::with(|options| options.bootstrap_keys.extend(people)).await;
        let client = node.anonymous().await;
        for (name, key, hash) in keys {
            let (id, nonce) = nonce(&client, &key).await;
            let signed = sign(&key, hash, &login_message(&id, &nonce));
            let opened = log_in(&client, &key, nonce, signed).await.unwrap();
            assert_eq!((opened.user.as_str(), opened.role.as_str()), (name, "researcher"));
            assert!(opened.token.len() > 40 && opened.token.starts_with("bibs_"));
        }
    });
}

#[test]
fn who_is_not_known_or_signs_wrongly_stays_out() {
    run(async {
        let node = Node::with(|options| {
            options.bootstrap_keys.push(known("rob", &rsa()));
            options.sessions.failures = 100;
        })
        .await;
        let mut client = node.anonymous().await;
        let stranger = node.log_in(&mut client, Person::Stranger).await.unwrap_err();
        assert_eq!(refusal(&stranger), (Code::Unauthenticated, "KEY_UNKNOWN".into()));

        let key = Person::Rita.key();
        let (id, first) = nonce(&client, &key).await;
        let wrong = sign(&ed25519(9), None, &login_message(&id, &first));
        let refused = log_in(&client, &key, first.clone(), wrong).await.unwrap_err();
        assert_eq!(said(&refused), (Code::Unauthenticated, "SIGNATURE_REFUSED".into()));

        // the nonce is used up by the failure, and by a success
        let right = sign(&key, None, &login_message(&id, &first));
        let replayed = log_in(&client, &key, first, right).await.unwrap_err();
        assert_eq!(said(&replayed), (Code::Unauthenticated, "CHALLENGE_REFUSED".into()));
        let (id, second) = nonce(&client, &key).await;
        let right = sign(&key, None, &login_message(&id, &second));
        log_in(&client, &key, second.clone(), right.clone()).await.unwrap();
        let replayed = log_in(&client, &key, second, right).await.unwrap_err();
        assert_eq!(said(&replayed).1, "CHALLENGE_REFUSED");

        // another node's signature is worth nothing here
        let (_, third) = nonce(&client, &key).await;
        let elsewhere = sign(&key, None, &login_message("12D3KooWsomebodyelse", &third));
        assert_eq!(said(&log_in(&client, &key, third, elsewhere).await.unwrap_err()).1, "SIGNATURE_REFUSED");

        // SHA-1 is refused, though the key is known and the signature right
        let (id, fourth) = nonce(&client, &rsa()).await;
        let sha1 = sign(&rsa(), None, &login_message(&id, &fourth));
        assert_eq!(sha1.0, "ssh-rsa");
        assert_eq!(said(&log_in(&client, &rsa(), fourth, sha1).await.unwrap_err()).1, "SIGNATURE_REFUSED");

        let weak = GetChallengeRequest { public_key: weak_rsa().to_owned() };
        let refused = client.auth().get_challenge(weak).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "KEY_NOT_ACCEPTED".into()));

        eventually("all six are recorded", || async { node.audited("auth.login", "refused").await.len() == 6 }).await;
        let refused = node.audited("auth.login", "refused").await;
        assert!(refused.iter().all(|record| record.actor == "anonymous" && record.role == "none"), "{refused:?}");
    });
}

#[test]
fn a_challenge_expires() {
    run(async {
        let node = Node::with(|options| options.sessions.challenge_ttl = Duration::from_millis(30)).await;
        let client = node.anonymous().await;
        let key = Person::Rita.key();
        let (id, nonce) = nonce(&client, &key).await;
        let given = clock::monotonic();
        eventually("its time is over", || async { clock::since(given) > Duration::from_millis(30) }).await;
        let signed = sign(&key, None, &login_message(&id, &nonce));
        assert_eq!(said(&log_in(&client, &key, nonce, signed).await.unwrap_err()).1, "CHALLENGE_REFUSED");
    });
}

#[test]
fn after_some_failures_an_address_has_to_wait() {
    run(async {
        let node = Node::with(|options| options.sessions.failures = 3).await;
        let mut client = node.anonymous().await;
        for _ in 0..3 {
            let refused = node.log_in(&mut client, Person::Stranger).await.unwrap_err();
            assert_eq!(refusal(&refused).0, Code::Unauthenticated);
        }
        // a right key does not help any more, until the time is over
        let refused = node.log_in(&mut client, Person::Ada).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::ResourceExhausted, "TOO_MANY_FAILED_LOGINS".into()));
        // the owner of the machine gets in
        node.local().await.auth().who_am_i(WhoAmIRequest {}).await.unwrap();
    });
}

#[test]
fn a_session_is_what_it_says_until_it_ends() {
    run(async {
        let node = Node::start().await;
        let client = node.client(Person::Rosa).await;
        let me = client.auth().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
        assert_eq!((me.user.as_str(), me.role.as_str(), me.method.as_str()), ("rosa", "researcher", "session"));
        assert!(me.key_fingerprint.starts_with("SHA256:") && me.expires_ms > 0);
        client.auth().logout(LogoutRequest {}).await.unwrap();
        let refused = client.auth().who_am_i(WhoAmIRequest {}).await.unwrap_err();
        assert_eq!(said(&refused), (Code::Unauthenticated, "SESSION_EXPIRED".into()));
        // a token that is over does not stand in the way of a new login
        let mut client = client;
        node.log_in(&mut client, Person::Rosa).await.unwrap();
        client.auth().who_am_i(WhoAmIRequest {}).await.unwrap();
    });
}

#[test]
fn a_session_ends_by_itself() {
    run(async {
        let node = Node::with(|options| {
            options.sessions.lifetime = Duration::from_millis(300);
            options.sessions.cache_ttl = Duration::from_secs(60);
        })
        .await;
        let client = node.client(Person::Rosa).await;
        let refused = async || client.auth().who_am_i(WhoAmIRequest {}).await.err();
        eventually("the session ends", || async { refused().await.is_some() }).await;
        let refused = refused().await.unwrap();
        assert_eq!(said(&refused).1, "SESSION_EXPIRED");
    });
}

#[test]
fn the_token_stands_in_no_file_of_the_node() {
    run(async {
        let node = Node::start().await;
        let client = node.anonymous().await;
        let key = Person::Ada.key();
        let (id, nonce) = nonce(&client, &key).await;
        let signed = sign(&key, None, &login_message(&id, &nonce));
        let token = log_in(&client, &key, nonce, signed).await.unwrap().token;
        let record = node.audited("auth.login", "ok").await.pop().unwrap();
        assert_eq!((record.actor.as_str(), record.role.as_str()), ("user:ada", "admin"));
        let mut folders = vec![node.dir()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    files += 1;
                    let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
                    assert!(!found, "{} holds the token", path.display());
                }
            }
        }
        assert!(files > 5);
    });
}
