//! Settings that change while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_client::{
    AuthTokenService, CacheLife, ClientAuthentication, CredentialSettings, InternalTokenSettings,
    MemoryCacheSettings, MemoryTokenCache, NamedCredentialSettings, TokenError, TokenHandle,
    TokenServiceSettings, TokenSettingsError, TokenSource,
};
use hallpass_config::Secret;
use hallpass_upstream::StaticDiscovery;
use tokio::time::sleep;

use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle};

const LIFE: Duration = Duration::from_secs(600);

/// What `scripted_issuer::credential` is, as settings; `post` lets the issuer see id and secret.
pub(crate) fn own(secret: &str) -> CredentialSettings {
    CredentialSettings {
        client_id: "internal-service-client".parse().unwrap(),
        client_secret: Secret::from(secret),
        client_secret_file: None,
        private_key: None,
        client_assertion: None,
        token_url: "https://service-auth.example/oauth2/token".parse().unwrap(),
        scope: "internal-service".parse().unwrap(),
        audience: None,
        grant_type: Default::default(),
        issuer: None,
        cache_life: CacheLife::DEFAULT,
        client_authentication: ClientAuthentication::Post,
        target_parameter: Default::default(),
        binding: Default::default(),
        revocations_url: None,
    }
}

fn billing(secret: &str) -> NamedCredentialSettings {
    NamedCredentialSettings {
        name: "billing".to_owned(),
        credential: CredentialSettings {
            client_id: "billing-caller".parse().unwrap(),
            audience: Some("service-billing".parse().unwrap()),
            ..own(secret)
        },
    }
}

pub(crate) fn settings(
    credential: CredentialSettings,
    clients: impl IntoIterator<Item = NamedCredentialSettings>,
) -> InternalTokenSettings {
    InternalTokenSettings {
        token_service: Some(TokenServiceSettings {
            credential,
            clients: clients.into_iter().collect(),
            memory_cache: MemoryCacheSettings::default(),
        }),
        ..InternalTokenSettings::default()
    }
}

/// A service that works by `settings("first", billing "first")` and asks `issuer`.
fn service(issuer: &ScriptedIssuer) -> AuthTokenService {
    let service = issuer.client().build();
    service
        .apply(&settings(own("first"), [billing("first")]))
        .unwrap();
    service
}

