//! Tokens that are bound to a key of the service (DPoP, RFC 9449): asked for, kept, and sent with a proof a request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_client::{
    AuthTokenService, AuthTokenServiceBuilder, BearerLayer, CallError, Credential,
    CredentialSettings, DenialCode, Identity, InternalTokenCache, MemoryTokenCache, ReplayLayer,
    ResponseFault, TokenBinding, TokenError, TokenHandle,
};
use hallpass_clock::{Clock as _, TokioClock};
use hallpass_token::{
    AccessToken, Algorithm, Algorithms, Confirmation, DpopExpectation, DpopKey, DpopProof, DpopUri,
    SecurityContext, TokenClaims, UnixTime, VerifiedClaims, verify_dpop,
};
use hallpass_upstream::{Body, TransportError};
use http::{Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::apply::{own, settings};
use crate::scripted_issuer::{credential, handle};

const NONCE: &str = "use_dpop_nonce";

/// One end, issuer or callee, that checks proofs, and what it has seen.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    proofs: Vec<DpopProof>,
    authorizations: Vec<String>,
    /// What a proof must repeat.
    nonce: Option<&'static str>,
    /// Tokens that are not good any more.
    rejected: Vec<String>,
    token_type: Option<&'static str>,
    issued: usize,
}

impl Peer {
    fn demand(&self, nonce: Option<&'static str>) {
        self.0.lock().unwrap().nonce = nonce;
    }

    fn seen(&self) -> usize {
        self.0.lock().unwrap().proofs.len()
    }

    fn proofs(&self) -> Vec<DpopProof> {
        self.0.lock().unwrap().proofs.clone()
    }

    fn authorizations(&self) -> Vec<String> {
        self.0.lock().unwrap().authorizations.clone()
    }

    /// Whether the one proof of the request is for it, and repeats the nonce.
    fn check(&self, request: &Request<Body>, token: Option<&str>) -> bool {
        let mut headers = request.headers().get_all("dpop").iter();
        let (proof, None) = (headers.next().unwrap(), headers.next()) else {
            panic!("two proofs");
        };
        let uris = [DpopUri::parse(&request.uri().to_string()).unwrap()];
        let expected = DpopExpectation {
            method: request.method().as_str(),
            uris: &uris,
            access_token: token,
            algorithms: Algorithms::ALL,
        };
        let now = UnixTime::from(TokioClock::new().now());
        let proof = verify_dpop(proof.to_str().unwrap(), &expected, now).unwrap();
        let mut state = self.0.lock().unwrap();
        let is_new = state.proofs.iter().all(|seen| seen.id() != proof.id());
        assert!(is_new, "each request has a proof of its own");
        let is_good = state.nonce.is_none_or(|nonce| proof.nonce() == Some(nonce));
        state.proofs.push(proof);
        is_good
    }

    fn with_nonce(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(nonce) = self.0.lock().unwrap().nonce {
            let headers = response.headers_mut();
            headers.insert("dpop-nonce", nonce.parse().unwrap());
        }
        response
    }

    /// As the token endpoint.
    fn issue(&self, request: &Request<Body>) -> Response<Body> {
        let json = |status: u16, body: serde_json::Value| {
            let response = Response::builder().status(status);
            let response = response.header("content-type", "application/json");
            response.body(Body::from(body.to_string())).unwrap()
        };
        if !self.check(request, None) {
            return self.with_nonce(json(400, serde_json::json!({"error": NONCE})));
        }
        let mut state = self.0.lock().unwrap();
        state.issued += 1;
        let body = serde_json::json!({
            "access_token": format!("token-{}", state.issued),
            "token_type": state.token_type.unwrap_or("DPoP"),
            "expires_in": 600,
        });
        drop(state);
        self.with_nonce(json(200, body))
    }

    /// As a resource server.
    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let authorization = request.headers()["authorization"].to_str().unwrap();
        self.0
            .lock()
            .unwrap()
            .authorizations
            .push(authorization.to_owned());
        let token = authorization.strip_prefix("DPoP ").unwrap();
        let is_good = self.check(request, Some(token));
        let is_rejected = self.0.lock().unwrap().rejected.iter().any(|it| it == token);
        let error = match (is_good, is_rejected) {
            (false, _) => NONCE,
            (true, true) => "invalid_token",
            (true, false) => return self.with_nonce(Response::new(Body::from("done"))),
        };
        let response = Response::builder()
            .status(401)
            .header("www-authenticate", "Bearer realm=\"x\"")
            .header(
                "www-authenticate",
                format!("DPoP algs=\"ES256\", error=\"{error}\""),
            );
        self.with_nonce(response.body(Body::from("no")).unwrap())
    }
}

fn bound() -> Credential {
    credential().with_binding(TokenBinding::OwnKey)
}

