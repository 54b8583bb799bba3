//! Tokens that are bound to a certificate of their sender (RFC 8705 section 3), as senders and thieves show them.

use axum::Router;
use axum::body::Body;
use hallpass_resource::ResourceServer;
use hallpass_tls::{PeerCertificates, UnverifiedPeerCertificates};
use hallpass_token::{Confirmation, Thumbprint};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Extensions, Request, StatusCode};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::app::routes;
use crate::support::{AppBuilder, Forge, Log, test_clock};

/// What a connection shows.
enum Shown {
    Nothing,
    Verified(&'static [u8]),
    Unverified(&'static [u8]),
}

struct Estate {
    server: ResourceServer,
    app: Router,
    forge: Forge,
}

impl Estate {
    fn start() -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let server = AppBuilder::new(&clock).trusting_fixed(&forge).server;
        let server = server.build().unwrap();
        let app = routes().layer(server.layer());
        Self { server, app, forge }
    }

    /// Alice's, bound to `certificate`.
    fn bound(&self, certificate: &[u8]) -> String {
        let mut claims = self.forge.claims("alice", "orders");
        claims.confirmation = Some(Confirmation {
            x5t_s256: Some(Thumbprint::of_certificate(certificate)),
            ..Confirmation::default()
        });
        self.forge.sign(&claims)
    }

    /// The status, and the code in the audit event.
    async fn call(&self, path: &str, authorization: &str, shown: &Shown) -> (StatusCode, String) {
        let log = Log::capture();
        let mut request = Request::get(path)
            .header(AUTHORIZATION, authorization)
            .header("host", "shop")
            .body(Body::empty())
            .unwrap();
        show(shown, request.extensions_mut());
        let response = self.app.clone().oneshot(request).await.unwrap();
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenges = response.headers().get_all(WWW_AUTHENTICATE);
            let says =
                |value: &http::HeaderValue| value.to_str().unwrap().contains("invalid_token");
            assert!(challenges.iter().any(says), "{response:?}");
        }
        let event = log.audit(1).pop().unwrap();
        let reason = event["reason"].as_str().unwrap_or_default().to_owned();
        (response.status(), reason)
    }

    async fn whoami(&self, token: &str, shown: Shown) -> (StatusCode, String) {
        let authorization = format!("Bearer {token}");
        self.call("/whoami", &authorization, &shown).await
    }
}

fn show(shown: &Shown, extensions: &mut Extensions) {
    let chain = |der: &[u8]| [CertificateDer::from(der.to_vec())];
    match shown {
        Shown::Nothing => {}
        Shown::Verified(der) => {
            extensions.insert(PeerCertificates::new(Some(&chain(der))).unwrap());
        }
        Shown::Unverified(der) => {
            extensions.insert(UnverifiedPeerCertificates::new(Some(&chain(der))).unwrap());
        }
    }
}

fn refused(reason: &str) -> (StatusCode, String) {
    (StatusCode::UNAUTHORIZED, reason.to_owned())
}

#[tokio::test]
async fn a_token_passes_over_connections_with_its_certificate_and_over_no_other_also_when_it_was_verified_before()
 {
    let estate = Estate::start();
    let token = estate.bound(b"own");
    for _ in 0..2 {
        let passes = [Shown::Verified(b"own"), Shown::Unverified(b"own")];
        for shown in passes {
            assert_eq!(estate.whoami(&token, shown).await.0, StatusCode::OK);
        }
        let other = estate.whoami(&token, Shown::Verified(b"thief")).await;
        assert_eq!(other, refused("certificate_other"));
        let other = estate.whoami(&token, Shown::Unverified(b"thief")).await;
        assert_eq!(other, refused("certificate_other"));
        let none = estate.whoami(&token, Shown::Nothing).await;
        assert_eq!(none, refused("certificate_missing"));
    }
    // On an open route it is not taken for no token.
    let authorization = format!("Bearer {token}");
    let open = estate.call("/maybe", &authorization, &Shown::Nothing);
    assert_eq!(open.await, refused("certificate_missing"));
    let by_itself = estate.server.verify(&token).await;
    assert_eq!(by_itself.unwrap_err().log_code(), "sender_constrained");
}

#[tokio::test]
async fn what_a_token_demands_beside_its_certificate_is_not_passed_over() {
    let estate = Estate::start();
    let own = json!(Thumbprint::of_certificate(b"own"));
    for (cnf, reason) in [
        (json!({"x5t#S256": own, "jkt": own}), "dpop_as_bearer"),
        (json!({"x5t#S256": own, "kid": "k"}), "sender_constrained"),
        (json!({"x5t#S256": own, "x5t": "k"}), "sender_constrained"),
    ] {
        let changed = |_: &mut _, claims: &mut serde_json::Value| claims["cnf"] = cnf.clone();
        let token = estate.forge.changed(changed);
        let response = estate.whoami(&token, Shown::Verified(b"own")).await;
        assert_eq!(response, refused(reason), "{cnf}");
    }
    // With the scheme of proofs it is not that kind of bound token.
    let authorization = format!("DPoP {}", estate.bound(b"own"));
    let response = estate.call("/whoami", &authorization, &Shown::Verified(b"own"));
    assert_eq!(response.await, refused("dpop_not_bound"));
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_passes_whatever_the_connection_shows() {
    let estate = Estate::start();
    let token = estate.forge.user("orders");
    for shown in [
        Shown::Nothing,
        Shown::Verified(b"any"),
        Shown::Unverified(b"any"),
    ] {
        assert_eq!(estate.whoami(&token, shown).await.0, StatusCode::OK);
    }
}
