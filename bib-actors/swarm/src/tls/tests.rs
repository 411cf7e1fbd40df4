//! Real handshakes over a pipe in memory: with ourselves, with libp2p's own upgrade, and with those who break its rules.

use super::*;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::tls;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Far more than a record, so that bytes gather and are split.
const LONG: usize = 1 << 20;
const BUFFER: usize = 8 << 10;

fn pipe() -> (Compat<tokio::io::DuplexStream>, Compat<tokio::io::DuplexStream>) {
    let (near, far) = tokio::io::duplex(3000);
    (near.compat(), far.compat())
}

fn ours() -> (Keypair, Tls) {
    let keypair = Keypair::generate_ed25519();
    let tls = Tls::new(&keypair, BUFFER).unwrap();
    (keypair, tls)
}

/// What one side sends is what the other reads, whole and in order, and so is the answer.
async fn talk<A, B>(near: &mut A, far: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let sent: Vec<u8> = (0..LONG).map(|at| (at % 251) as u8).collect();
    let says = async {
        // as a muxer does it: a small header, then a body
        for body in sent.chunks(16 << 10) {
            near.write_all(b"a short header").await.unwrap();
            near.write_all(body).await.unwrap();
        }
        near.flush().await.unwrap();
        let mut thanks = [0; 6];
        near.read_exact(&mut thanks).await.unwrap();
        assert_eq!(&thanks, b"thanks");
    };
    let hears = async {
        for expected in sent.chunks(16 << 10) {
            let mut header = [0; 14];
            far.read_exact(&mut header).await.unwrap();
            assert_eq!(&header, b"a short header");
            let mut body = vec![0; expected.len()];
            far.read_exact(&mut body).await.unwrap();
            assert!(body == expected, "other bytes");
        }
        far.write_all(b"thanks").await.unwrap();
        far.flush().await.unwrap();
    };
    futures::join!(says, hears);
}

#[tokio::test]
async fn both_ends_know_each_other_and_every_byte_arrives() {
    let (near, far) = pipe();
    let ((dialer, out), (listener, inbound)) = (ours(), ours());
    let (out, inbound) = futures::join!(out.upgrade_outbound(near, PROTOCOL), inbound.upgrade_inbound(far, PROTOCOL));
    let ((heard, mut near), (caller, mut far)) = (out.unwrap(), inbound.unwrap());
    assert_eq!((heard, caller), (listener.public().to_peer_id(), dialer.public().to_peer_id()));
    let state = near.get_ref().get_ref().1;
    assert_eq!(state.negotiated_cipher_suite(), Some(suites(has_aes())[0]));
    // what is recorded today must not be read with the computers of tomorrow
    let exchange = state.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(exchange, Some(rustls::NamedGroup::X25519MLKEM768));
    talk(&mut near, &mut far).await;
}

#[tokio::test]
async fn libp2ps_own_upgrade_is_understood_both_ways() {
    let (near, far) = pipe();
    let (dialer, out) = ours();
    let theirs = Keypair::generate_ed25519();
    let plain = tls::Config::new(&theirs).unwrap();
    let (near, far) =
        futures::join!(out.clone().upgrade_outbound(near, PROTOCOL), plain.clone().upgrade_inbound(far, PROTOCOL));
    let ((heard, mut near), (caller, mut far)) = (near.unwrap(), far.unwrap());
    assert_eq!((heard, caller), (theirs.public().to_peer_id(), dialer.public().to_peer_id()));
    talk(&mut near, &mut far).await;

    let (near, far) = pipe();
    let (near, far) = futures::join!(plain.upgrade_outbound(near, PROTOCOL), out.upgrade_inbound(far, PROTOCOL));
    let ((heard, mut near), (caller, mut far)) = (near.unwrap(), far.unwrap());
    assert_eq!((caller, heard), (theirs.public().to_peer_id(), dialer.public().to_peer_id()));
    talk(&mut near, &mut far).await;
}

#[test]
fn every_suite_is_offered_and_the_fast_one_first() {
    let name = |aes| suites(aes).iter().map(|suite| suite.suite()).collect::<Vec<_>>();
    let (with, without) = (name(true), name(false));
    assert_eq!(with[0], rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    assert_eq!(without[0], rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    assert!(with.len() == 3 && without.len() == 3 && without.iter().all(|suite| with.contains(suite)));
}

/// What a client may get wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// A certificate that says nothing of a libp2p key.
    Plain,
    /// The certificate of another, whose key it has not.
    Borrowed,
    /// None at all.
    Nothing,
}

/// A client that follows TLS but not libp2p.
fn client(wrong: Wrong) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(Arc::clone(&provider))));
    let plain = rcgen::generate_simple_self_signed(vec!["somebody".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(plain.signing_key.serialize_der()).unwrap();
    let mut config = match wrong {
        Wrong::Plain => builder.with_client_auth_cert(vec![plain.cert.der().clone()], key).unwrap(),
        Wrong::Borrowed => {
            let (certificate, _) = certificate::generate(&Keypair::generate_ed25519()).unwrap();
            let key = provider.key_provider.load_private_key(key).unwrap();
            builder.with_client_cert_resolver(Arc::new(Shown(Arc::new(CertifiedKey::new(vec![certificate], key)))))
        }
        Wrong::Nothing => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn who_proves_no_key_of_libp2p_is_refused() {
    for wrong in [Wrong::Plain, Wrong::Borrowed, Wrong::Nothing] {
        let (near, far) = pipe();
        let (_, inbound) = ours();
        let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let dials = async {
            let mut stream = TlsConnector::from(client(wrong)).connect(name, near).await?;
            // in TLS 1.3 a client learns with its first read that it was refused
            stream.read_exact(&mut [0]).await
        };
        let (dialed, accepted) = futures::join!(dials, inbound.upgrade_inbound(far, PROTOCOL));
        assert!(accepted.is_err(), "{wrong:?} was let in");
        assert!(dialed.is_err(), "{wrong:?} was not told");
    }
}

#[tokio::test]
async fn a_server_without_a_key_of_libp2p_is_refused() {
    let plain = rcgen::generate_simple_self_signed(vec!["somebody".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(plain.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![plain.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let (near, far) = pipe();
    let (_, out) = ours();
    let accepts = TlsAcceptor::from(Arc::new(config)).accept(far);
    let (dialed, _) = futures::join!(out.upgrade_outbound(near, PROTOCOL), accepts);
    assert!(matches!(dialed, Err(UpgradeError::Handshake(_))), "{:?}", dialed.err());
}
