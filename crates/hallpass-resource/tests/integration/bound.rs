//! Routes that take bound tokens alone, and what senders and thieves try there.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use hallpass_clock::{Clock as _, ManualClock};
use hallpass_config::{Configuration, Key, Loader, Section};
use hallpass_resource::{Bound, Mode, ResourceServer, RouteRule, Rule, SecuritySettings};
use hallpass_tls::PeerCertificates;
use hallpass_token::{
    Algorithm, Confirmation, DpopKey, DpopRequest, DpopUri, Thumbprint, UnixTime,
};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::app::routes;
use crate::support::{AppBuilder, Forge, Log, test_clock};

const OWN: &[u8] = b"own certificate";

struct Estate {
    server: ResourceServer,
    app: Router,
    forge: Forge,
    clock: Arc<ManualClock>,
    key: DpopKey,
}

/// How a token is bound, and so how it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Plain,
    Key,
    Certificate,
    Both,
}

/// What came back: status, challenges, code of the body, and the reason in the audit event.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    challenges: Vec<String>,
    body: String,
    reason: String,
}

impl Answer {
    fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["code"].as_str().unwrap().to_owned()
    }
}

impl Estate {
    fn start() -> Self {
        Self::with(|builder| builder)
    }

    fn with(
        rules: impl FnOnce(
            hallpass_resource::ResourceServerBuilder,
        ) -> hallpass_resource::ResourceServerBuilder,
    ) -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let builder = AppBuilder::new(&clock).trusting_fixed(&forge).server;
        let server = rules(builder).build().unwrap();
        let app = routes().layer(server.layer());
        Self {
            server,
            app,
            forge,
            clock,
            key: DpopKey::generate(Algorithm::Es256).unwrap(),
        }
    }

    fn demand(&self, change: impl FnOnce(&mut SecuritySettings)) {
        let mut settings = SecuritySettings::default();
        change(&mut settings);
        self.server.apply(&settings).unwrap();
    }

    fn token(&self, held: Held) -> String {
        let mut claims = self.forge.claims("alice", "orders");
        let key = matches!(held, Held::Key | Held::Both).then(|| self.key.thumbprint());
        let own = matches!(held, Held::Certificate | Held::Both);
        claims.confirmation = (held != Held::Plain).then(|| Confirmation {
            jkt: key,
            x5t_s256: own.then(|| Thumbprint::of_certificate(OWN)),
            ..Confirmation::default()
        });
        self.forge.sign(&claims)
    }

    /// A request of whoever holds such a token, as he should send it.
    fn request(&self, path: &str, held: Held) -> Request<Body> {
        let token = self.token(held);
        let mut request = Request::get(path).header("host", "shop");
        request = match held {
            Held::Key | Held::Both => {
                let proof = DpopRequest {
                    method: "GET",
                    uri: &DpopUri::parse(&format!("http://shop{path}")).unwrap(),
                    access_token: Some(&token),
                    nonce: None,
                };
                let now = UnixTime::from(self.clock.now());
                let proof = self.key.prove(&proof, now).unwrap();
                request
                    .header(AUTHORIZATION, format!("DPoP {token}"))
                    .header("dpop", proof)
            }
            Held::Plain | Held::Certificate => {
                request.header(AUTHORIZATION, format!("Bearer {token}"))
            }
        };
        let mut request = request.body(Body::empty()).unwrap();
        let chain = [CertificateDer::from(OWN.to_vec())];
        request
            .extensions_mut()
            .insert(PeerCertificates::new(Some(&chain)).unwrap());
        request
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let log = Log::capture();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let challenges = parts.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges = challenges.map(|it| it.to_str().unwrap().to_owned());
        let body = to_bytes(body, 100_000).await.unwrap();
        let event = log.audit(1).pop().unwrap();
        Answer {
            status: parts.status,
            challenges: challenges.collect(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            reason: event["reason"].as_str().unwrap_or_default().to_owned(),
        }
    }

    async fn show(&self, path: &str, held: Held) -> Answer {
        self.send(self.request(path, held)).await
    }
}

const ALL: [Held; 4] = [Held::Plain, Held::Key, Held::Certificate, Held::Both];

