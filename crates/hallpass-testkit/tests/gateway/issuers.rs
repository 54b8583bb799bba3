//! Users of several identity providers, who come in by one door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::estate::{Answer, Estate, Setup};
use super::raw::{Raw, Says};

const ROUTES: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated }";
/// Nobody's decision may wait so long: a test that does fails.
const PATIENT: &str = "    decision-timeout-ms: 20000";

/// An identity provider: a key of its own, and where its public half is published.
struct Provider {
    name: &'static str,
    key: SigningKey,
    keys: Raw,
    /// What it answers: 0 its keys, 1 that it has a fault, 2 nothing.
    mood: Arc<AtomicUsize>,
}

const WELL: usize = 0;
const FAULTY: usize = 1;
const SILENT: usize = 2;

impl Provider {
    async fn start(name: &'static str, algorithm: Algorithm, mood: usize) -> Self {
        let key = SigningKey::generate(algorithm).unwrap();
        let set = JwkSet::new([key.public_jwk()]).to_json().to_string();
        let mood = Arc::new(AtomicUsize::new(mood));
        let asked = Arc::clone(&mood);
        let keys = Raw::answering(move |_| {
            match asked.load(Ordering::SeqCst) {
            WELL => Says::Bytes(
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{set}",
                    set.len()
                )
                .into_bytes(),
            ),
            FAULTY => Says::text("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"),
            _ => Says::Hangs,
        }
        });
        Self {
            name,
            key,
            keys: keys.await,
            mood,
        }
    }

    fn issuer(&self) -> String {
        format!("https://{}.example", self.name)
    }

    fn entry(&self, algorithm: &str) -> String {
        format!(
            "{{ name: {}, issuer: '{}', jwks-url: 'http://{}/jwks', audience: {0}-shop, algorithms: {algorithm} }}",
            self.name,
            self.issuer(),
            self.keys.address
        )
    }

    fn claims(&self) -> TokenClaims {
        let end = now().saturating_add(Duration::from_secs(600));
        let (issuer, audience) = (self.issuer(), format!("{}-shop", self.name));
        let user = "alice".parse().unwrap();
        TokenClaims::new(
            issuer.parse().unwrap(),
            user,
            audience.parse().unwrap(),
            end,
        )
    }

    /// What its user sends.
    fn bearer(&self) -> String {
        bearer(&self.claims(), &self.key)
    }
}

fn now() -> UnixTime {
    UnixTime::from(SystemClock::new().now())
}

fn bearer(claims: &TokenClaims, key: &SigningKey) -> String {
    let token = sign(claims, key, now()).unwrap();
    format!("Authorization: Bearer {}", token.expose())
}

async fn get(estate: &Estate, bearer: &str) -> Answer {
    let lines = ["GET /orders/7 HTTP/1.1", "Host: shop.example", bearer];
    estate.ask(&lines).await
}

async fn estate(orders: &Raw, entries: &[String]) -> Estate {
    Estate::of(Setup {
        orders: &[orders.address],
        routes: ROUTES,
        more: PATIENT,
        issuers: entries,
        ..Setup::default()
    })
    .await
}

async fn nobody_speaks_for_another(estate: &Estate, providers: &[&Provider]) {
    for signer in providers {
        for named in providers {
            if signer.name == named.name {
                continue;
            }
            let mut elsewhere = signer.claims();
            elsewhere.audience.clone_from(&named.claims().audience);
            for claims in [named.claims(), elsewhere] {
                let answer = get(estate, &bearer(&claims, &signer.key)).await;
                let of = (signer.name, named.name);
                let refused = (401, Some("invalid_token"));
                assert_eq!((answer.status, answer.code()), refused, "{of:?}");
            }
        }
    }
}

#[tokio::test]
async fn several_identity_providers_come_by_one_door() {
    let orders = Raw::start().await;
    let login = Provider::start("login", Algorithm::Es256, WELL).await;
    let partner = Provider::start("partner", Algorithm::EdDsa, WELL).await;
    let legacy = Provider::start("legacy", Algorithm::Rs256, WELL).await;
    let away = Provider::start("away", Algorithm::Es256, FAULTY).await;
    let stranger = Provider::start("stranger", Algorithm::Es256, WELL).await;
    let entries = [
        login.entry("ES256"),
        partner.entry("EdDSA"),
        legacy.entry("RS256"),
        away.entry("ES256"),
    ];
    let estate = estate(&orders, &entries).await;
    for provider in [&login, &partner, &legacy] {
        orders.forget();
        let bearer = provider.bearer();
        let answer = get(&estate, &bearer).await;
        assert_eq!(answer.status, 200, "{} {answer:?}", provider.name);
        let seen = orders.only();
        let sent = bearer.split_once(": ").unwrap().1;
        assert_eq!(seen.header("authorization"), Some(sent));
        assert_eq!(seen.header("x-user-id"), Some("alice"));
    }
    orders.forget();
    nobody_speaks_for_another(&estate, &[&login, &partner, &legacy]).await;
    let unknown = get(&estate, &stranger.bearer()).await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (401, Some("invalid_token"))
    );
    assert_eq!(
        stranger.keys.connections(),
        0,
        "whom a token names is not asked"
    );
    let unjudged = get(&estate, &away.bearer()).await;
    assert_eq!(
        (unjudged.status, unjudged.code()),
        (503, Some("unavailable"))
    );
    assert!(unjudged.header("retry-after").is_some());
    assert!(orders.seen().is_empty());
    // What became of one issuer concerns nobody else, nor those whose keys are known.
    login.mood.store(FAULTY, Ordering::SeqCst);
    for provider in [&login, &partner, &legacy] {
        assert_eq!(
            get(&estate, &provider.bearer()).await.status,
            200,
            "{}",
            provider.name
        );
    }
}

/// The head of a request, sent on a connection of its own; its answer is still to come.
async fn begun(address: SocketAddr, bearer: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("GET /orders/7 HTTP/1.1\r\nHost: a\r\n{bearer}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn who_waits_for_one_issuer_keeps_nobody_of_another_waiting() {
    let orders = Raw::start().await;
    let login = Provider::start("login", Algorithm::Es256, WELL).await;
    let silent = Provider::start("silent", Algorithm::EdDsa, SILENT).await;
    let entries = [login.entry("ES256"), silent.entry("EdDSA")];
    let estate = estate(&orders, &entries).await;
    let mut waits = begun(estate.address(), &silent.bearer()).await;
    // Until it was asked for its keys, which it never gives.
    while silent.keys.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let (mut answer, bearer) = (String::new(), login.bearer());
    // For the keys of the other one it waits for seconds, and nobody with it.
    tokio::select! {
        biased;
        other = get(&estate, &bearer) => assert_eq!(other.status, 200),
        read = waits.read_to_string(&mut answer) => panic!("answered first: {read:?} {answer}"),
    }
    assert_eq!(orders.seen().len(), 1);
    // In the end it is refused, and nothing was sent for it.
    waits.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(orders.seen().len(), 1);
}
