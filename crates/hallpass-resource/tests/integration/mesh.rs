//! What the proxy of a mesh says of callers: believed of those that the settings name, and of nobody else.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::any;
use hallpass_listen::ConnectionPeer;
use hallpass_resource::{
    MeshHeader, MeshSettings, ResourceServer, RouteRule, Rule, SecuritySettings,
};
use hallpass_tls::{PeerCertificates, PeerIdentity, UnverifiedPeerCertificates};
use hallpass_token::{Confirmation, Thumbprint};
use http::{Request, StatusCode};
use rustls::pki_types::CertificateDer;
use tower::ServiceExt as _;

use crate::support::{App, AppBuilder, Forge, Log, test_clock};

pub(crate) const SIDECAR: &str = "127.0.0.6:41234";
pub(crate) const STRANGER: &str = "10.0.0.9:41234";
pub(crate) const ORDERS: &str = "spiffe://cluster.local/ns/shop/sa/order-service";
pub(crate) const ADMIN: &str = "spiffe://cluster.local/ns/shop/sa/admin";
pub(crate) const CERTIFICATE: &[u8] = b"the certificate of order-service";

pub(crate) fn xfcc(id: &str, certificate: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let hash: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("By=spiffe://cluster.local/ns/shop/sa/stock;Hash={hash};Subject=\"\";URI={id}")
}

pub(crate) struct Call<'c> {
    pub(crate) path: &'c str,
    pub(crate) token: Option<&'c str>,
    pub(crate) from: Option<&'c str>,
    pub(crate) xfcc: &'c [&'c str],
    pub(crate) shown: Option<&'c [u8]>,
}

pub(crate) const CALL: Call<'static> = Call {
    path: "/whoami",
    token: None,
    from: Some(SIDECAR),
    xfcc: &[],
    shown: None,
};

pub(crate) struct Estate {
    app: App,
    pub(crate) router: Router,
    pub(crate) users: Forge,
    pub(crate) services: Forge,
}

pub(crate) fn settings(change: impl FnOnce(&mut MeshSettings)) -> SecuritySettings {
    let mut mesh = MeshSettings {
        header: MeshHeader::XForwardedClientCert,
        peers: vec!["127.0.0.6".parse().unwrap()],
        trust_domains: vec!["cluster.local".to_owned()],
        callers: Vec::new(),
        must_match: false,
    };
    change(&mut mesh);
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.mesh = Some(mesh);
    settings
}

impl Estate {
    pub(crate) async fn start(settings: &SecuritySettings) -> Self {
        let clock = test_clock();
        let (services, users) = (Forge::new("internal", &clock), Forge::new("users", &clock));
        let users_issuer = crate::support::app::trusted(
            "users",
            hallpass_resource::KeySource::fixed(users.keys(), clock.clone()),
        );
        let only_orders = RouteRule::new("/orders-only".parse().unwrap(), Rule::Authenticated)
            .peers([ORDERS.parse().unwrap(), "orders.shop".parse().unwrap()]);
        let app = AppBuilder::new(&clock)
            .trusting_fixed(&services)
            .with(|it| it.issuer(users_issuer).rule(only_orders));
        let app = app.start().await;
        app.server.apply(settings).unwrap();
        let router = router(&app.server);
        Self {
            app,
            router,
            users,
            services,
        }
    }

    /// A token of `order-service`, bound to `certificate`.
    fn bound(&self, certificate: &[u8]) -> String {
        let mut claims = self.services.claims("order-service", "");
        claims.confirmation = Some(Confirmation {
            x5t_s256: Some(Thumbprint::of_certificate(certificate)),
            ..Confirmation::default()
        });
        self.services.sign(&claims)
    }