fn to_billing(service: &AuthTokenService) -> TokenHandle {
    service.handle(&"service-billing".parse().unwrap(), &"".parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_is_used_at_once_and_other_credentials_keep_their_tokens() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let (system, billing_handle) = (handle(&service), to_billing(&service));
    let old = system.token().await.unwrap();
    let kept = billing_handle.token().await.unwrap();

    let next = settings(own("second"), [billing("first")]);
    service.apply(&next).unwrap();
    assert!(system.try_current().is_none(), "the old token is not used");
    let new = system.token().await.unwrap();
    assert!(new != old && new.generation() > old.generation());
    assert_eq!(issuer.forms().last().unwrap()["client_secret"], "second");
    assert_eq!(billing_handle.try_current().unwrap(), kept);
    assert_eq!(issuer.requests(), 3);

    service.apply(&next).unwrap();
    assert_eq!(system.try_current().unwrap(), new, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_added_or_removed_is_chosen_or_not_from_then_on() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = to_billing(&service);
    let client = || tokens.key().unwrap().client().to_string();
    let mine = tokens.token().await.unwrap();
    assert_eq!(client(), "billing-caller");

    service.apply(&settings(own("first"), [])).unwrap();
    assert_ne!(tokens.token().await.unwrap(), mine);
    assert_eq!(client(), "internal-service-client");

    service
        .apply(&settings(own("first"), [billing("first")]))
        .unwrap();
    assert_ne!(tokens.token().await.unwrap(), mine, "it was gone meanwhile");
    assert_eq!(client(), "billing-caller");
}

#[tokio::test(start_paused = true)]
async fn a_handle_without_scope_follows_the_configured_one() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = to_billing(&service);
    tokens.token().await.unwrap();
    let mut wider = billing("first");
    wider.credential.scope = "internal-service report".parse().unwrap();
    service.apply(&settings(own("first"), [wider])).unwrap();
    tokens.token().await.unwrap();
    let forms = issuer.forms();
    assert_eq!(forms.last().unwrap()["scope"], "internal-service report");
}

#[tokio::test(start_paused = true)]
async fn a_service_is_switched_off_and_on_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = handle(&service);
    tokens.token().await.unwrap();

    service.apply(&InternalTokenSettings::default()).unwrap();
    assert!(!service.is_enabled());
    assert!(tokens.try_current().is_none() && tokens.key().is_none());
    assert_eq!(tokens.token().await.unwrap_err(), TokenError::Disabled);
    let made_while_off = handle(&service);

    service.apply(&settings(own("first"), [])).unwrap();
    assert!(service.is_enabled());
    assert_eq!(
        tokens.token().await.unwrap(),
        made_while_off.token().await.unwrap()
    );
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_behind_a_service_name_is_taken_where_there_is_a_discovery() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = issuer
        .client()
        .discovery(Arc::new(StaticDiscovery::new()))
        .build();
    let mut elsewhere = own("first");
    elsewhere.token_url = "lb://service-auth/oauth2/token".parse().unwrap();
    assert_eq!(service.apply(&settings(elsewhere, [])), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_work_change_nothing() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = handle(&service);
    let token = tokens.token().await.unwrap();

    let mut nowhere = own("second");
    nowhere.token_url = "lb://service-auth/oauth2/token".parse().unwrap();
    let refused = |settings| service.apply(&settings).unwrap_err();
    assert_eq!(
        refused(settings(own("second"), [billing("a"), billing("b")])),
        TokenSettingsError::AudienceTwice {
            audience: "service-billing".parse().unwrap()
        }
    );
    assert_eq!(
        refused(settings(nowhere, [])),
        TokenSettingsError::NoDiscovery {
            service: "service-auth".to_owned()
        }
    );
    assert_eq!(tokens.try_current().unwrap(), token);
    tokens.evict().await;
    tokens.token().await.unwrap();
    assert_eq!(issuer.forms().last().unwrap()["client_secret"], "first");
}

#[tokio::test(start_paused = true)]
async fn another_cache_life_keeps_the_token_and_moves_its_renewal() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = handle(&service);
    let old = tokens.token().await.unwrap();
    issuer.set(Mode::Down);
    let mut shorter = own("first");
    shorter.cache_life = CacheLife::new(Duration::from_secs(60), Duration::from_secs(10)).unwrap();
    service.apply(&settings(shorter, [])).unwrap();
    assert_eq!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 1);

    issuer.set(Mode::Issue);
    sleep(Duration::from_secs(55)).await;
    assert_eq!(tokens.token().await.unwrap(), old, "due, not overdue");
    sleep(Duration::from_secs(1)).await;
    assert_ne!(tokens.token().await.unwrap(), old, "renewed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn memory_can_be_switched_off_while_running() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let tokens = handle(&service);
    tokens.token().await.unwrap();
    let mut without = settings(own("first"), [billing("first")]);
    let section = without.token_service.as_mut().unwrap();
    section.memory_cache.enabled = false;
    service.apply(&without).unwrap();
    for requests in 2..5 {
        tokens.token().await.unwrap();
        assert_eq!(issuer.requests(), requests);
        assert!(tokens.try_current().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_tier_does_not_bring_back_tokens_of_a_secret_that_was_replaced() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = Arc::new(MemoryTokenCache::new(10));
    let first = issuer.client_with(credential()).shared_cache(tier.clone());
    let service = first.build();
    let tokens = handle(&service);
    let old = tokens.token().await.unwrap();
    service.apply(&settings(own("second"), [])).unwrap();
    let new = tokens.token().await.unwrap();
    assert_ne!(new, old);
    assert_eq!(new.source(), TokenSource::Issuer);

    // Sealed with the new secret: another process has to know it too, and then trusts what it finds.
    let other_process = issuer.client().shared_cache(tier).build();
    other_process.apply(&settings(own("second"), [])).unwrap();
    let other_process = handle(&other_process);
    assert_eq!(other_process.token().await.unwrap(), new);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_serves_those_who_wait_for_it_and_nobody_after_them() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_secs(1));
    let tier = Arc::new(MemoryTokenCache::new(10));
    let service = issuer.client().shared_cache(tier.clone()).build();
    let tokens = handle(&service);
    let waiting = tokio::spawn({
        let tokens = tokens.clone();
        async move { tokens.token().await }
    });
    sleep(Duration::from_millis(500)).await;
    service.apply(&settings(own("second"), [])).unwrap();
    let old = waiting.await.unwrap().unwrap();
    assert!(tier.is_empty(), "it came after its credential had gone");
    assert_ne!(tokens.token().await.unwrap(), old);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_fails_while_settings_change() {
    let issuer = ScriptedIssuer::new(LIFE);
    issuer.set_delay(Duration::from_millis(1));
    let service = service(&issuer);
    let done = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (done, calls) = (Arc::clone(&done), Arc::clone(&calls));
            let tokens = match number % 2 {
                0 => handle(&service),
                _ => to_billing(&service),
            };
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    tokens.token().await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 0..300 {
        let secret = format!("secret-{}", number / 2);
        let clients = (number % 3 != 0).then(|| billing(&secret));
        service.apply(&settings(own(&secret), clients)).unwrap();
        let so_far = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) < so_far + 8 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let tokens = handle(&service);
    tokens.evict().await;
    tokens.token().await.unwrap();
    let last = issuer.forms().pop().unwrap();
    assert_eq!(last["client_secret"], "secret-149");
}

/// Documents of the issuer and of its clients do not change in the same moment.
#[tokio::test(start_paused = true)]
async fn a_new_secret_that_the_issuer_does_not_know_yet_costs_no_call() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    issuer.takes_only("first");
    let tokens = handle(&service);
    tokens.token().await.unwrap();
    service
        .apply(&settings(own("second"), [billing("first")]))
        .unwrap();
    tokens.token().await.unwrap();
    issuer.takes_only("second");
    tokens.evict().await;
    tokens.token().await.unwrap();
    let forms = issuer.forms();
    let sent: Vec<_> = forms
        .iter()
        .map(|form| form["client_secret"].as_str())
        .collect();
    assert_eq!(sent, ["first", "second", "first", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_chosen_by_its_name_before_the_audience_and_others_keep_their_tokens() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = service(&issuer);
    let reports = |name: &str| {
        let mut reports = billing("third");
        reports.name = name.to_owned();
        reports.credential.client_id = "reports-caller".parse().unwrap();
        reports.credential.audience = None;
        reports
    };
    let (audience, scope) = ("service-billing".parse().unwrap(), "".parse().unwrap());
    let by_name = service.handle_as("reports", &audience, &scope);
    let by_audience = to_billing(&service);
    let client = |tokens: &TokenHandle| tokens.key().unwrap().client().to_string();
    // There is none of the name yet.
    by_name.token().await.unwrap();
    assert_eq!(client(&by_name), "billing-caller");
    let kept = by_audience.token().await.unwrap();
    let named = settings(own("first"), [billing("first"), reports("reports")]);
    service.apply(&named).unwrap();
    by_name.token().await.unwrap();
    assert_eq!(
        (client(&by_name).as_str(), client(&by_audience).as_str()),
        ("reports-caller", "billing-caller")
    );
    assert_eq!(
        by_audience.token().await.unwrap().access_token(),
        kept.access_token()
    );
    assert_eq!(issuer.requests(), 2);
    // A rotation of one touches its tokens alone.
    let mut rotated = reports("reports");
    rotated.credential.client_secret = Secret::from("fourth");
    service
        .apply(&settings(own("first"), [billing("first"), rotated]))
        .unwrap();
    assert!(by_name.try_current().is_none());
    assert!(by_audience.try_current().is_some());
    by_name.token().await.unwrap();
    assert_eq!(issuer.forms().last().unwrap()["client_secret"], "fourth");
    assert_eq!(issuer.requests(), 3);
    // Another name, and the credential for the audience serves again.
    service
        .apply(&settings(
            own("first"),
            [billing("first"), reports("other")],
        ))
        .unwrap();
    by_name.token().await.unwrap();
    assert_eq!(client(&by_name), "billing-caller");
    assert_eq!(issuer.requests(), 3, "its token was kept");
}