fn builder(issuer: &Peer, credential: Credential) -> AuthTokenServiceBuilder {
    let issuer = issuer.clone();
    let transport = service_fn(move |request: Request<Body>| {
        let response = issuer.issue(&request);
        async move { Ok::<_, TransportError>(response) }
    });
    AuthTokenService::builder(credential, transport).clock(Arc::new(TokioClock::new()))
}

type Client = BoxCloneSyncService<Request<Body>, Response<Body>, CallError>;

fn client(callee: &Peer, tokens: &TokenHandle, identity: Identity) -> Client {
    let callee = callee.clone();
    let bearer = BearerLayer::new("callee", identity, Arc::clone(tokens.clock()));
    let stack = ServiceBuilder::new()
        .layer(ReplayLayer::new(tokens.clone()))
        .layer(bearer.tokens(tokens.clone()))
        .service_fn(move |request: Request<Body>| {
            let response = callee.answer(&request);
            async move { Ok::<_, TransportError>(response) }
        });
    BoxCloneSyncService::new(stack)
}

fn request(uri: &str) -> Request<Body> {
    let request = Request::post(uri);
    // From whoever has called this service: none of it may leave.
    let request = request
        .header("dpop", "foreign")
        .header("authorization", "DPoP foreign");
    request.body(Body::from("once more")).unwrap()
}

/// Whoever calls this service, with a token that may be bound to her key.
fn alice(confirmation: Option<Confirmation>) -> SecurityContext {
    let end = UnixTime::from(TokioClock::new().now()).saturating_add(Duration::from_secs(600));
    let mut claims = TokenClaims::new(
        "internal".parse().unwrap(),
        "alice".parse().unwrap(),
        "order".parse().unwrap(),
        end,
    );
    claims.confirmation = confirmation;
    let claims = VerifiedClaims::dangerous_unverified(claims);
    SecurityContext::new(claims, AccessToken::new("token-of-alice"))
}

