use std::cell::Cell;
use std::net::IpAddr;

use hallpass_config::Secret;
use hallpass_token::Scope;

use super::*;
use crate::clients::authentication::{Authentication, SecretPlace};
use crate::clients::configured;
use crate::clients::key_network::KeyNetwork;
use crate::clients::registration::Registration;
use crate::clients::registry::ClientMetrics;
use crate::clients::secret::process_key;
use crate::settings::IssuerSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::ClientAuthentication;

const GENERATED: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const START: Duration = Duration::from_secs(1_000);

/// An issuer's authentication, and the snapshot of its clients.
struct Gate {
    authenticator: SecretChecks,
    registry: Arc<Registry>,
}

impl Gate {
    /// With `chosen-N` / `chosen N` in the settings, and `generated`.
    fn new(chosen: usize) -> Self {
        let key = process_key().unwrap();
        let client = |id: String, secret: &str| {
            let secret = ClientAuthentication::chosen_secret(Secret::new(secret));
            ClientSettings {
                audiences: vec!["a".parse().unwrap()],
                ..ClientSettings::new(id.parse().unwrap(), secret)
            }
        };
        let chosen = (0..chosen).map(|n| client(format!("chosen-{n}"), &format!("chosen {n}")));
        let settings = IssuerSettings {
            clients: chosen
                .chain([client("generated".to_owned(), GENERATED)])
                .collect(),
            ..IssuerSettings::default()
        };
        let network = KeyNetwork::new(Arc::new(hallpass_clock::SystemClock::new()));
        let registrations = configured::registrations(&settings, &key, &network).unwrap();
        Self::of(registrations, key)
    }

    fn of(registrations: Vec<Registration>, key: hmac::Key) -> Self {
        let registry = Registry::build(registrations, None, &ClientMetrics::default()).unwrap();
        Self {
            authenticator: SecretChecks::new(key, Arc::new(Throttle::new()), Arc::default()),
            registry: Arc::new(registry),
        }
    }

    async fn ask(&self, id: &str, secret: &str, source: u16, at: Duration) -> Result<(), Refusal> {
        let credentials = SecretCredentials {
            unverified_client_id: id.into(),
            secret: secret.into(),
            unencoded_secret: None,
            place: SecretPlace::Header,
        };
        let [high, low] = source.to_be_bytes();
        let attempt = Attempt {
            source: Some(IpAddr::from([10, 0, high, low])),
            now: UnixTime::from_secs(1),
            monotonic: at,
            trace: None,
        };
        let asked = self
            .authenticator
            .authenticate(&self.registry, &credentials, attempt);
        asked.await.map(|client| assert_eq!(client.id, *id))
    }

    fn compared(&self) -> u64 {
        self.authenticator.chosen_checks.get()
    }
}

thread_local! {
    static COMPARISONS: Cell<u32> = const { Cell::new(0) };
}

fn counted(_: &LiveSecret, _: &Candidate<'_>) -> bool {
    COMPARISONS.set(COMPARISONS.get() + 1);
    false
}

