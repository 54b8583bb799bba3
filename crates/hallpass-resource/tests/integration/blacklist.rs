//! Tokens that the estate lists as logged out: refused at once and while remembered, also when nobody says.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use hallpass_clock::ManualClock;
use hallpass_resource::{
    BlacklistFault, BlacklistSettings, Denial, KeySource, ResourceServer, Rule, SecuritySettings,
    TrustedIssuer, WhenAway,
};
use hallpass_upstream::{BlacklistError, BlacklistStore};
use http::Request;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::support::app::network;
use crate::support::streaming::{Connection, Taps};
use crate::support::{Forge, test_clock};

/// What is listed, as far as it is said.
#[derive(Debug)]
struct List {
    names: Mutex<HashSet<String>>,
    is_away: AtomicBool,
    asked: AtomicUsize,
    /// How many answers may be given.
    answers: Semaphore,
}

impl List {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::default(),
            is_away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn log_out(&self, token_id: &str) {
        let mut names = self.names.lock().unwrap();
        names.insert(format!("jwt:blacklist:{token_id}"));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn is_away(&self, is: bool) {
        self.is_away.store(is, Ordering::SeqCst);
    }

    /// Answers are given by [`Semaphore::add_permits`] alone from now on.
    fn hold(&self) {
        self.answers.forget_permits(usize::MAX);
    }
}

impl BlacklistStore for List {
    fn is_listed<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, BlacklistError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.answers.acquire().await.unwrap().forget();
            match self.is_away.load(Ordering::SeqCst) {
                true => Err(BlacklistError::new(std::fmt::Error)),
                false => Ok(self.names.lock().unwrap().contains(name)),
            }
        })
    }

    fn list<'a>(
        &'a self,
        name: &'a str,
        _keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), BlacklistError>> {
        self.names.lock().unwrap().insert(name.to_owned());
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Estate {
    clock: Arc<ManualClock>,
    users: Forge,
    services: Forge,
    list: Arc<List>,
    server: ResourceServer,
}

fn settings(change: impl FnOnce(&mut BlacklistSettings)) -> SecuritySettings {
    let mut blacklist = BlacklistSettings {
        key: "jwt:blacklist:{jti}".parse().unwrap(),
        recheck: Duration::from_millis(500),
        when_away: WhenAway::Refuse,
        issuers: vec!["users".to_owned()],
    };
    change(&mut blacklist);
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.blacklist = Some(blacklist);
    settings
}

impl Estate {
    fn new(settings: &SecuritySettings) -> Self {
        let clock = test_clock();
        let (users, services) = (Forge::new("users", &clock), Forge::new("internal", &clock));
        let list = List::new();
        let store: Arc<dyn BlacklistStore> = list.clone();
        let network = network(&clock).with_blacklist(store);
        let issuer = |forge: &Forge| {
            let keys = KeySource::fixed(forge.keys(), clock.clone());
            TrustedIssuer::new(forge.issuer.parse().unwrap(), "shop".parse().unwrap(), keys)
        };
        let server = ResourceServer::from_settings(settings, "shop", &network)
            .issuer(issuer(&users))
            .issuer(issuer(&services).internal())
            .route_any("/whoami", Rule::Authenticated)
            .route_any("/events", Rule::Authenticated)
            .route_any("/open", Rule::Anonymous)
            .build()
            .unwrap();
        Self {
            clock,
            users,
            services,
            list,
            server,
        }
    }

    fn token(&self, token_id: &str) -> String {
        let mut claims = self.users.claims("alice", "");
        claims.token_id = Some(token_id.parse().unwrap());
        self.users.sign(&claims)
    }

    /// The status of a refusal; `None`: it passes.
    async fn call(&self, token: &str) -> Option<u16> {
        self.call_at("/whoami", token).await
    }

    async fn call_at(&self, path: &str, token: &str) -> Option<u16> {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let refused = self.server.authorize(&parts).await.err();
        refused.map(|it| it.into_response().status().as_u16())
    }

    async fn fault(&self, token: &str) -> Option<Denial> {
        self.server.verify(token).await.err()
    }

    fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    async fn is_asked(&self, times: usize) {
        while self.list.asked() < times {
            yield_now().await;
        }
        // What was answered is taken note of by a task.
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(self.list.asked(), times);
    }
}

#[tokio::test]
async fn a_token_that_is_logged_out_is_refused_whether_it_is_remembered_or_not() {
    let estate = Estate::new(&settings(|_| ()));
    let (known, new) = (estate.token("a-1"), estate.token("a-2"));
    assert_eq!(estate.call(&known).await, None);
    estate.list.log_out("a-1");
    estate.list.log_out("a-2");
    assert_eq!(estate.call(&new).await, Some(401));
    let listed = Denial::Blacklist(BlacklistFault::Listed);
    assert_eq!(estate.fault(&new).await, Some(listed.clone()));
    estate.advance(1_000);
    assert_eq!(estate.call(&known).await, Some(401));
    assert_eq!(estate.fault(&known).await, Some(listed));
    assert_eq!(estate.call(&estate.token("a-3")).await, None);
}

/// No call passes by what was read a second ago, and none waits before.
#[tokio::test]
async fn a_logout_counts_within_a_second_and_calls_wait_for_no_answer_before() {
    let estate = Estate::new(&settings(|_| ()));
    let token = estate.token("a-1");
    assert_eq!(estate.call(&token).await, None);
    estate.is_asked(1).await;
    estate.advance(499);
    assert_eq!(estate.call(&token).await, None);
    estate.is_asked(1).await;
    estate.list.log_out("a-1");
    estate.list.hold();
    estate.advance(1);
    for _ in 0..5 {
        assert_eq!(estate.call(&token).await, None, "it does not wait");
    }
    estate.is_asked(2).await;
    estate.list.answers.add_permits(1);
    estate.is_asked(2).await;
    assert_eq!(estate.call(&token).await, Some(401));
    // Who is listed is asked about again, and not before.
    estate.is_asked(2).await;
    estate.list.names.lock().unwrap().clear();
    estate.list.answers.add_permits(1);
    estate.advance(500);
    assert_eq!(estate.call(&token).await, None);
}

#[tokio::test]
async fn many_calls_with_a_token_that_nothing_is_known_of_ask_once_and_wait_together() {
    let estate = Estate::new(&settings(|_| ()));
    let token = estate.token("a-1");
    estate.list.log_out("a-1");
    let calls = join_all((0..50).map(|_| estate.call(&token)));
    assert_eq!(calls.await, [Some(401); 50]);
    assert_eq!(estate.list.asked(), 1);
}

#[tokio::test]
async fn while_nobody_says_calls_are_refused_with_503_and_nothing_is_forgotten() {
    let estate = Estate::new(&settings(|_| ()));
    let (known, gone) = (estate.token("a-1"), estate.token("a-2"));
    estate.list.log_out("a-2");
    assert_eq!(estate.call(&known).await, None);
    assert_eq!(estate.call(&gone).await, Some(401));
    estate.list.is_away(true);
    assert_eq!(estate.call(&estate.token("a-3")).await, Some(503));
    // As with other trouble of ours, nobody's identity is nobody's fault where none is asked for.
    assert_eq!(estate.call_at("/open", &estate.token("a-3")).await, None);
    assert_eq!(estate.call_at("/open", &gone).await, Some(401));
    estate.advance(999);
    assert_eq!(estate.call(&known).await, None);
    estate.advance(1);
    assert_eq!(estate.call(&known).await, Some(503));
    let away = Denial::Blacklist(BlacklistFault::Away);
    assert_eq!(estate.fault(&known).await, Some(away));
    assert_eq!(estate.call(&gone).await, Some(401), "it was listed");
    estate.list.is_away(false);
    assert_eq!(estate.call(&known).await, None);
}

/// An answer that never comes is none.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_is_away() {
    let estate = Estate::new(&settings(|_| ()));
    estate.list.hold();
    assert_eq!(estate.call(&estate.token("a-1")).await, Some(503));
}

