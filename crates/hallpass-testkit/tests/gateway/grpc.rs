//! gRPC through the gateway, between tonic's client and tonic's server.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use hallpass::listen::{HttpServer, RunningServer};
use tokio::net::TcpListener;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::estate::{Estate, token};

const ROUTE: &str = "      - { name: health, path: /grpc.health.v1.Health/*, to: 'lb://orders', identity: relay, rule: authenticated }";
const HTTP2: &str = "    services: { orders: { http2: always } }";
/// How many messages a stream has, before it ends with an error.
const MESSAGES: usize = 3;

/// Serves who is alice by the headers of the gateway.
#[derive(Clone, Debug)]
struct SeesAlice;

fn response(metadata: &MetadataMap) -> HealthCheckResponse {
    let is_alice = metadata.get("x-user-id").is_some_and(|it| it == "alice");
    let status = match is_alice {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for SeesAlice {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if request.get_ref().service == "unknown" {
            return Err(Status::not_found("no such service"));
        }
        Ok(Response::new(response(request.metadata())))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let message = response(request.metadata());
        let messages = stream::iter(0..MESSAGES).then(move |_| async move {
            tokio::task::yield_now().await;
            Ok(message)
        });
        let end = stream::iter([Err(Status::data_loss("the end"))]);
        Ok(Response::new(messages.chain(end).boxed()))
    }
}

async fn served() -> (RunningServer, Estate, HealthClient<Channel>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = HealthServer::new(SeesAlice);
    let running = HttpServer::new(listener)
        .serve(move |_peer| service.clone())
        .unwrap();
    let estate = Estate::start_with(&[running.local_addr()], ROUTE, HTTP2).await;
    let url = format!("http://{}", estate.address());
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    (running, estate, HealthClient::new(channel))
}

fn request(user: Option<&str>, service: &str) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    let metadata = request.metadata_mut();
    metadata.insert("x-user-id", "alice".parse().unwrap());
    if let Some(user) = user {
        let token = token(user, std::time::Duration::from_secs(600));
        metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

#[tokio::test]
async fn grpc_unary_and_streams_pass_with_trailers() {
    let (_running, estate, mut client) = served().await;
    for (user, status) in [
        ("alice", ServingStatus::Serving),
        ("bob", ServingStatus::NotServing),
    ] {
        let alone = client.check(request(Some(user), "")).await.unwrap();
        assert_eq!(alone.into_inner().status(), status, "{user}");
    }
    let stream = client.watch(request(Some("alice"), "")).await.unwrap();
    let mut stream = stream.into_inner();
    for _ in 0..MESSAGES {
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.status(), ServingStatus::Serving);
    }
    // The status of a stream stands in its trailers, behind the messages.
    let end = stream.message().await.unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::DataLoss, "the end"));
    let unknown = client.check(request(Some("alice"), "unknown")).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        estate.sample("hallpass_gateway_headers_stripped_total{header=\"x-user-id\"}"),
        4.0
    );
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_grpc() {
    let (mut running, estate, mut client) = served().await;
    let refused = client.check(request(None, "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    running.abort();
    // Only then is its listener closed.
    running.ended().await;
    let away = client.check(request(Some("alice"), "")).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable, "{away:?}");
    drop(estate);
}