#[test]
fn a_client_that_does_not_exist_costs_as_many_comparisons_as_one_that_does() {
    let gate = Gate::new(1);
    let attempt = Attempt {
        source: None,
        now: UnixTime::from_secs(1),
        monotonic: START,
        trace: None,
    };
    for readings in 1..=2 {
        for id in ["chosen-0", "generated", "nobody"] {
            let credentials = SecretCredentials {
                unverified_client_id: id.into(),
                secret: "wrong".into(),
                unencoded_secret: (readings == 2).then(|| "wr%6Fng".into()),
                place: SecretPlace::Header,
            };
            COMPARISONS.set(0);
            let gate = &gate;
            let found = gate
                .authenticator
                .compare(&gate.registry, &credentials, attempt, counted);
            assert!(found.is_none());
            assert_eq!(COMPARISONS.get(), readings, "{id}");
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_exist_costs_a_run_of_argon2id_where_another_has_a_chosen_secret() {
    let gate = Gate::of(vec![stored()], process_key().unwrap());
    let refused = gate.ask("nobody", "wrong", 1, START).await;
    assert_eq!(refused, Err(Refusal::BadCredentials));
    assert_eq!(gate.authenticator.costly_checks.get(), 1);
    assert_eq!(
        gate.authenticator.buffers.idle(),
        1,
        "the run took a buffer, so it was one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_costly_check_waits_for_its_turn_for_two_seconds_at_most() {
    let gate = Gate::of(vec![stored()], process_key().unwrap());
    let all = u32::try_from(COSTLY_CHECKS_AT_ONCE).unwrap();
    let _others = gate.authenticator.costly.acquire_many(all).await.unwrap();
    let began = tokio::time::Instant::now();
    let refused = gate.ask("stored", "chosen", 1, START).await;
    assert_eq!(refused, Err(Refusal::Busy));
    let waited = began.elapsed();
    let limit = Duration::from_secs(2)..Duration::from_secs(3);
    assert!(limit.contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_used_up_the_bucket_while_waiting_for_a_turn_costs_no_hash() {
    let gate = Gate::of(vec![stored()], process_key().unwrap());
    let all = u32::try_from(COSTLY_CHECKS_AT_ONCE).unwrap();
    let others = gate.authenticator.costly.acquire_many(all).await.unwrap();
    let meanwhile = async {
        let source = Some(IpAddr::from([10, 0, 0, 1]));
        let throttle = &gate.authenticator.throttle;
        while let Ok(pass) = throttle.admit(Work::Comparison, "stored", source, START) {
            pass.failed();
        }
        drop(others);
    };
    let (refused, ()) = tokio::join!(gate.ask("stored", "wrong", 1, START), meanwhile);
    assert!(
        matches!(refused, Err(Refusal::TooManyAttempts { .. })),
        "{refused:?}"
    );
    assert_eq!(gate.authenticator.costly_checks.get(), 0);
}

fn stored() -> Registration {
    Registration {
        client_id: "stored".parse().unwrap(),
        scope: Scope::empty(),
        audiences: Vec::new(),
        grants: Default::default(),
        token_life: Duration::from_secs(60),
        is_dpop_bound: false,
        is_certificate_bound: false,
        profile: None,
        refresh_life: Duration::from_secs(60),
        exchange: Vec::new(),
        may_revoke: Vec::new(),
        calls: Vec::new(),
        claims: serde_json::Map::new(),
        certificate_names: None,
        authentication: Authentication::by_secrets(vec![LiveSecret::stored("chosen")]),
    }
}

#[tokio::test]
async fn past_its_failures_a_guesser_is_refused_with_the_right_secret_too_and_nothing_is_compared()
{
    let gate = Gate::new(1);
    gate.ask("chosen-0", "chosen 0", 1, START).await.unwrap();
    for source in [1, 2] {
        for n in 0..20 {
            let refused = gate
                .ask("chosen-0", &format!("guess {n}"), source, START)
                .await;
            assert_eq!(refused, Err(Refusal::BadCredentials));
        }
        let compared = gate.compared();
        for _ in 0..100 {
            let refused = gate.ask("chosen-0", "chosen 0", source, START).await;
            assert!(
                matches!(refused, Err(Refusal::TooManyAttempts { .. })),
                "{refused:?}"
            );
        }
        assert_eq!(gate.compared(), compared);
    }
    let later = START + Duration::from_millis(500);
    gate.ask("chosen-0", "chosen 0", 1, later).await.unwrap();
}

#[tokio::test]
async fn no_right_client_is_refused_while_ten_thousand_wrong_secrets_a_second_come() {
    let gate = Gate::new(4);
    let mut right = 0;
    gate.ask("chosen-0", "chosen 0", 1, START).await.unwrap();
    for step in 0..30_000_u32 {
        let now = START + Duration::from_micros(100) * step;
        let elsewhere = 100 + u16::try_from(step % 250).unwrap();
        let wrong = match step % 4 {
            // From other addresses, for a client that is in use and for one that is not there.
            0 => gate.ask("chosen-0", "guess", elsewhere, now).await,
            1 => gate.ask("nobody", "guess", elsewhere, now).await,
            // From the same address, for other clients.
            2 => gate.ask("chosen-1", "guess", 1, now).await,
            _ => gate.ask("generated", "guess", 1, now).await,
        };
        assert!(wrong.is_err());
        if step % 100 == 0 {
            gate.ask("chosen-0", "chosen 0", 1, now).await.unwrap();
            gate.ask("generated", GENERATED, 1, now).await.unwrap();
            right += 2;
        }
        if step == 20_000 {
            gate.ask("chosen-2", "chosen 2", 1, now).await.unwrap();
            gate.ask("chosen-3", "chosen 3", 2, now).await.unwrap();
        }
    }
    assert_eq!(right, 600);
}

#[tokio::test]
async fn a_new_snapshot_forgets_neither_who_was_right_nor_who_guessed() {
    let mut gate = Gate::new(2);
    gate.ask("chosen-0", "chosen 0", 1, START).await.unwrap();
    while gate.ask("chosen-1", "guess", 1, START).await == Err(Refusal::BadCredentials) {}
    for n in 100..200 {
        let _ = gate.ask("chosen-0", "guess", n, START).await;
    }
    gate.registry = Gate::new(0).registry;
    assert_eq!(
        gate.ask("chosen-0", "chosen 0", 1, START).await,
        Err(Refusal::BadCredentials),
        "it is compared, though the client has gone"
    );
    assert!(matches!(
        gate.ask("chosen-1", "chosen 1", 1, START).await,
        Err(Refusal::TooManyAttempts { .. })
    ));
}

#[tokio::test]
async fn a_chosen_secret_of_the_store_is_hashed_once_and_its_wrong_ones_share_two_buffers() {
    let gate = Gate::of(vec![stored()], process_key().unwrap());
    let runs = || gate.authenticator.costly_checks.get();
    for _ in 0..100 {
        gate.ask("stored", "chosen", 1, START).await.unwrap();
    }
    assert_eq!(runs(), 1);
    for id in ["stored", "nobody"] {
        let before = runs();
        let wrong = (0..4).map(|_| gate.ask(id, "wrong", 1, START));
        for refused in futures_util::future::join_all(wrong).await {
            assert_eq!(refused, Err(Refusal::BadCredentials));
        }
        assert_eq!(runs() - before, 4, "as many runs for {id} as for the other");
    }
    assert!(gate.authenticator.buffers.idle() <= COSTLY_CHECKS_AT_ONCE);
}

#[tokio::test]
async fn after_a_restart_a_hundred_right_callers_at_once_cost_two_hashes_and_none_is_refused() {
    let gate = Gate::of(vec![stored()], process_key().unwrap());
    let asks = (0..100).map(|_| gate.ask("stored", "chosen", 1, START));
    for asked in futures_util::future::join_all(asks).await {
        asked.unwrap();
    }
    assert!(gate.authenticator.costly_checks.get() <= 2);
}