async fn call(client: &Client, uri: &str) -> u16 {
    let mut client = client.clone();
    let client = client.ready().await.unwrap();
    client.call(request(uri)).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn each_call_carries_a_proof_of_its_own_by_the_key_that_the_token_was_asked_for_with() {
    let (issuer, callee) = (Peer::default(), Peer::default());
    let tokens = handle(&builder(&issuer, bound()).build());
    let client = client(&callee, &tokens, Identity::Service);
    // Two instances, and one that has moved: the address is the one that is really called.
    for uri in [
        "http://10.0.0.1:8080/a?q",
        "http://10.0.0.2:8080/a",
        "http://10.0.0.1:8080/b",
    ] {
        assert_eq!(call(&client, uri).await, 200);
    }
    assert_eq!(callee.authorizations(), ["DPoP token-1"; 3]);
    let key = issuer.proofs()[0].thumbprint();
    assert!(
        callee
            .proofs()
            .iter()
            .all(|proof| proof.thumbprint() == key)
    );
    assert_eq!(issuer.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_nonce_of_an_issuer_is_repeated_once_and_remembered() {
    let issuer = Peer::default();
    issuer.demand(Some("one"));
    let tokens = handle(&builder(&issuer, bound()).build());
    assert_eq!(
        tokens.token().await.unwrap().access_token().expose(),
        "token-1"
    );
    let nonces = |issuer: &Peer| -> Vec<_> {
        let proofs = issuer.proofs();
        proofs
            .iter()
            .map(|it| it.nonce().map(str::to_owned))
            .collect()
    };
    assert_eq!(nonces(&issuer), [None, Some("one".to_owned())]);
    tokens.evict().await;
    tokens.token().await.unwrap();
    assert_eq!(issuer.seen(), 3, "it is known by now");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_takes_its_nonce_is_asked_twice_and_no_more() {
    // What it gives cannot be repeated.
    let issuer = Peer::default();
    issuer.demand(Some("\""));
    let tokens = handle(&builder(&issuer, bound()).build());
    let expected = TokenError::Denied {
        code: DenialCode::UseDpopNonce,
        status: 400,
    };
    assert_eq!(tokens.token().await.unwrap_err(), expected);
    assert_eq!(issuer.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_nonce_of_a_callee_costs_one_further_attempt_and_no_token() {
    let (issuer, callee) = (Peer::default(), Peer::default());
    let tokens = handle(&builder(&issuer, bound()).build());
    let client = client(&callee, &tokens, Identity::Service);
    callee.demand(Some("one"));
    assert_eq!(call(&client, "http://callee/a").await, 200);
    assert_eq!(call(&client, "http://callee/a").await, 200);
    assert_eq!((callee.seen(), issuer.seen()), (3, 1));
    callee.demand(Some("two"));
    assert_eq!(call(&client, "http://callee/a").await, 200);
    assert_eq!(callee.seen(), 5, "the nonce goes on");
    callee.demand(Some("a b"));
    assert_eq!(call(&client, "http://callee/a").await, 401);
    assert_eq!((callee.seen(), issuer.seen()), (7, 1), "once, not for ever");
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_that_a_callee_calls_invalid_is_renewed_and_the_call_repeated_once() {
    let (issuer, callee) = (Peer::default(), Peer::default());
    let tokens = handle(&builder(&issuer, bound()).build());
    let client = client(&callee, &tokens, Identity::Service);
    callee.0.lock().unwrap().rejected.push("token-1".to_owned());
    assert_eq!(call(&client, "http://callee/a").await, 200);
    let expected = ["DPoP token-1", "DPoP token-2"];
    assert_eq!(callee.authorizations(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_is_not_taken_for_a_bound_one() {
    let issuer = Peer::default();
    issuer.0.lock().unwrap().token_type = Some("Bearer");
    let tokens = handle(&builder(&issuer, bound()).build());
    let error = tokens.token().await.unwrap_err();
    assert_eq!(error, TokenError::Response(ResponseFault::TokenType));
}

#[tokio::test(start_paused = true)]
async fn no_shared_tier_gets_a_bound_token_or_gives_one() {
    let (issuer, tier) = (Peer::default(), Arc::new(MemoryTokenCache::new(100)));
    let service = || builder(&issuer, bound()).shared_cache(tier.clone()).build();
    let (one, other) = (handle(&service()), handle(&service()));
    for tokens in [&one, &other, &one] {
        tokens.token().await.unwrap();
    }
    assert_eq!(issuer.seen(), 2, "each process has a key of its own");
    let [first, second] = &issuer.proofs()[..] else {
        panic!("two")
    };
    assert_ne!(first.thumbprint(), second.thumbprint());
    let kept = tier.get_token(&one.key().unwrap()).await.unwrap();
    assert!(kept.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_callers_token_that_is_bound_to_its_key_is_not_relayed() {
    let (issuer, callee) = (Peer::default(), Peer::default());
    let tokens = handle(&builder(&issuer, bound()).build());
    let alice = alice(Some(Confirmation::default()));
    let mut request = request("http://callee/a");
    request.extensions_mut().insert(alice);
    let client = client(&callee, &tokens, Identity::Relay);
    let error = client.oneshot(request).await.unwrap_err();
    assert_eq!(error, CallError::IdentityBound);
    assert!(error.is_unsent() && !error.is_retryable());
    assert_eq!((callee.seen(), issuer.seen()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_given_out_proves_itself_for_code_of_ones_own() {
    let issuer = Peer::default();
    let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
    let credential = credential().with_binding(TokenBinding::Key(key.clone()));
    let token = handle(&builder(&issuer, credential).build()).token().await;
    let token = token.unwrap();
    assert_eq!(issuer.proofs()[0].thumbprint(), key.thumbprint());
    assert_eq!(token.authorization().to_str().unwrap(), "DPoP token-1");
    assert_eq!(token.token_type(), "DPoP");
    let now = UnixTime::from(TokioClock::new().now());
    let uri = "http://callee/a".parse().unwrap();
    let proof = token.dpop_proof(&http::Method::GET, &uri, now);
    assert!(proof.unwrap().is_some_and(|proof| proof.is_sensitive()));
    let nowhere = token.dpop_proof(&http::Method::GET, &"/a".parse().unwrap(), now);
    assert_eq!(nowhere.unwrap_err(), TokenError::Proof);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_exchanged_is_bound_too() {
    let (issuer, callee) = (Peer::default(), Peer::default());
    let tokens = handle(&builder(&issuer, bound()).build());
    let client = client(&callee, &tokens, Identity::Exchange);
    for _ in ["from the issuer", "from memory"] {
        let mut request = request("http://callee/a");
        request.extensions_mut().insert(alice(None));
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(callee.authorizations(), ["DPoP token-1"; 2]);
    assert_eq!(issuer.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn settings_that_say_the_same_keep_the_key_and_another_key_has_tokens_asked_for_anew() {
    let issuer = Peer::default();
    let service = builder(&issuer, bound()).build();
    let tokens = handle(&service);
    let apply = |secret: &str, binding: TokenBinding| {
        let credential = CredentialSettings {
            binding,
            ..own(secret)
        };
        service.apply(&settings(credential, [])).unwrap();
    };
    let key = DpopKey::generate(Algorithm::Es256).unwrap();
    for (secret, binding) in [
        ("first", TokenBinding::OwnKey),
        ("first", TokenBinding::OwnKey),
        ("second", TokenBinding::OwnKey),
        ("second", TokenBinding::Key(key.clone())),
        ("second", TokenBinding::Key(key.clone())),
    ] {
        apply(secret, binding);
        tokens.token().await.unwrap();
    }
    let proofs = issuer.proofs();
    let keys: Vec<_> = proofs.iter().map(DpopProof::thumbprint).collect();
    let [own, with_new_secret, given] = keys[..] else {
        panic!("one token for each change: {}", keys.len())
    };
    assert_eq!(
        own, with_new_secret,
        "another secret is no reason for another key"
    );
    assert_eq!(given, key.thumbprint());
}