/// Which of [`ALL`] pass.
async fn who_passes(estate: &Estate, path: &str) -> [bool; 4] {
    let mut passes = [false; 4];
    for (passes, held) in passes.iter_mut().zip(ALL) {
        let answer = estate.show(path, held).await;
        *passes = answer.status == StatusCode::OK;
        let refused = (answer.status, answer.reason.as_str());
        let is_expected = *passes || refused == (StatusCode::UNAUTHORIZED, "token_unbound");
        assert!(is_expected, "{held:?}: {answer:?}");
    }
    passes
}

#[tokio::test]
async fn what_is_demanded_of_all_holds_on_each_route_and_for_rules_in_code_too() {
    let estate = Estate::start();
    for (bound, expected) in [
        (Bound::No, [true, true, true, true]),
        (Bound::Any, [false, true, true, true]),
        (Bound::Key, [false, true, false, true]),
        (Bound::Certificate, [false, false, true, true]),
        (Bound::Both, [false, false, false, true]),
    ] {
        estate.demand(|settings| settings.internal_jwt.bound = bound);
        // The second is open: a token that is sent must be bound there too.
        for path in ["/whoami", "/maybe"] {
            assert_eq!(who_passes(&estate, path).await, expected, "{bound} {path}");
        }
        let without = Request::get("/maybe").header("host", "shop");
        let without = estate.send(without.body(Body::empty()).unwrap()).await;
        assert_eq!(without.status, StatusCode::OK, "nobody asks for a token");
    }
}

