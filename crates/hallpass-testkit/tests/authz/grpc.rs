//! What Envoy asks by gRPC, byte for byte, and what it is told.

mod half;
mod wire;

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use self::wire::{Answer, field};
use crate::estate::{Estate, load, token_of};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// What Envoy says about a request: `CheckRequest.attributes.request.http`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    /// `attributes.source.certificate`.
    pub(crate) certificate: String,
}

impl Question {
    pub(crate) fn new(method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            host: "shop.example".to_owned(),
            headers: headers.collect(),
            certificate: String::new(),
        }
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        let mut http = [
            field(1, "7"),
            field(2, &self.method),
            field(4, &self.path),
            field(5, &self.host),
            field(6, "https"),
            field(10, "HTTP/2"),
        ]
        .concat();
        let pseudo = [
            (":method", &self.method),
            (":path", &self.path),
            (":authority", &self.host),
        ];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.clone()));
        for (name, value) in pseudo.iter().chain(&self.headers) {
            http.extend(field(3, [field(1, name), field(2, value)].concat()));
        }
        let source = [field(4, "spiffe://x/y"), field(5, &self.certificate)].concat();
        let attributes = [
            field(1, source),
            field(4, field(2, http)),
            field(10, [field(1, "a"), field(2, "b")].concat()),
        ];
        field(1, attributes.concat())
    }
}

impl Estate {
    pub(crate) async fn check(&self, question: &Question) -> Answer {
        let (status, message) = self.call(CHECK, &framed(&question.message())).await;
        assert_eq!(status, "0", "a decision is always a message");
        Answer::of(&message)
    }

    /// One call on a connection of its own: `grpc-status` and the message.
    async fn call(&self, path: &str, body: &[u8]) -> (String, Vec<u8>) {
        let body = Full::new(Bytes::copy_from_slice(body));
        let response = self.post(path, "application/grpc", body).await;
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = parts
            .headers
            .get("grpc-status")
            .or_else(|| trailers.get("grpc-status"));
        let status = status.map_or_else(String::new, |it| it.to_str().unwrap().to_owned());
        let message = collected.to_bytes();
        (status, message.get(5..).unwrap_or_default().to_vec())
    }

    async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    ) -> Response<hyper::body::Incoming> {
        let mut client = self.connect().await;
        let request = self.request(path, content_type, body);
        client.send_request(request).await.unwrap()
    }

    async fn connect<B>(&self) -> SendRequest<B>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let address = self.authz.grpc_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        client
    }

    fn request<B>(&self, path: &str, content_type: &str, body: B) -> Request<B> {
        let address = self.authz.grpc_addr().unwrap();
        Request::post(format!("http://{address}{path}"))
            .header("content-type", content_type)
            .header("te", "trailers")
            .body(body)
            .unwrap()
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::from(&[0][..]);
    bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.to_vec()
}

async fn start() -> Estate {
    Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await
}

#[tokio::test]
async fn envoy_is_told_what_to_set_and_what_to_remove() {
    let estate = start().await;
    let authorization = format!("Bearer {}", token_of("alice"));
    let question = Question::new(
        "GET",
        "/orders/7?a=b",
        &[("authorization", &authorization), ("x-user-id", "root")],
    );
    let answer = estate.check(&question).await;
    assert_eq!((answer.code, answer.status), (0, None), "{answer:?}");
    let set: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value, append)| (name.as_str(), value.as_str(), *append))
        .collect();
    assert_eq!(
        set,
        [
            ("x-user-id", "alice", false),
            ("x-username", "Al%C3%A9", false),
            ("x-authorities", "SCOPE_orders.read", false),
            ("x-client-id", "app", false),
        ]
    );
    assert!(
        answer.removed.contains(&"x_user_id".to_owned()),
        "{answer:?}"
    );
    assert!(
        !answer.removed.contains(&"x-user-id".to_owned()),
        "what is set is not removed"
    );
    assert!(answer.for_caller.is_empty());
}

#[tokio::test]
async fn what_nobody_bears_is_removed_and_a_token_for_the_upstream_takes_its_place() {
    let estate = start().await;
    let nobody = estate
        .check(&Question::new("GET", "/public/a", &[("x-user-id", "root")]))
        .await;
    assert_eq!(nobody.code, 0);
    assert_eq!(nobody.headers, []);
    for name in ["x-user-id", "x-username", "x-authorities", "x-client-id"] {
        assert!(nobody.removed.contains(&name.to_owned()), "{nobody:?}");
    }
    let authorization = format!("Bearer {}", token_of("alice"));
    let ask = async |path: &str| {
        estate
            .check(&Question::new(
                "GET",
                path,
                &[("authorization", &authorization), ("dpop", "x")],
            ))
            .await
    };
    for path in ["/logistics/1", "/stock/1"] {
        let answer = ask(path).await;
        let token = answer.header("authorization").unwrap();
        assert!(
            token.starts_with("Bearer ") && token != authorization,
            "{path}"
        );
        assert!(answer.removed.contains(&"dpop".to_owned()), "{path}");
        assert!(
            !answer.removed.contains(&"authorization".to_owned()),
            "{path}"
        );
    }
    let alone = ask("/alone/1").await;
    assert!(
        alone.removed.contains(&"authorization".to_owned()),
        "{alone:?}"
    );
    assert_eq!(alone.header("authorization"), None);
}

