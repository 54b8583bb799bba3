//! A token that is bound to the certificate of its service is given to nobody who sends over connections of his own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport, TransportError};
use hallpass_gateway::{Authz, AuthzServer, AuthzSettings};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::mutual_tls::{Estate, NAMED, WANT};

/// A proxy would send it on with each request, over connections of its own.
#[tokio::test]
async fn a_token_that_is_bound_to_our_certificate_is_handed_to_no_upstream() {
    let estate = Estate::start(NAMED, WANT).await;
    estate.certificate("caller", "order.example");
    let settings = estate.settings("tls_client_auth", "caller");
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let audience = "service-system".parse().unwrap();
    let tokens = hallpass.tokens();
    let token = tokens
        .handle(&audience, &hallpass::token::Scope::empty())
        .token()
        .await;
    let token = token.unwrap();
    assert_eq!((token.token_type(), token.is_bound()), ("Bearer", true));
    let resource = hallpass.resource_server();
    let resource = resource.route_any("/stock", Rule::Anonymous).build();
    let authz = Authz {
        resource: resource.unwrap(),
        tokens: tokens.clone(),
        encoded: settings.security.paths.allow_encoded,
        clock: Arc::clone(hallpass.clock()),
    };
    let yaml = "hallpass: { authz: { listen: '127.0.0.1:0', management: { listen: '127.0.0.1:0' }, \
        upstreams: [ { identity: service, audience: service-system } ] } }";
    let loader = Loader::new("hallpass").text("authz", yaml);
    let settings: AuthzSettings = loader.load_part().unwrap().into_settings();
    let running = AuthzServer::start(authz, &settings).await.unwrap();
    let url = format!("http://{}/authz/envoy/stock", running.local_addr());
    let request = Request::get(url).body(Body::empty()).unwrap();
    let transport = HttpTransport::builder().build().unwrap();
    let response = transport.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.headers().contains_key(AUTHORIZATION));
    let counted = "hallpass_authz_upstream_tokens_total{identity=\"service\",result=\"bound\"} 1";
    assert!(running.metrics().contains(counted), "{}", running.metrics());
}

/// What such a transport shows is not known: the call would be refused, after others have seen the token.
#[tokio::test]
async fn a_token_that_is_bound_to_our_certificate_leaves_by_no_transport_of_the_program() {
    let estate = Estate::start(NAMED, WANT).await;
    estate.certificate("caller", "order.example");
    let (hallpass, _system) = estate.caller("tls_client_auth", "caller");
    let url = format!("https://{}", estate.callee.address);
    let caller = hallpass.feign().caller("service-system");
    let caller = caller.url(url.parse().unwrap()).build().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let transport = tower::service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, TransportError>(http::Response::new(Body::empty())) }
    });
    for _ in 0..2 {
        let request = Request::get(format!("{url}/internal/report"));
        let request = request.body(Body::empty()).unwrap();
        let error = caller.send_through(transport.clone(), request).await;
        let error = error.unwrap_err();
        assert_eq!(error.code(), "host_refused");
        assert!(error.to_string().contains("dpop"), "{error}");
    }
    assert_eq!(sent.load(Ordering::SeqCst), 0);
    // By our own transport it does.
    let request = Request::get("/internal/report").body(Body::empty());
    let response = caller.send(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(estate.issuer.tokens_issued(), 1, "none is renewed in vain");
}
