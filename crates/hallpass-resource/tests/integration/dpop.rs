//! Tokens that are bound to a key of their sender (DPoP, RFC 9449), as senders and thieves show them.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::{Clock as _, ManualClock};
use hallpass_config::Secret;
use hallpass_resource::{DpopSettings, NonceSecret, SecuritySettings};
use hallpass_token::{Algorithm, Confirmation, DpopKey, DpopRequest, DpopUri, UnixTime};
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, RawResponse, get, send, test_clock};

const WHOAMI: &str = "http://shop/whoami";

struct Estate {
    app: App,
    forge: Forge,
    clock: Arc<ManualClock>,
    key: DpopKey,
    /// Alice's, bound to the key.
    token: String,
}

impl Estate {
    async fn start() -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
        let key = DpopKey::generate(Algorithm::Es256).unwrap();
        let token = bound(&forge, &key, "orders");
        Self {
            app,
            forge,
            clock,
            key,
            token,
        }
    }

    fn apply(&self, dpop: DpopSettings) {
        let mut settings = SecuritySettings::default();
        settings.internal_jwt.dpop = dpop;
        self.app.server.apply(&settings).unwrap();
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }

    fn proof(&self) -> String {
        self.proof_for("GET", WHOAMI, &self.token, None)
    }

    fn proof_for(&self, method: &str, url: &str, token: &str, nonce: Option<&str>) -> String {
        let uri = DpopUri::parse(url).unwrap();
        let request = DpopRequest {
            method,
            uri: &uri,
            access_token: Some(token),
            nonce,
        };
        self.key.prove(&request, self.now()).unwrap()
    }

    async fn show(&self, token: &str, proofs: &[&str]) -> RawResponse {
        self.call("GET /whoami", token, proofs).await
    }

    async fn call(&self, line: &str, token: &str, proofs: &[&str]) -> RawResponse {
        let authorization = format!("DPoP {token}");
        let mut headers = vec![("authorization", authorization.as_bytes())];
        headers.extend(proofs.iter().map(|proof| ("dpop", proof.as_bytes())));
        send(self.app.address, line.as_bytes(), &headers).await
    }
}

/// Alice's token, bound to `key`.
fn bound(forge: &Forge, key: &DpopKey, scope: &str) -> String {
    let mut claims = forge.claims("alice", scope);
    claims.confirmation = Some(Confirmation {
        jkt: Some(key.thumbprint()),
        ..Confirmation::default()
    });
    forge.sign(&claims)
}

/// Status, and the `error` of the `DPoP` challenge.
fn challenged(response: &RawResponse) -> (u16, String) {
    let challenges = response.head.lines();
    let dpop = challenges
        .filter_map(|line| line.split_once(": DPoP "))
        .map(|(_, challenge)| challenge)
        .next()
        .unwrap_or_default();
    assert!(dpop.contains("algs=\"ES256 "), "{response:?}");
    let error = dpop.split_once("error=\"").map(|(_, rest)| rest);
    let error = error.and_then(|rest| rest.split('"').next());
    (response.status, error.unwrap_or_default().to_owned())
}

fn is(error: &str) -> (u16, String) {
    (401, error.to_owned())
}

