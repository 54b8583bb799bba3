//! tonic's client over our stack: the same identities, instances and breakers as every other call.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{Stream, StreamExt as _, stream};
use hallpass::config::Loader;
use hallpass::feign::{Identity, ServiceCaller};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::TestAuthority;
use hallpass::upstream::BreakerSettings;
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{FaultProxy, TestIssuer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer as _;

use crate::alice::{USERS_KEY, alice, load};
use crate::grpc_upload::{Beside, Texts, UPLOAD};

const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        grant-types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']
        scopes: [greet]
        audiences: [greeter]
        exchange:
          - { subject-kinds: user, targets: greeter, scopes: greet }
";
const MESSAGES: usize = 3;

/// Says whom it sees, and fails where it is asked to.
#[derive(Clone, Debug, Default)]
struct Greeter {
    calls: Arc<AtomicUsize>,
}

/// The subject, and who acts for it.
fn seen() -> String {
    let Some(caller) = hallpass::current() else {
        return "nobody".to_owned();
    };
    let actor = caller.claims().actor.as_ref();
    let actor = actor.map_or(String::new(), |actor| format!(" by {}", actor.subject));
    format!("{}{actor}", caller.subject())
}

fn as_status(name: &str) -> Status {
    Status::internal(name)
}

#[tonic::async_trait]
impl Health for Greeter {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if request.get_ref().service == "away" {
            return Err(Status::unavailable("away"));
        }
        let mut response = Response::new(HealthCheckResponse::default());
        let seen = seen().parse().map_err(|_| as_status("seen"))?;
        response.metadata_mut().insert("seen", seen);
        Ok(response)
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        // Whom each message sees stands in the error that ends the stream, since messages have no room for it.
        let messages = stream::iter(0..=MESSAGES).then(|number| async move {
            tokio::task::yield_now().await;
            match number {
                MESSAGES => Err(Status::aborted(seen())),
                _ => Ok(HealthCheckResponse::default()),
            }
        });
        Ok(Response::new(messages.boxed()))
    }
}

struct Estate {
    folder: TempDir,
    issuer: TestIssuer,
    greeter: Greeter,
    running: RunningServer,
    is_tls: bool,
}

impl Estate {
    async fn start(is_tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        let certificate = authority.certificate(&["127.0.0.1"]);
        let _settings = certificate.write(folder.path(), "greeter");
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let tls = match is_tls {
            true => ", tls: { certificate-file: greeter.crt, private-key-file: greeter.key }",
            false => "",
        };
        let yaml = format!(
            "
hallpass:
  service: {{ name: greeter{tls} }}
  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
",
            issuer.jwks_url()
        );
        let hallpass = load(folder.path(), &yaml);
        let guard = hallpass.resource_server();
        let guard = guard.route_any("/**", Rule::Anonymous).build().unwrap();
        let greeter = Greeter::default();
        let service = Beside(HealthServer::new(greeter.clone()));
        let stack = guard.layer().layer(service);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = hallpass
            .http_server(listener)
            .serve(move |_peer| stack.clone())
            .unwrap();
        Self {
            folder,
            issuer,
            greeter,
            running,
            is_tls,
        }
    }

    /// The order service, which calls the greeter at `address`.
    fn order_service(&self, address: &str, clients: &str) -> Hallpass {
        let scheme = if self.is_tls { "https" } else { "http" };
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service }}
  tls: {{ ca-file: ca.crt }}
  discovery: {{ static: {{ greeter: ['{scheme}://{address}'] }} }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, scope: greet, token-url: '{}' }}
  feign: {{ clients: {{ greeter: {{ {clients} }} }} }}
",
            self.issuer.token_url(),
        );
        load(self.folder.path(), &yaml)
    }

    fn client(&self, identity: Identity) -> HealthClient<ServiceCaller> {
        health(self.caller(identity))
    }

    fn caller(&self, identity: Identity) -> ServiceCaller {
        let http2 = if self.is_tls { "auto" } else { "always" };
        let address = self.running.local_addr().to_string();
        let hallpass = self.order_service(&address, &format!("http2: {http2}"));
        caller(&hallpass, identity)
    }
}

fn client(hallpass: &Hallpass, identity: Identity) -> HealthClient<ServiceCaller> {
    health(caller(hallpass, identity))
}

fn health(caller: ServiceCaller) -> HealthClient<ServiceCaller> {
    HealthClient::with_origin(caller, "http://greeter".parse().unwrap())
}

fn caller(hallpass: &Hallpass, identity: Identity) -> ServiceCaller {
    let caller = hallpass.feign().caller("greeter").identity(identity);
    caller.build().unwrap()
}