#[tokio::test]
async fn one_route_demands_more_than_the_others_by_code_or_by_yaml() {
    let paid = || RouteRule::new("/unlisted".parse().unwrap(), Rule::Authenticated);
    let estate = Estate::with(|builder| builder.rule(paid().bound(Bound::Certificate)));
    let by_certificate = [false, false, true, true];
    assert_eq!(who_passes(&estate, "/unlisted").await, by_certificate);
    assert_eq!(who_passes(&estate, "/whoami").await, [true; 4]);
    // What the file adds tightens, and opens nothing.
    let yaml = "
hallpass:
  security:
    internal-jwt:
      audience: orders
      issuer: other
      jwks-file: /nowhere
      routes:
        - { path: /unlisted, rule: anonymous, bound: key }
        - { path: /whoami, rule: authenticated, bound: any }
      internal-only: { paths: [/internal/**], bound: both }
";
    let read = read(yaml);
    assert_eq!(read.internal_jwt.internal_only.bound, Bound::Both);
    estate.demand(|settings| {
        settings.internal_jwt.routes = read.internal_jwt.routes;
    });
    assert_eq!(
        who_passes(&estate, "/unlisted").await,
        [false, false, false, true]
    );
    assert_eq!(
        who_passes(&estate, "/whoami").await,
        [false, true, true, true]
    );
}

/// As a service reads its file.
fn read(yaml: &str) -> SecuritySettings {
    struct Security(SecuritySettings);
    impl Configuration for Security {
        fn keys() -> Vec<Key> {
            SecuritySettings::keys()
        }
        fn read(root: &Section<'_>) -> Option<Self> {
            SecuritySettings::read_for(root, None).map(Self)
        }
    }
    let loaded = Loader::new("hallpass")
        .text("service", yaml)
        .load::<Security>();
    loaded.unwrap().into_settings().0
}

#[tokio::test]
async fn who_is_refused_learns_what_to_come_with() {
    let estate = Estate::start();
    let whole = |scheme: &str, rest: &str| {
        let algs = match scheme {
            "DPoP" => r#", algs="ES256 EdDSA RS256 ES384 PS256""#,
            _ => "",
        };
        format!(r#"{scheme} realm="shop"{algs}{rest}"#)
    };
    let key = "ask for a token with a proof of a key (DPoP), and prove the key here";
    let certificate =
        "ask for a token over a connection with a certificate, and show that certificate here";
    let either =
        "ask for a token that is bound to a key (DPoP) or to the certificate of the connection";
    let both = "ask for a token with a proof of a key (DPoP) over a connection with a certificate, and show both here";
    let says = |text: &str| format!(r#", error="invalid_token", error_description="{text}""#);
    let adds = |text: &str| format!(r#", error_description="{text}""#);
    for (bound, expected) in [
        (Bound::Key, vec![whole("DPoP", &says(key))]),
        (
            Bound::Certificate,
            vec![whole("Bearer", &says(certificate))],
        ),
        (
            Bound::Any,
            vec![whole("Bearer", &says(either)), whole("DPoP", &adds(either))],
        ),
        (Bound::Both, vec![whole("DPoP", &says(both))]),
    ] {
        estate.demand(|settings| settings.internal_jwt.bound = bound);
        let answer = estate.show("/whoami", Held::Plain).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.challenges, expected, "{bound}");
        assert_eq!(answer.code(), "bound_token_required");
    }
}

#[tokio::test]
async fn while_it_is_only_reported_the_call_passes_with_its_identity_and_is_counted_by_name() {
    let estate = Estate::start();
    estate.demand(|settings| {
        settings.internal_jwt.mode = Mode::Report;
        settings.internal_jwt.bound = Bound::Any;
    });
    let answer = estate.show("/whoami", Held::Plain).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "alice"));
    assert_eq!(answer.reason, "token_unbound");
}

#[tokio::test]
async fn a_certificate_that_a_header_names_is_shown_by_nobody() {
    let estate = Estate::start();
    let own = Thumbprint::of_certificate(OWN).to_string();
    for (name, value) in [
        ("x-client-cert", own.clone()),
        ("x-ssl-client-cert", own.clone()),
        ("ssl-client-cert", own.clone()),
        ("x-amzn-mtls-clientcert", own.clone()),
        ("client-cert", format!(":{own}:")),
        (
            "x-forwarded-client-cert",
            format!("Hash={own};URI=spiffe://shop/order"),
        ),
        ("x-forwarded-client-cert-chain", own.clone()),
    ] {
        let mut request = estate.request("/whoami", Held::Certificate);
        let _taken_off = request.extensions_mut().remove::<PeerCertificates>();
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = estate.send(request).await;
        let refused = (answer.status, answer.reason.as_str());
        assert_eq!(
            refused,
            (StatusCode::UNAUTHORIZED, "certificate_missing"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_both_needs_both_each_time() {
    let estate = Estate::start();
    for _is_cached in [false, true] {
        assert_eq!(
            estate.show("/whoami", Held::Both).await.status,
            StatusCode::OK
        );
        let mut without = estate.request("/whoami", Held::Both);
        without.extensions_mut().remove::<PeerCertificates>();
        assert_eq!(estate.send(without).await.reason, "certificate_missing");
        let mut other = estate.request("/whoami", Held::Both);
        let chain = [CertificateDer::from(b"thief".to_vec())];
        other
            .extensions_mut()
            .insert(PeerCertificates::new(Some(&chain)).unwrap());
        assert_eq!(estate.send(other).await.reason, "certificate_other");
        let mut unproven = estate.request("/whoami", Held::Both);
        unproven.headers_mut().remove("dpop");
        assert_eq!(estate.send(unproven).await.reason, "dpop_missing");
        let mut as_bearer = estate.request("/whoami", Held::Both);
        let bearer = format!("Bearer {}", estate.token(Held::Both));
        as_bearer
            .headers_mut()
            .insert(AUTHORIZATION, bearer.parse().unwrap());
        assert_eq!(estate.send(as_bearer).await.reason, "dpop_as_bearer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_that_race_with_one_proof_one_passes() {
    let estate = Arc::new(Estate::start());
    for _ in 0..50 {
        let request = estate.request("/whoami", Held::Key);
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let mut copy = Request::get("/whoami").body(Body::empty()).unwrap();
            *copy.headers_mut() = request.headers().clone();
            let app = estate.app.clone();
            racing.spawn(async move { app.oneshot(copy).await.unwrap().status() });
        }
        let statuses = racing.join_all().await;
        let passed = statuses.iter().filter(|it| **it == StatusCode::OK).count();
        assert_eq!(passed, 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn who_asks_why_is_told_what_the_token_must_be_bound_to() {
    let estate = Estate::start();
    estate.demand(|settings| settings.internal_jwt.bound = Bound::Key);
    let (parts, _) = estate.request("/whoami", Held::Plain).into_parts();
    let explanation = estate.server.explain(&parts).await;
    assert_eq!(
        explanation.denial.map(|it| it.log_code()),
        Some("token_unbound")
    );
    let rule = explanation.decisions[0].rule.to_string();
    assert!(rule.contains("authenticated and bound(key)"), "{rule}");
}
