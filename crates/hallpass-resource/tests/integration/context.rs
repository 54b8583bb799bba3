//! The identity context around handler and response body.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{any, get as on_get};
use bytes::Bytes;
use hallpass_client::context;
use hallpass_resource::{Mode, Rule};
use http_body::Frame;
use std::convert::Infallible;
use tower::{Layer, ServiceExt};

use crate::support::{App, AppBuilder, Forge, get, test_clock};

fn current() -> String {
    context::current().map_or_else(|| "nobody".to_owned(), |it| it.subject().to_string())
}

/// A body whose frames are made while the server sends them, long after the handler is done.
struct Streaming(usize);

impl http_body::Body for Streaming {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(None);
        }
        self.0 -= 1;
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!(
            "[{}]",
            current()
        ))))))
    }
}

fn routes() -> Router {
    Router::new()
        .route("/now", any(|| async { current() }))
        .route(
            "/later",
            any(|| async {
                tokio::task::yield_now().await;
                tokio::join!(async { current() }, async { current() }).0
            }),
        )
        .route(
            "/spawned",
            any(|| async { context::spawn(async { current() }).await.unwrap() }),
        )
        .route(
            "/detached",
            any(|| async { context::detach(async { current() }).await.unwrap() }),
        )
        .route(
            "/raw",
            any(|| async { tokio::spawn(async { current() }).await.unwrap() }),
        )
        .route(
            "/stream/{n}",
            on_get(|Path(n): Path<usize>| async move { Body::new(Streaming(n)) }),
        )
}

async fn start(mode: Mode) -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.mode(mode).route_any("/**", Rule::Anonymous))
        .start_with(routes())
        .await;
    (app, forge)
}

#[tokio::test]
async fn the_handler_runs_in_the_callers_context() {
    let (app, forge) = start(Mode::Enforce).await;
    let token = forge.user("");
    for (path, seen) in [
        ("/now", "alice"),
        ("/later", "alice"),
        ("/spawned", "alice"),
        ("/detached", "nobody"),
        ("/raw", "nobody"),
    ] {
        assert_eq!(
            get(app.address, path, Some(&token)).await.body,
            seen,
            "{path}"
        );
        // The next request on the same worker has its own identity, or none.
        assert_eq!(get(app.address, path, None).await.body, "nobody", "{path}");
    }
}

#[tokio::test]
async fn the_body_streams_in_the_callers_context() {
    let (app, forge) = start(Mode::Enforce).await;
    let response = get(app.address, "/stream/3", Some(&forge.user(""))).await;
    assert_eq!(response.body.matches("[alice]").count(), 3, "{response:?}");
    let response = get(app.address, "/stream/3", None).await;
    assert_eq!(response.body.matches("[nobody]").count(), 3, "{response:?}");
}

#[tokio::test]
async fn an_unverified_token_gives_no_context_in_any_mode() {
    let clock = test_clock();
    let stranger = Forge::new("internal", &clock);
    for mode in [Mode::Off, Mode::Report] {
        let (app, _) = start(mode).await;
        let token = stranger.user("");
        assert_eq!(get(app.address, "/now", Some(&token)).await.body, "nobody");
        let response = get(app.address, "/stream/2", Some(&token)).await;
        assert_eq!(response.body.matches("[nobody]").count(), 2, "{response:?}");
    }
}

/// A layer's service that looks at the identity as soon as it is asked and as soon as it is called.
#[derive(Clone)]
struct Eager {
    when_polled: String,
}

impl tower::Service<http::Request<Body>> for Eager {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        self.when_polled = current();
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let seen = format!("polled: {}, called: {}", self.when_polled, current());
        std::future::ready(Ok(http::Response::new(Body::from(seen))))
    }
}

#[tokio::test]
async fn a_layer_below_sees_the_new_identity_or_none_before_its_future_runs() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let server = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .server
        .build()
        .unwrap();
    let token = forge.changed(|_, claims| claims["sub"] = serde_json::json!("mallory"));
    let outer = server.verify(&token).await.unwrap().context().clone();
    for (token, seen) in [(None, "nobody"), (Some(forge.user("")), "alice")] {
        let mut request = http::Request::get("/maybe");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let eager = Eager {
            when_polled: String::new(),
        };
        let call = server
            .layer()
            .layer(eager)
            .oneshot(request.body(Body::empty()).unwrap());
        let response = context::scope(outer.clone(), call).await.unwrap();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(body, format!("polled: nobody, called: {seen}"));
    }
}

#[tokio::test]
async fn an_identity_that_an_outer_layer_left_behind_does_not_pass_for_a_verified_one() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let planted = {
        let server = AppBuilder::new(&clock)
            .trusting_fixed(&forge)
            .server
            .build()
            .unwrap();
        server
            .verify(&forge.user(""))
            .await
            .unwrap()
            .context()
            .clone()
    };
    let server = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .server
        .build()
        .unwrap();
    let inner = tower::service_fn(async |request: http::Request<Body>| {
        let in_extensions = request
            .extensions()
            .get::<hallpass_token::SecurityContext>()
            .is_some();
        let captured = context::CallContext::of(request.extensions());
        let captured = captured.identity().is_some();
        Ok::<_, Infallible>(http::Response::new(Body::from(format!(
            "{in_extensions} {captured} {}",
            current()
        ))))
    });
    let mut request = http::Request::get("/maybe").body(Body::empty()).unwrap();
    context::sync_scope(planted.clone(), || context::capture(&mut request));
    let call = server.layer().layer(inner).oneshot(request);
    let response = context::scope(planted, call).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(body, "false false nobody");
}