#[tokio::test]
async fn tonic_carries_each_identity_in_single_responses_and_in_streams_over_plain_http_and_over_tls()
 {
    for is_tls in [false, true] {
        let estate = Estate::start(is_tls).await;
        for (identity, audience, expected) in [
            (Identity::Service, "order-service", "order-service"),
            (Identity::Relay, "greeter", "alice"),
            (
                Identity::Exchange,
                "order-service",
                "alice by order-service",
            ),
            (Identity::None, "order-service", "nobody"),
        ] {
            let mut client = estate.client(identity);
            let calls = async {
                let alone = client.check(HealthCheckRequest::default()).await.unwrap();
                let stream = client.watch(HealthCheckRequest::default()).await.unwrap();
                (alone, stream)
            };
            let (alone, stream) = hallpass::scope(alice(audience, "greet"), calls).await;
            let seen = alone.metadata().get("seen").unwrap();
            assert_eq!(seen, expected, "{identity:?} over TLS: {is_tls}");
            let messages: Vec<_> = stream.into_inner().collect().await;
            assert_eq!(messages.len(), MESSAGES + 1);
            let last = messages.into_iter().next_back().unwrap().unwrap_err();
            assert_eq!((last.code(), last.message()), (Code::Aborted, expected));
        }
    }
}

/// Messages of a stream, each made when the one before has gone, with the name of whoever is current where it is made.
fn messages(texts: &'static [&'static str]) -> impl Stream<Item = String> + Send + 'static {
    stream::iter(texts).then(|text| async move {
        tokio::task::yield_now().await;
        match *text {
            "stop" => "stop".to_owned(),
            text => format!("{text} of {}", seen()),
        }
    })
}

#[tokio::test]
async fn tonic_streams_messages_up_with_the_identity_of_whoever_called_over_plain_http_and_over_tls()
 {
    for is_tls in [false, true] {
        let estate = Estate::start(is_tls).await;
        for (identity, audience, expected) in [
            (Identity::Service, "order-service", "order-service"),
            (Identity::Relay, "greeter", "alice"),
            (Identity::Exchange, "order-service", "alice"),
        ] {
            let caller = estate.caller(identity);
            let origin = "http://greeter".parse().unwrap();
            let mut client = tonic::client::Grpc::with_origin(caller, origin);
            client.ready().await.unwrap();
            let path = || http::uri::PathAndQuery::from_static(UPLOAD);
            let sending =
                client.client_streaming(Request::new(messages(&["a", "b", "c"])), path(), Texts);
            let answer = hallpass::scope(alice(audience, "greet"), sending)
                .await
                .unwrap();
            // The stream is polled by the task of its connection, and still for alice, who called.
            let all = ["a", "b", "c"].map(|text| format!("{text} of alice for {expected}"));
            assert_eq!(
                answer.into_inner(),
                all.join(", "),
                "{identity:?} over TLS: {is_tls}"
            );
            let sending =
                client.client_streaming(Request::new(messages(&["a", "stop", "c"])), path(), Texts);
            let stopped = hallpass::scope(alice(audience, "greet"), sending)
                .await
                .unwrap_err();
            assert_eq!(
                (stopped.code(), stopped.message()),
                (Code::FailedPrecondition, "stopped")
            );
        }
    }
}

#[tokio::test]
async fn what_this_side_refuses_is_a_status_of_grpc_and_nothing_is_sent() {
    let estate = Estate::start(false).await;
    let mut relayed = estate.client(Identity::Relay);
    let refused = relayed
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("no caller"), "{refused}");
    assert_eq!(estate.greeter.calls.load(Ordering::SeqCst), 0);
    // Port 1 of loopback refuses.
    let nowhere = estate.order_service("127.0.0.1:1", "http2: always");
    let away = client(&nowhere, Identity::None)
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_instance_that_says_it_is_unavailable_opens_its_breaker() {
    let estate = Estate::start(false).await;
    let mut client = estate.client(Identity::None);
    let away = HealthCheckRequest {
        service: "away".to_owned(),
    };
    let minimum = BreakerSettings::default().minimum_calls;
    let mut messages = Vec::new();
    for _ in 0..=minimum {
        let status = client.check(away.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        messages.push(status.message().to_owned());
    }
    assert_eq!(messages.first().unwrap(), "away");
    assert!(
        messages.last().unwrap().contains("suspended"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn many_calls_share_one_connection_and_the_deadline_holds() {
    let estate = Estate::start(false).await;
    let mut proxy = FaultProxy::start(estate.running.local_addr())
        .await
        .unwrap();
    let address = proxy.address().to_string();
    let hallpass = estate.order_service(&address, "http2: always, deadline-ms: 300");
    let greeter = client(&hallpass, Identity::None);
    greeter
        .clone()
        .check(HealthCheckRequest::default())
        .await
        .unwrap();
    let calls = (0..50).map(|_| {
        let mut greeter = greeter.clone();
        async move { greeter.check(HealthCheckRequest::default()).await }
    });
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(proxy.connections(), 1);
    proxy.set(hallpass_testkit::Fault::BlackHole).await;
    let late = greeter
        .clone()
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
}
