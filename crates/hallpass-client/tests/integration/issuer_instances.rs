//! Several instances of an issuer behind a service name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_client::TokenError;
use hallpass_upstream::{Body, StaticDiscovery};
use http::Response;
use tokio::net::TcpListener;

use crate::loopback::{TokenServer, client, serve};
use crate::scripted_issuer::handle;

#[tokio::test]
async fn a_token_comes_from_an_instance_behind_a_service_name() {
    let server = TokenServer::start().await;
    let dead = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let instances = [dead, server.address].map(|address| address.try_into().unwrap());
    let known = StaticDiscovery::new().with("service-auth", instances);
    let service = client("lb://service-auth/oauth2/token")
        .discovery(Arc::new(known))
        .build();
    for audience in ["a", "b", "c", "d"] {
        let (audience, scope) = (audience.parse().unwrap(), "s".parse().unwrap());
        service
            .service_token(&audience, &scope)
            .await
            .expect("the second attempt goes to the living instance");
    }
    assert_eq!(server.requests(), 4);
}

/// Takes connections and never answers.
async fn serve_silence() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn an_issuer_instance_that_never_answers_keeps_no_token_away() {
    let server = TokenServer::start().await;
    for _ in 0..6 {
        let both = [serve_silence().await, server.address];
        let instances = both.map(|address| address.try_into().unwrap());
        let known = StaticDiscovery::new().with("service-auth", instances);
        let service = client("lb://SERVICE-AUTH/oauth2/token")
            .discovery(Arc::new(known))
            .fetch_timeout(Duration::from_secs(1))
            .build();
        assert!(handle(&service).token().await.is_ok());
    }
}

/// Answers everything alike.
async fn serve_one_answer(
    status: u16,
    media_type: &'static str,
    text: &'static str,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let requests = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&requests);
    let address = serve(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let answer = Response::builder().status(status);
            let answer = answer.header("content-type", media_type);
            answer.body(Body::from(text.as_bytes().to_vec())).unwrap()
        }
    });
    (address.await, requests)
}

#[tokio::test]
async fn an_issuer_instance_that_is_out_of_order_keeps_no_token_away() {
    let server = TokenServer::start().await;
    for (status, media_type, text) in [
        (
            503,
            "application/json",
            r#"{"error":"temporarily_unavailable"}"#,
        ),
        (500, "text/html", "<h1>Internal Server Error</h1>"),
        (200, "text/html", "<h1>Maintenance</h1>"),
    ] {
        // Which one is asked first is chance.
        for _ in 0..6 {
            let (ill, _) = serve_one_answer(status, media_type, text).await;
            let instances = [ill, server.address].map(|address| address.try_into().unwrap());
            let known = StaticDiscovery::new().with("service-auth", instances);
            let service = client("lb://service-auth/oauth2/token");
            let service = service.discovery(Arc::new(known)).build();
            let token = handle(&service).token().await;
            assert!(token.is_ok(), "{status} {media_type}: {token:?}");
        }
    }
}

#[tokio::test]
async fn what_one_issuer_instance_refuses_is_asked_of_no_other() {
    let refusal = r#"{"error":"invalid_scope"}"#;
    let (one, asked) = serve_one_answer(400, "application/json", refusal).await;
    let (other, asked_too) = serve_one_answer(400, "application/json", refusal).await;
    let instances = [one, other].map(|address| address.try_into().unwrap());
    let known = StaticDiscovery::new().with("service-auth", instances);
    let service = client("lb://service-auth/oauth2/token");
    let service = service.discovery(Arc::new(known)).build();
    let error = handle(&service).token().await.unwrap_err();
    assert!(matches!(error, TokenError::Denied { .. }), "{error:?}");
    let requests = [asked, asked_too].map(|it| it.load(Ordering::Relaxed));
    assert_eq!(requests.iter().sum::<usize>(), 1);
}

#[tokio::test]
async fn a_service_name_that_nobody_knows_is_a_clear_error() {
    let service = client("lb://service-auth/oauth2/token")
        .discovery(Arc::new(StaticDiscovery::new()))
        .build();
    let error = handle(&service).token().await.unwrap_err();
    assert!(matches!(error, TokenError::NoInstance(_)), "{error:?}");
}
