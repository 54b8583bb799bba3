//! tonic's server behind the layer, called by tonic's client, over our listener.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use hallpass::config::Loader;
use hallpass::listen::{HttpServer, RunningServer};
use hallpass::resource::{ResourceServer, ResourceServerBuilder, Rule, SecuritySettings};
use hallpass::token::SecurityContext;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer as _;

use crate::rig::Rig;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
/// Longer than the end of a stream takes.
const LIMIT: Duration = Duration::from_secs(20);
/// A stream of this name has one message, and no end.
const ENDLESS: &str = "endless";
/// How many messages a stream has.
const MESSAGES: usize = 3;

/// Says "serving" where it sees alice by both ways in which a handler may ask, and counts who comes.
#[derive(Clone, Debug, Default)]
struct SeesAlice {
    calls: Arc<AtomicUsize>,
}

fn is_alice(context: Option<&SecurityContext>) -> bool {
    context.is_some_and(|context| context.subject().as_str() == "alice")
}

fn response(sees_alice: bool) -> HealthCheckResponse {
    let status = if sees_alice {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
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
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let sees = is_alice(request.extensions().get::<SecurityContext>())
            && is_alice(hallpass::current().as_ref());
        Ok(Response::new(response(sees)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if request.get_ref().service == ENDLESS {
            let first = stream::iter([Ok(response(true))]);
            return Ok(Response::new(first.chain(stream::pending()).boxed()));
        }
        // Each message is made while the stream is polled, long after this function has returned.
        let messages = stream::iter(0..MESSAGES).then(|_| async {
            tokio::task::yield_now().await;
            Ok(response(is_alice(hallpass::current().as_ref())))
        });
        Ok(Response::new(messages.boxed()))
    }
}

struct Served {
    server: ResourceServer,
    running: RunningServer,
    service: SeesAlice,
    client: HealthClient<Channel>,
}

async fn serve(server: ResourceServerBuilder) -> Served {
    let server = server
        .route_any(CHECK, Rule::Authenticated)
        .route_any(WATCH, Rule::all_scopes("watch".parse().unwrap()))
        .build()
        .unwrap();
    let service = SeesAlice::default();
    let stack = server.layer().layer(HealthServer::new(service.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = HttpServer::new(listener)
        .serve(move |_peer| stack.clone())
        .unwrap();
    let url = format!("http://{}", running.local_addr());
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    Served {
        server,
        running,
        service,
        client: HealthClient::new(channel),
    }
}

fn request(token: Option<&str>) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn challenge(metadata: &MetadataMap) -> &str {
    metadata.get("www-authenticate").unwrap().to_str().unwrap()
}

#[tokio::test]
async fn a_handler_sees_the_caller_in_a_single_response_and_in_each_message_of_a_stream() {
    let rig = Rig::new();
    let mut served = serve(rig.server()).await;
    let token = rig.token("alice", "watch");
    let alone = served.client.check(request(Some(&token))).await.unwrap();
    assert_eq!(alone.into_inner(), response(true));
    let stream = served.client.watch(request(Some(&token))).await.unwrap();
    let messages: Vec<_> = stream.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(messages, vec![response(true); MESSAGES]);
    let other = rig.token("bob", "");
    let alone = served.client.check(request(Some(&other))).await.unwrap();
    assert_eq!(alone.into_inner(), response(false));
}

#[tokio::test]
async fn a_refusal_is_a_status_of_grpc_and_the_challenge_is_metadata() {
    let rig = Rig::new();
    let mut served = serve(rig.server()).await;
    let good = rig.token("alice", "");
    let stranger = Rig::new().token("alice", "watch");

    let missing = served.client.check(request(None)).await.unwrap_err();
    assert_eq!(missing.code(), Code::Unauthenticated);
    assert_eq!(
        missing.message(),
        "missing_token: A bearer token is needed."
    );
    assert!(challenge(missing.metadata()).starts_with("Bearer realm=\"shop\""));

    let forged = served
        .client
        .check(request(Some(&stranger)))
        .await
        .unwrap_err();
    assert_eq!(forged.code(), Code::Unauthenticated);
    assert_eq!(
        forged.message(),
        "invalid_token: The token is not valid here."
    );
    assert!(challenge(forged.metadata()).contains("error=\"invalid_token\""));
    assert!(!format!("{forged:?}").contains(&stranger));

    let broken = served.client.check(request(Some("a b"))).await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);

    let narrow = served.client.watch(request(Some(&good))).await.unwrap_err();
    assert_eq!(narrow.code(), Code::PermissionDenied);
    assert!(challenge(narrow.metadata()).contains("scope=\"watch\""));
    assert_eq!(served.service.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_is_a_matter_of_time() {
    let rig = Rig::new();
    let mut served = serve(rig.server_without_keys()).await;
    let token = rig.token("alice", "");
    let late = served
        .client
        .check(request(Some(&token)))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::Unavailable);
    let wait = late.metadata().get("grpc-retry-pushback-ms").unwrap();
    assert!(wait.to_str().unwrap().parse::<u64>().unwrap() >= 1_000);
    assert!(late.metadata().get("www-authenticate").is_none());
    assert_eq!(served.service.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stream_of_somebody_who_is_denied_ends_and_the_others_of_its_connection_go_on() {
    let rig = Rig::new();
    let mut served = serve(rig.server()).await;
    let mut begun = Vec::new();
    for user in ["alice", "bob"] {
        let mut asked = request(Some(&rig.token(user, "watch")));
        ENDLESS.clone_into(&mut asked.get_mut().service);
        let stream = served.client.watch(asked).await.unwrap();
        let mut stream = stream.into_inner();
        assert_eq!(stream.next().await.unwrap().unwrap(), response(true));
        begun.push(stream);
    }
    let yaml = "hallpass: { security: { internal-jwt: { denied: { subjects: [alice] } } } }";
    let settings = Loader::new("hallpass").text("denied", yaml);
    let settings = settings.load::<SecuritySettings>().unwrap();
    served.server.apply(settings.settings()).unwrap();
    // Its reader can tell it from one that is whole.
    let ended = timeout(LIMIT, begun[0].next()).await.unwrap();
    assert!(ended.is_some_and(|it| it.is_err()));
    let bobs = timeout(Duration::from_secs(2), begun[1].next()).await;
    assert!(bobs.is_err(), "it goes on: {bobs:?}");
    let bob = rig.token("bob", "");
    served.client.check(request(Some(&bob))).await.unwrap();
}

/// CVE-2026-33186: a path without its slash fell past rules that were written with one.
#[tokio::test]
async fn a_method_is_matched_exactly_and_never_without_its_slash() {
    let rig = Rig::new();
    let served = serve(rig.server()).await;
    let token = rig.token("alice", "watch");
    for path in [
        "/grpc.health.v1.health/Check",
        "/grpc.health.v1.Health/check",
        "/grpc.health.v1.Health/Check/",
        "//grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/%43heck",
        "/grpc.health.v1.Health/Check;a=b",
        "/grpc.health.v1.Health/Checks",
        "*",
    ] {
        let status = raw_call(&served, path, &token).await;
        assert!(
            matches!(status.as_deref(), None | Some("3" | "7" | "400")),
            "{path}: {status:?}"
        );
    }
    // hyper's client refuses to send one without its slash.
    by_hand(&served, "grpc.health.v1.Health/Check", &token).await;
    assert_eq!(served.service.calls.load(Ordering::SeqCst), 0);
    by_hand(&served, CHECK, &token).await;
    assert_eq!(raw_call(&served, CHECK, &token).await.as_deref(), Some("0"));
    assert_eq!(served.service.calls.load(Ordering::SeqCst), 2);
}

/// The `grpc-status` of the response to a call of this path, or else its HTTP status; `None` where the stream was reset.
/// By hyper's client, which sends whatever it is given as a path.
async fn raw_call(served: &Served, path: &str, token: &str) -> Option<String> {
    let stream = TcpStream::connect(served.running.local_addr())
        .await
        .unwrap();
    let (executor, stream) = (TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = http2::handshake(executor, stream).await.unwrap();
    tokio::spawn(connection);
    let mut target = http::uri::Parts::default();
    target.scheme = Some("http".parse().unwrap());
    target.authority = Some("shop".parse().unwrap());
    target.path_and_query = Some(path.parse().unwrap());
    let request = http::Request::post(http::Uri::from_parts(target).unwrap())
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        // One message, not compressed, of no bytes.
        .body(Full::new(Bytes::from_static(&[0; 5])));
    let response = sender.send_request(request.unwrap()).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().and_then(|it| it.get("grpc-status"));
    let status = parts.headers.get("grpc-status").or(trailers);
    let http = parts.status.as_str();
    Some(status.map_or(http, |it| it.to_str().unwrap()).to_owned())
}

/// A call frame by frame, until the server has said what it has to say to it.
async fn by_hand(served: &Served, path: &str, token: &str) {
    let mut block = vec![0x83, 0x86];
    let authorization = format!("Bearer {token}");
    for (name, value) in [
        (":path", path),
        (":authority", "shop"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", &authorization),
    ] {
        block.push(0);
        block.push(u8::try_from(name.len()).unwrap());
        block.extend(name.as_bytes());
        // A number with a prefix of seven bits (RFC 7541 section 5.1); two more bytes are enough here.
        match value.len().checked_sub(127) {
            None => block.push(u8::try_from(value.len()).unwrap()),
            Some(rest) => {
                let low = u8::try_from(rest % 128).unwrap() | 128;
                block.extend([127, low, u8::try_from(rest / 128).unwrap()]);
            }
        }
        block.extend(value.as_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    for (kind, flags, stream, payload) in
        [(4, 0, 0, &[][..]), (1, 4, 1, &block), (0, 1, 1, &[0; 5])]
    {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        bytes.extend(&length[1..]);
        bytes.extend([kind, flags, 0, 0, 0, stream]);
        bytes.extend(payload);
    }
    let mut stream = TcpStream::connect(served.running.local_addr())
        .await
        .unwrap();
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        // HEADERS, RST_STREAM, GOAWAY.
        if matches!(head[3], 1 | 3 | 7) {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
    }
}
