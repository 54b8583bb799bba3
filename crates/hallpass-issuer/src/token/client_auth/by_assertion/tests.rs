use std::net::IpAddr;

use hallpass_token::{Algorithm, AssertionSigner, Scope, UnixTime};

use super::*;
use crate::clients::authentication::Authentication;
use crate::clients::client_keys::{ClientKeySource, ClientKeys};
use crate::clients::key_network::KeyNetwork;
use crate::clients::registration::Registration;
use crate::clients::registry::ClientMetrics;
use crate::token::credentials::Credentials;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const START: Duration = Duration::from_secs(1_000);

/// An issuer's checks, with the clients `key`, which signs, and `secret`, which has secrets.
struct Gate {
    checks: AssertionChecks,
    registry: Registry,
    signer: AssertionSigner,
}

impl Gate {
    fn new() -> Self {
        let signer = AssertionSigner::generate(Algorithm::Es256).unwrap();
        let keys = ClientKeys::Inline(JwkSet::new([signer.public_jwk()]));
        let clock = Arc::new(hallpass_clock::SystemClock::new());
        let keys = ClientKeySource::new(&keys, &KeyNetwork::new(clock)).unwrap();
        let key = Authentication::Key(Box::new(KeyAuthentication {
            keys,
            takes_token_endpoint: false,
        }));
        let secret = Authentication::by_secrets(Vec::new());
        let client = |(id, authentication): (&str, _)| Registration {
            client_id: id.parse().unwrap(),
            scope: Scope::empty(),
            audiences: Vec::new(),
            grants: Default::default(),
            token_life: Duration::from_secs(60),
            exchange: Vec::new(),
            may_revoke: Vec::new(),
            calls: Vec::new(),
            claims: serde_json::Map::new(),
            certificate_names: None,
            is_dpop_bound: false,
            is_certificate_bound: false,
            profile: None,
            refresh_life: Duration::from_secs(60),
            authentication,
        };
        let clients = [("key", key), ("secret", secret)].map(client).into();
        let address = "127.0.0.1:9000".parse().unwrap();
        let name = "https://issuer.example".parse().unwrap();
        let urls = PublicUrls::new(&name, None, "https", address).unwrap();
        Self {
            checks: AssertionChecks::new(&urls, Arc::new(Throttle::new()), &Replays::for_tests()),
            registry: Registry::build(clients, None, &ClientMetrics::default()).unwrap(),
            signer,
        }
    }

    async fn ask(&self, id: &str, signer: &AssertionSigner, at: Duration) -> Result<(), Refusal> {
        let minute = Duration::from_secs(60);
        let audience = "https://issuer.example";
        let made = signer.sign(&id.parse().unwrap(), audience, NOW, minute);
        self.send(made.unwrap().expose(), at).await
    }

    async fn send(&self, assertion: &str, at: Duration) -> Result<(), Refusal> {
        let body = format!(
            "grant_type=x&client_assertion={assertion}&client_assertion_type={}",
            hallpass_token::JWT_BEARER_ASSERTION
        );
        let headers = [(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/x-www-form-urlencoded"),
        )];
        let headers = headers.into_iter().collect();
        let request = crate::token::request::TokenRequest::parse(&headers, body.as_bytes())?;
        let Credentials::Assertion(credentials) = &request.credentials else {
            panic!("an assertion")
        };
        let attempt = Attempt {
            source: Some(IpAddr::from([10, 0, 0, 1])),
            now: NOW,
            monotonic: at,
            trace: None,
        };
        let asked = self
            .checks
            .authenticate(&self.registry, credentials, attempt);
        asked.await.map(|(client, _)| assert_eq!(client.id, "key"))
    }

    fn checked(&self) -> u64 {
        self.checks.checks.get()
    }
}

#[tokio::test]
async fn whoever_it_claims_to_be_a_wrong_assertion_costs_one_check_and_gets_one_response() {
    let gate = Gate::new();
    for algorithm in Algorithm::EVERY {
        let stranger = AssertionSigner::generate(algorithm).unwrap();
        let kid = gate.signer.public_jwk().key_id().unwrap().clone();
        for stranger in [stranger.clone().with_key_id(kid), stranger] {
            for id in ["key", "secret", "nobody"] {
                let before = gate.checked();
                let refused = gate.ask(id, &stranger, START).await;
                assert_eq!(refused, Err(Refusal::BadCredentials), "{id}");
                assert_eq!(gate.checked() - before, 1, "{id}");
            }
        }
    }
}

#[tokio::test]
async fn past_its_failures_a_client_is_refused_without_a_check_and_others_are_not() {
    let gate = Gate::new();
    let stranger = AssertionSigner::generate(Algorithm::Es256).unwrap();
    for _ in 0..200 {
        let _ = gate.ask("nobody", &stranger, START).await;
    }
    let checked = gate.checked();
    assert!(checked <= 40, "{checked} checks of 200");
    let refused = gate.ask("nobody", &stranger, START).await;
    assert!(matches!(refused, Err(Refusal::TooManyAttempts { .. })));
    assert_eq!(gate.checked(), checked);
    let signer = gate.signer.clone();
    gate.ask("key", &signer, START).await.unwrap();
    // Proven from there: what others try in another name does not touch it.
    for _ in 0..1_000 {
        let _ = gate.ask("secret", &stranger, START).await;
        gate.ask("key", &signer, START).await.unwrap();
    }
}

#[tokio::test]
async fn the_second_use_of_an_assertion_is_a_failure_that_costs_an_attempt() {
    let gate = Gate::new();
    let minute = Duration::from_secs(60);
    let made = gate.signer.sign(
        &"key".parse().unwrap(),
        "https://issuer.example",
        NOW,
        minute,
    );
    let made = made.unwrap();
    gate.send(made.expose(), START).await.unwrap();
    for _ in 0..20 {
        let again = gate.send(made.expose(), START).await;
        assert_eq!(again, Err(Refusal::Assertion(AssertionRefusal::Replayed)));
    }
    let checked = gate.checked();
    let again = gate.send(made.expose(), START).await;
    assert!(
        matches!(again, Err(Refusal::TooManyAttempts { .. })),
        "{again:?}"
    );
    assert_eq!(gate.checked(), checked);
}