#[tokio::test]
async fn a_bound_token_passes_with_a_proof_of_its_key_for_this_request() {
    let estate = Estate::start().await;
    for _ in 0..2 {
        let response = estate.show(&estate.token, &[&estate.proof()]).await;
        assert_eq!((response.status, &*response.body), (200, "alice"));
    }
    // A client that reaches the service over TLS that a proxy ends, and one that puts a query in.
    let over_tls = estate.proof_for("GET", "https://SHOP:443/whoami?x=1", &estate.token, None);
    let response = estate
        .call("GET /whoami?y", &estate.token, &[&over_tls])
        .await;
    assert_eq!(response.status, 200);
    let proven = estate.app.metric("hallpass_dpop_proofs_remembered");
    assert!((proven - 3.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_stolen_token_is_of_no_use_without_the_key_also_when_it_was_verified_before() {
    let estate = Estate::start().await;
    let token = &estate.token;
    let thief = DpopKey::generate(Algorithm::EdDsa).unwrap();
    let uri = DpopUri::parse(WHOAMI).unwrap();
    let request = DpopRequest {
        method: "GET",
        uri: &uri,
        access_token: Some(token),
        nonce: None,
    };
    for is_cached in [false, true] {
        let as_bearer = get(estate.app.address, "/whoami", Some(token)).await;
        assert_eq!(challenged(&as_bearer), is(""), "{is_cached}");
        assert!(as_bearer.head.contains("error=\"invalid_token\""));
        let without = estate.show(token, &[]).await;
        assert_eq!(challenged(&without), is("invalid_dpop_proof"));
        let by_another = thief.prove(&request, estate.now()).unwrap();
        let by_another = estate.show(token, &[&by_another]).await;
        assert_eq!(challenged(&by_another), is("invalid_token"));
        let good = estate.show(token, &[&estate.proof()]).await;
        assert_eq!(good.status, 200, "it is remembered from now on");
    }
    let hits = estate
        .app
        .metric("hallpass_verified_token_cache_hits_total");
    assert!(hits >= 4.0, "the last rows were about a verified token");
}

#[tokio::test]
async fn a_proof_counts_once() {
    let estate = Estate::start().await;
    let proof = estate.proof();
    assert_eq!(estate.show(&estate.token, &[&proof]).await.status, 200);
    let again = estate.show(&estate.token, &[&proof]).await;
    assert_eq!(challenged(&again), is("invalid_dpop_proof"));
    assert_eq!(again.code(), "invalid_dpop_proof");
    estate.clock.advance(Duration::from_secs(60));
    let at_its_end = estate.show(&estate.token, &[&proof]).await;
    assert_eq!(challenged(&at_its_end), is("invalid_dpop_proof"));
    // Nor after a change of settings.
    let fresh = estate.proof();
    assert_eq!(estate.show(&estate.token, &[&fresh]).await.status, 200);
    estate.apply(DpopSettings {
        public_urls: vec!["http://shop".parse().unwrap()],
        ..DpopSettings::default()
    });
    let after = estate.show(&estate.token, &[&fresh]).await;
    assert_eq!(challenged(&after), is("invalid_dpop_proof"));
}

#[tokio::test]
async fn a_proof_for_another_request_is_refused() {
    let estate = Estate::start().await;
    let token = &estate.token;
    let other_token = bound(&estate.forge, &estate.key, "stock");
    for proof in [
        estate.proof_for("POST", WHOAMI, token, None),
        estate.proof_for("GET", "http://shop/either", token, None),
        estate.proof_for("GET", "http://other/whoami", token, None),
        estate.proof_for("GET", "http://shop:8080/whoami", token, None),
        estate.proof_for("GET", WHOAMI, &other_token, None),
        token.clone(),
        String::new(),
        "x".repeat(4097),
    ] {
        let response = estate.show(token, &[&proof]).await;
        assert_eq!(challenged(&response), is("invalid_dpop_proof"), "{proof}");
    }
    let (one, two) = (estate.proof(), estate.proof());
    let both = estate.show(token, &[&one, &two]).await;
    assert_eq!(challenged(&both), is("invalid_dpop_proof"));
    assert_eq!(
        estate.show(token, &[&one]).await.status,
        200,
        "neither was used up"
    );
    let old = estate.proof();
    estate.clock.advance(Duration::from_secs(61));
    let late = estate.show(token, &[&old]).await;
    assert_eq!(challenged(&late), is("invalid_dpop_proof"));
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_is_not_taken_as_a_bound_one() {
    let estate = Estate::start().await;
    let plain = estate.forge.user("orders");
    let proof = estate.proof_for("GET", WHOAMI, &plain, None);
    let response = estate.show(&plain, &[&proof]).await;
    assert_eq!(challenged(&response), is("invalid_token"));
    let as_bearer = get(estate.app.address, "/whoami", Some(&plain)).await;
    assert_eq!(as_bearer.status, 200);
}

#[tokio::test]
async fn what_a_token_demands_beside_the_key_is_not_passed_over() {
    let estate = Estate::start().await;
    let jkt = json!(estate.key.thumbprint().to_string());
    for cnf in [
        json!({"jkt": jkt, "x5t#S256": jkt}),
        json!({"jkt": jkt, "kid": "k"}),
        json!({"jkt": jkt, "kc-jkt-type": "Attestation"}),
        json!({"jkt": jkt, "kc-jkt-type": "DPoP", "kid": "k"}),
        json!({"kc-jkt-type": "DPoP"}),
        json!({"x5t#S256": jkt}),
        json!({"jwk": {}}),
        json!({}),
    ] {
        let token = estate
            .forge
            .changed(|_, claims| claims["cnf"] = cnf.clone());
        let proof = estate.proof_for("GET", WHOAMI, &token, None);
        let response = estate.show(&token, &[&proof]).await;
        assert_eq!(challenged(&response), is("invalid_token"), "{cnf}");
    }
}

#[tokio::test]
async fn what_keycloak_says_beside_the_key_demands_nothing_more() {
    let estate = Estate::start().await;
    let jkt = json!(estate.key.thumbprint().to_string());
    let token = estate.forge.changed(|_, claims| {
        claims["cnf"] = json!({"jkt": jkt, "kc-jkt-type": "DPoP"});
    });
    let proof = estate.proof_for("GET", WHOAMI, &token, None);
    assert_eq!(estate.show(&token, &[&proof]).await.status, 200);
    let unproven = estate.show(&token, &[]).await;
    assert_eq!(challenged(&unproven), is("invalid_dpop_proof"));
}

#[tokio::test]
async fn a_bound_token_that_came_without_a_request_is_refused() {
    let estate = Estate::start().await;
    let verified = estate.app.server.verify(&estate.token).await;
    assert_eq!(verified.unwrap_err().log_code(), "sender_constrained");
}

#[tokio::test]
async fn on_an_open_route_a_token_without_its_proof_is_not_taken_for_none() {
    let estate = Estate::start().await;
    let response = estate.call("GET /maybe", &estate.token, &[]).await;
    assert_eq!(challenged(&response), is("invalid_dpop_proof"));
    let proof = estate.proof_for("GET", "http://shop/maybe", &estate.token, None);
    let response = estate.call("GET /maybe", &estate.token, &[&proof]).await;
    assert_eq!((response.status, &*response.body), (200, "alice"));
}

#[tokio::test]
async fn a_public_url_counts_in_place_of_the_host_that_a_sender_names() {
    let estate = Estate::start().await;
    estate.apply(DpopSettings {
        public_urls: vec![
            "https://api.example/shop".parse().unwrap(),
            "http://10.0.0.7:8080".parse().unwrap(),
        ],
        ..DpopSettings::default()
    });
    let mut outcomes = Vec::new();
    for url in [
        "https://api.example/shop/whoami",
        "http://10.0.0.7:8080/whoami",
        WHOAMI,
        "http://api.example/shop/whoami",
        "https://api.example/whoami",
    ] {
        let proof = estate.proof_for("GET", url, &estate.token, None);
        outcomes.push(estate.show(&estate.token, &[&proof]).await.status);
    }
    assert_eq!(outcomes, [200, 200, 401, 401, 401]);
}

#[tokio::test]
async fn a_demanded_nonce_is_given_with_each_response_and_must_be_repeated() {
    let estate = Estate::start().await;
    let secret = NonceSecret::new(&Secret::new("shared"));
    let settings = DpopSettings {
        requires_nonce: true,
        nonce_secret: Some(secret),
        ..DpopSettings::default()
    };
    estate.apply(settings.clone());
    let token = &estate.token;
    let with = |nonce: &str| estate.proof_for("GET", WHOAMI, token, Some(nonce));
    let first = estate.show(token, &[&estate.proof()]).await;
    assert_eq!(challenged(&first), is("use_dpop_nonce"));
    let nonce = first.header("dpop-nonce").unwrap().to_owned();
    let good = estate.show(token, &[&with(&nonce)]).await;
    assert_eq!(
        (good.status, good.header("dpop-nonce")),
        (200, Some(&*nonce))
    );
    let made_up = estate.show(token, &[&with(&"A".repeat(22))]).await;
    assert_eq!(challenged(&made_up), is("use_dpop_nonce"));

    // Another process that shares the secret takes it, and one that does not does not.
    let other = Estate::start().await;
    let proof = |nonce: &str| {
        let token = &other.token;
        (
            token.clone(),
            other.proof_for("GET", WHOAMI, token, Some(nonce)),
        )
    };
    other.apply(settings);
    let (shown, by_other) = proof(&nonce);
    assert_eq!(other.show(&shown, &[&by_other]).await.status, 200);
    other.apply(DpopSettings {
        requires_nonce: true,
        ..DpopSettings::default()
    });
    let (shown, by_other) = proof(&nonce);
    let refused = other.show(&shown, &[&by_other]).await;
    assert_eq!(challenged(&refused), is("use_dpop_nonce"));

    estate.clock.advance(Duration::from_secs(121));
    let late = estate.show(token, &[&with(&nonce)]).await;
    assert_eq!(challenged(&late), is("use_dpop_nonce"));
    let bearer = get(estate.app.address, "/whoami", None).await;
    assert_eq!(
        bearer.header("dpop-nonce"),
        None,
        "who makes no proofs needs none"
    );
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_for_a_moment_makes_no_proof_count_again() {
    let estate = Estate::start().await;
    let shown = estate.proof();
    let wall = estate.clock.now();
    assert_eq!(estate.show(&estate.token, &[&shown]).await.status, 200);
    // The callers of that machine have its clock.
    estate.clock.set(wall + Duration::from_secs(300));
    let ahead = estate.proof();
    assert_eq!(estate.show(&estate.token, &[&ahead]).await.status, 200);
    estate.clock.set(wall + Duration::from_secs(1));
    let again = estate.show(&estate.token, &[&shown]).await;
    assert_eq!(challenged(&again), is("invalid_dpop_proof"));
    assert_eq!(
        estate.show(&estate.token, &[&estate.proof()]).await.status,
        200
    );
}