#[tokio::test]
async fn where_the_settings_accept_that_calls_pass_while_nobody_says_but_none_that_was_listed() {
    let estate = Estate::new(&settings(|it| it.when_away = WhenAway::Accept));
    let gone = estate.token("a-2");
    estate.list.log_out("a-2");
    assert_eq!(estate.call(&gone).await, Some(401));
    estate.list.is_away(true);
    estate.advance(60_000);
    assert_eq!(estate.call(&estate.token("a-1")).await, None);
    assert_eq!(estate.call(&gone).await, Some(401));
}

#[tokio::test]
async fn a_token_that_could_not_be_listed_is_refused_and_never_becomes_a_key() {
    let estate = Estate::new(&settings(|_| ()));
    let long = "a".repeat(201);
    for token_id in [None, Some("a b"), Some("a{1}"), Some(&*long)] {
        let token = estate.users.changed(|_, claims| {
            if let Some(token_id) = token_id {
                claims["jti"] = token_id.into();
            }
        });
        let fault = Some(Denial::Blacklist(BlacklistFault::Unnamed));
        assert_eq!(estate.fault(&token).await, fault, "{token_id:?}");
    }
    assert_eq!(estate.list.asked(), 0);
}

#[tokio::test]
async fn tokens_of_other_issuers_are_not_looked_for() {
    let estate = Estate::new(&settings(|_| ()));
    estate.list.is_away(true);
    assert_eq!(estate.call(&estate.services.service("")).await, None);
    let all = Estate::new(&settings(|it| it.issuers.clear()));
    all.list.is_away(true);
    let mut claims = all.services.claims("order-service", "");
    claims.token_id = Some("s-1".parse().unwrap());
    assert_eq!(all.call(&all.services.sign(&claims)).await, Some(503));
}

