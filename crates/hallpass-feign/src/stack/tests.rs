use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use hallpass_client::context::{current, scope};
use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};
use hallpass_upstream::{Body, BoxError, Network, StaticDiscovery};
use http::Request;
use http_body::Frame;

use crate::response::Whole;
use crate::{Feign, FeignError, feign_client};

#[feign_client(name = "archive", identity = "relay")]
trait Archive {
    #[post("/files")]
    async fn store(&self) -> Result<String, FeignError>;
}

type NoFallback = std::future::Ready<Result<Bytes, FeignError>>;

/// A body that says in each frame whom it is polled for.
struct Telling(usize);

impl http_body::Body for Telling {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        let name = current().map_or("nobody".to_owned(), |it| it.subject().to_string());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(name + " ")))))
    }
}

fn user(name: &str) -> SecurityContext {
    let claims = TokenClaims::new(
        "https://users.example".parse().unwrap(),
        name.parse().unwrap(),
        "order-service".parse().unwrap(),
        UnixTime::from_secs(4_000_000_000),
    );
    let token = AccessToken::new(format!("token-of-{name}"));
    SecurityContext::new(VerifiedClaims::dangerous_unverified(claims), token)
}

#[tokio::test]
async fn an_upload_that_streams_finds_the_caller_and_the_next_one_on_the_connection_his_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let echo = Router::new().route("/files", post(async |body: String| body));
    tokio::spawn(async move { axum::serve(listener, echo).await.unwrap() });
    let discovery = StaticDiscovery::new().with("archive", [address.parse().unwrap()]);
    let feign = Feign::builder(&Network::system(Arc::new(discovery)).unwrap()).build();
    let archive = FeignArchive::new(&feign).unwrap();

    for name in ["anna", "bob"] {
        let state = archive.client.state();
        let mut request = Request::post("/files")
            .body(Body::wrap(Telling(3)))
            .unwrap();
        let fallback: Option<fn(&FeignError) -> NoFallback> = None;
        let method = state.methods.first().unwrap();
        let call = super::call::<Whole, _, _>(
            &archive.client,
            method,
            (Ok(&mut request), false),
            fallback,
        );
        let stored = scope(user(name), call).await.unwrap();
        assert_eq!(stored, format!("{name} {name} {name} "));
    }
}