#[tokio::test]
async fn who_may_not_gets_the_services_own_response_through_envoy() {
    let estate = start().await;
    let authorization = format!("Bearer {}", token_of("alice"));
    for (method, path, headers, status, code) in [
        ("GET", "/orders/7", &[][..], 401, 16),
        (
            "DELETE",
            "/orders/7",
            &[("authorization", authorization.as_str())],
            403,
            7,
        ),
        ("GET", "/public/%2e%2e/orders/7", &[], 400, 3),
        // Envoy joins what comes twice.
        (
            "GET",
            "/orders/7",
            &[("authorization", "Bearer a, Bearer b")],
            400,
            3,
        ),
    ] {
        let answer = estate.check(&Question::new(method, path, headers)).await;
        assert_eq!(
            (answer.status, answer.code),
            (Some(status), code),
            "{method} {path}: {answer:?}"
        );
        assert!(answer.body.contains("\"code\""), "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let challenges = answer
            .headers
            .iter()
            .filter(|(name, ..)| name == "www-authenticate");
        let appended: Vec<_> = challenges.map(|(.., append)| *append).collect();
        match status {
            401 => assert_eq!(appended, [false, true], "both schemes are offered"),
            403 => assert_eq!(appended, [false]),
            _ => assert!(appended.iter().all(|append| !append), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn whatever_envoy_sends_the_answer_is_a_refusal_and_never_a_failed_call() {
    let estate = start().await;
    let good = Question::new("GET", "/public/a", &[]);
    assert_eq!(estate.check(&good).await.code, 0);
    let change = |change: fn(&mut Question)| {
        let mut question = good.clone();
        change(&mut question);
        question.message()
    };
    let cases = [
        Vec::new(),
        field(1, ""),
        b"\xff\xff\xff\xff".to_vec(),
        field(1, field(4, field(2, field(4, [0xff, 0xfe])))),
        change(|it| it.method.clear()),
        change(|it| it.path.clear()),
        change(|it| it.host.clear()),
        change(|it| it.path = "*".to_owned()),
        change(|it| it.path = "/public/a#b".to_owned()),
        change(|it| {
            it.headers
                .push((":path".to_owned(), "/orders/7".to_owned()))
        }),
        change(|it| {
            it.headers
                .push(("host".to_owned(), "evil.example".to_owned()))
        }),
        change(|it| it.headers.push(("a b".to_owned(), "c".to_owned()))),
        change(|it| it.headers.push(("x".to_owned(), "a".repeat(300_000)))),
        change(|it| {
            it.headers
                .extend((0..40_000).map(|at| (format!("{at:x}"), String::new())))
        }),
    ];
    for (at, message) in cases.iter().enumerate() {
        let (status, message) = estate.call(CHECK, &framed(message)).await;
        assert_eq!(status, "0", "case {at}");
        let answer = Answer::of(&message);
        assert_eq!(
            (answer.code, answer.status),
            (3, Some(400)),
            "case {at}: {answer:?}"
        );
    }
    // Broken frames are refused too; what no Envoy sends ends the call.
    let (status, message) = estate.call(CHECK, b"\0\0\0\0\x09abc").await;
    assert_eq!(
        (status.as_str(), Answer::of(&message).status),
        ("0", Some(400))
    );
    assert_eq!(estate.call(CHECK, b"\x01\0\0\0\x01a").await.0, "12");
    assert_eq!(
        estate
            .call("/envoy.service.auth.v2.Authorization/Check", &framed(b""))
            .await
            .0,
        "12"
    );
    let other = estate
        .post(
            CHECK,
            "application/json",
            Full::new(Bytes::from_static(b"{}")),
        )
        .await;
    assert_eq!(other.status(), 415);
}

#[tokio::test]
async fn health_by_grpc_says_serving_when_the_keys_are_there() {
    let estate = start().await;
    loop {
        let (status, message) = estate.call(HEALTH, &framed(b"")).await;
        assert_eq!(status, "0");
        match message.as_slice() {
            [8, 1] => break,
            [8, 2] => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    let named = field(1, "envoy.service.auth.v3.Authorization");
    assert_eq!(estate.call(HEALTH, &framed(&named)).await.1, [8, 1]);
    assert_eq!(
        estate.call(HEALTH, &framed(&field(1, "other"))).await.0,
        "5"
    );
    estate.authz.begin_stopping();
    assert_eq!(estate.call(HEALTH, &framed(b"")).await.1, [8, 2]);
}

#[tokio::test]
async fn who_is_trusted_no_more_gets_no_further_decision_over_an_open_connection() {
    let mut estate = start().await;
    let mut client = estate.connect().await;
    let message = framed(&Question::new("GET", "/public/a", &[]).message());
    for trusted in [true, false] {
        let body = Full::new(Bytes::copy_from_slice(&message));
        let request = estate.request(CHECK, "application/grpc", body);
        let response = client.send_request(request).await.unwrap();
        let status = response.headers().get("grpc-status").cloned();
        let denied = status.is_some_and(|it| it == "7");
        assert_eq!(denied, !trusted);
        let yaml = format!("{}    trusted-proxies: 203.0.113.7\n", estate.yaml);
        let (settings, encoded) = (load(&yaml), Default::default());
        estate.authz.apply(&settings, encoded).await.unwrap();
    }
}