#[tokio::test]
async fn tokens_that_were_verified_before_are_looked_for_from_the_reload_on_that_asks_for_it() {
    let estate = Estate::new(&SecuritySettings::default());
    let token = estate.token("a-1");
    estate.list.log_out("a-1");
    assert_eq!(estate.call(&token).await, None);
    assert_eq!(
        estate.list.asked(),
        0,
        "nobody is asked unless that is wanted"
    );
    estate.server.apply(&settings(|_| ())).unwrap();
    assert_eq!(estate.call(&token).await, Some(401));
    estate.server.apply(&SecuritySettings::default()).unwrap();
    assert_eq!(estate.call(&token).await, None);
}

#[tokio::test]
async fn settings_that_name_nobody_to_ask_or_no_issuer_are_not_taken() {
    let clock = test_clock();
    let wanted = settings(|it| it.issuers.clear());
    let without = ResourceServer::from_settings(&wanted, "shop", &network(&clock)).build();
    let said = without.unwrap_err().to_string();
    assert!(said.contains("needs a section `redis`"), "{said}");
    let estate = Estate::new(&SecuritySettings::default());
    let slip = settings(|it| it.issuers = vec!["user".to_owned()]);
    let said = estate.server.apply(&slip).unwrap_err().to_string();
    assert!(
        said.contains("names an issuer that is not trusted"),
        "{said}"
    );
}

async fn stream(estate: &Estate, token: &str) -> (Connection, Taps) {
    let taps = Taps::new();
    let app = taps.routes().layer(estate.server.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut stream = Connection::open(address, "GET /events", token, "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    (stream, taps)
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_logged_out_and_not_while_nobody_says() {
    let estate = Estate::new(&settings(|_| ()));
    let (mut stream, _taps) = stream(&estate, &estate.token("a-1")).await;
    estate.list.is_away(true);
    estate.advance(5_000);
    assert!(stream.stays_open().await);
    estate.list.is_away(false);
    estate.advance(5_000);
    assert!(stream.stays_open().await);
    estate.list.log_out("a-1");
    estate.advance(500);
    let seen = stream.read_to_end().await;
    assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn a_stream_that_began_before_anybody_looked_ends_too() {
    let estate = Estate::new(&SecuritySettings::default());
    let (mut stream, _taps) = stream(&estate, &estate.token("a-1")).await;
    estate.list.log_out("a-1");
    assert!(stream.stays_open().await);
    estate.server.apply(&settings(|_| ())).unwrap();
    stream.read_to_end().await;
}