    /// The status, the reason in the audit event, and what the handler saw.
    pub(crate) async fn call(&self, call: &Call<'_>) -> (u16, String, String) {
        let log = Log::capture();
        let mut request = Request::get(call.path).header("host", "shop");
        if let Some(token) = call.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for value in call.xfcc {
            request = request.header("x-forwarded-client-cert", *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(from) = call.from {
            let from: SocketAddr = from.parse().unwrap();
            request.extensions_mut().insert(ConnectionPeer(from));
        }
        if let Some(shown) = call.shown {
            let chain = [CertificateDer::from(shown.to_vec())];
            let shown = PeerCertificates::new(Some(&chain)).unwrap();
            request.extensions_mut().insert(shown);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
        let event = log.audit(1).pop().unwrap();
        let reason = event["reason"].as_str().unwrap_or_default().to_owned();
        (status, reason, body)
    }

    pub(crate) async fn status(&self, call: &Call<'_>) -> u16 {
        self.call(call).await.0
    }
}

/// Says what of a mesh a handler gets.
fn router(server: &ResourceServer) -> Router {
    let seen = async |request: Request<Body>| {
        let identity = request.extensions().get::<PeerIdentity>();
        let id = identity.and_then(PeerIdentity::id).map(ToString::to_string);
        let mut headers: Vec<_> = request.headers().keys().map(|it| it.as_str()).collect();
        headers.retain(|it| it.contains("client"));
        format!("{} {}", id.unwrap_or_default(), headers.join(" "))
    };
    Router::new().fallback(any(seen)).layer(server.layer())
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_passes_with_the_one_that_a_believed_proxy_has_checked() {
    let estate = Estate::start(&settings(|_| ())).await;
    let token = estate.bound(CERTIFICATE);
    let own = xfcc(ORDERS, CERTIFICATE);
    let thief = xfcc(ADMIN, b"another");
    let forged_first = format!("{own},{thief}");
    let appended = format!("{thief},{own}");
    // Without a digest there is nothing to hold it against.
    let without = format!("URI={ORDERS}");
    for (xfcc, expected) in [
        (&[&*own][..], (200, "none")),
        (&[&thief], (401, "certificate_other")),
        (&[], (401, "certificate_missing")),
        (&[&forged_first], (401, "certificate_other")),
        (&[&appended], (200, "none")),
        (&[&without], (401, "certificate_missing")),
    ] {
        let call = Call {
            token: Some(&token),
            xfcc,
            ..CALL
        };
        let (status, reason, _) = estate.call(&call).await;
        assert_eq!((status, &*reason), expected, "{xfcc:?}");
    }
}

#[tokio::test]
async fn a_forged_mesh_identity_from_outside_never_counts() {
    let estate = Estate::start(&settings(|_| ())).await;
    let token = estate.bound(CERTIFICATE);
    let own = xfcc(ORDERS, CERTIFICATE);
    for from in [Some(STRANGER), None, Some("127.0.0.1:1"), Some("[::1]:1")] {
        let call = Call {
            token: Some(&token),
            from,
            xfcc: &[&own],
            ..CALL
        };
        let (status, reason, _) = estate.call(&call).await;
        assert_eq!((status, &*reason), (401, "certificate_missing"), "{from:?}");
        // Nor does the handler get it, where no token is asked for.
        let call = Call {
            path: "/maybe",
            token: None,
            ..call
        };
        assert_eq!(estate.call(&call).await.2.trim(), "", "{from:?}");
    }
    let mapped = Call {
        token: Some(&token),
        from: Some("[::ffff:127.0.0.6]:1"),
        xfcc: &[&own],
        ..CALL
    };
    assert_eq!(estate.status(&mapped).await, 200);
    let counted = |result: &str| {
        let line = format!("hallpass_mesh_identities_total{{result=\"{result}\"}}");
        estate.app.metric(&line)
    };
    assert_eq!((counted("ignored"), counted("believed")), (8.0, 1.0));
    let stripped = "hallpass_header_stripped_total{header=\"x-forwarded-client-cert\"}";
    assert_eq!(estate.app.metric(stripped), 4.0);
}

#[tokio::test]
async fn a_certificate_of_the_connection_itself_goes_before_what_anybody_says() {
    let estate = Estate::start(&settings(|_| ())).await;
    let token = estate.bound(CERTIFICATE);
    let own = xfcc(ORDERS, CERTIFICATE);
    let call = Call {
        token: Some(&token),
        xfcc: &[&own],
        shown: Some(b"another"),
        ..CALL
    };
    let (status, reason, _) = estate.call(&call).await;
    assert_eq!((status, &*reason), (401, "certificate_other"));
    let chain = [CertificateDer::from(b"another".to_vec())];
    let unverified = UnverifiedPeerCertificates::new(Some(&chain)).unwrap();
    let mut request = Request::get("/whoami")
        .header("host", "shop")
        .header("authorization", format!("Bearer {token}"))
        .header("x-forwarded-client-cert", &own)
        .body(Body::empty())
        .unwrap();
    let from: SocketAddr = SIDECAR.parse().unwrap();
    // A server of axum says it in its own words.
    request.extensions_mut().insert(ConnectInfo(from));
    let mut with_own = request;
    with_own.extensions_mut().insert(unverified);
    let response = estate.router.clone().oneshot(with_own).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_believed_proxy_says_and_cannot_be_read_is_a_bad_request_and_never_nobody() {
    let estate = Estate::start(&settings(|_| ())).await;
    let own = xfcc(ORDERS, CERTIFICATE);
    let open = format!("X=\",{own}");
    let elsewhere = xfcc("spiffe://partner.example/a", CERTIFICATE);
    for (xfcc, status, expected) in [
        (&["nonsense"][..], 400, "mesh_identity_invalid"),
        (&[&open], 400, "mesh_identity_invalid"),
        (&[&own, &own], 400, "mesh_identity_several"),
        (&[&elsewhere], 403, "mesh_trust_domain"),
    ] {
        for path in ["/maybe", "/whoami"] {
            let call = Call { path, xfcc, ..CALL };
            let (is, reason, _) = estate.call(&call).await;
            assert_eq!((is, &*reason), (status, expected), "{xfcc:?} {path}");
        }
        // Of others it is not even read.
        let call = Call {
            path: "/maybe",
            from: Some(STRANGER),
            xfcc,
            ..CALL
        };
        assert_eq!(estate.status(&call).await, 200);
    }
}

#[tokio::test]
async fn a_handler_gets_what_is_believed_and_without_the_section_all_is_as_it_was() {
    let estate = Estate::start(&settings(|_| ())).await;
    let own = xfcc(ORDERS, CERTIFICATE);
    let call = Call {
        path: "/maybe",
        xfcc: &[&own],
        ..CALL
    };
    let (_, _, seen) = estate.call(&call).await;
    assert_eq!(seen, format!("{ORDERS} x-forwarded-client-cert"));
    estate
        .app
        .server
        .apply(&SecuritySettings::default())
        .unwrap();
    let (_, _, seen) = estate.call(&call).await;
    assert_eq!(seen, " x-forwarded-client-cert");
    let bound = estate.bound(CERTIFICATE);
    let call = Call {
        token: Some(&bound),
        xfcc: &[&own],
        ..CALL
    };
    assert_eq!(estate.status(&call).await, 401);
}
