//! Many calls at once, standard services, and the web listener.

use crate::support::{Node, Person, eventually, run, said};
use bib_kit::ActorState;
use bib_proto::v1::ListTopicsRequest;
use futures::future::join_all;
use hyper_util::rt::TokioIo;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

#[test]
fn sixty_four_calls_at_once_are_all_answered() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let client = node.client(Person::Rita).await;
        let lookups =
            || async { node.records().await.into_iter().filter(|record| record.action.contains("session")).count() };
        let before = lookups().await;
        let calls = (0..64).map(|_| {
            let client = client.clone();
            async move {
                client
                    .topics()
                    .list_topics(ListTopicsRequest::default())
                    .await
                    .map(|page| page.into_inner().topics.len())
            }
        });
        let answers: Result<Vec<usize>, _> = join_all(calls).await.into_iter().collect();
        assert_eq!(answers.unwrap(), vec![1; 64]);
        for _ in 0..20 {
            client.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        }
        let more = lookups().await - before;
        assert!(more <= 64, "{more} look-ups for 84 calls: the cache does not work");
    });
}

async fn channel(node: &Node) -> Channel {
    let socket = node.listening.socket.clone();
    let connect = tower::service_fn(move |_: http::Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://node.invalid").connect_with_connector(connect).await.unwrap()
}

#[test]
fn the_standard_health_service_follows_readiness() {
    run(async {
        let node = Node::start().await;
        let channel = channel(&node).await;
        let status = |service: &'static str| {
            let mut client = HealthClient::new(channel.clone());
            async move {
                client
                    .check(HealthCheckRequest { service: service.into() })
                    .await
                    .map(|answer| answer.into_inner().status)
            }
        };
        for service in ["", "bib.v1.DatasetService"] {
            eventually("serving", || async { status(service).await.is_ok_and(|found| found == 1) }).await;
        }
        node.board.update("gateway", |actor| actor.state = ActorState::Backoff);
        eventually("not serving", || async { status("bib.v1.DatasetService").await.is_ok_and(|found| found == 2) })
            .await;
        assert!(status("bib.v1.NoSuchService").await.is_err());
    });
}

#[test]
fn reflection_lists_the_services() {
    run(async {
        let node = Node::start().await;
        let mut client = ServerReflectionClient::new(channel(&node).await);
        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut answers = client.server_reflection_info(futures::stream::iter([ask])).await.unwrap().into_inner();
        let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        else {
            panic!("not a list");
        };
        let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
        assert!(names.contains(&"bib.v1.QueryService".to_owned()), "{names:?}");
    });
}

#[test]
fn a_method_that_is_not_there_is_refused_as_such() {
    run(async {
        let node = Node::start().await;
        let mut grpc = tonic::client::Grpc::new(channel(&node).await);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<ListTopicsRequest, ListTopicsRequest>::default();
        let path = http::uri::PathAndQuery::from_static("/bib.v1.TopicService/DropEverything");
        let refused = grpc.unary(tonic::Request::new(ListTopicsRequest::default()), path, codec).await.unwrap_err();
        assert_eq!(said(&refused), (tonic::Code::Unimplemented, "NO_SUCH_METHOD".into()));
    });
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_web_listener_says_whether_the_node_is_ready() {
    run(async {
        let node = Node::start().await;
        let web = node.web;
        assert!(get(web, "/livez").starts_with("HTTP/1.1 200"));
        assert!(get(web, "/readyz").starts_with("HTTP/1.1 200"));
        node.board.update("gateway", |actor| actor.state = ActorState::Starting);
        let answer = get(web, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"starting\""), "{answer}");
        assert!(get(web, "/livez").starts_with("HTTP/1.1 200"));
    });
}
