//! What an open route depends on: not on the issuer, and not on how long a token is.

use std::time::Duration;

use axum::routing::any;
use hallpass_resource::{Caller, Rule, SecuritySettings};
use hallpass_token::SecurityContext;

use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, get, send, test_clock};

fn decisions(app: &App, result: &str, reason: &str, route: &str) -> f64 {
    let labels =
        format!("result=\"{result}\",reason=\"{reason}\",mode=\"enforce\",route=\"{route}\"");
    app.metric(&format!("hallpass_verify_total{{{labels}}}"))
}

#[tokio::test]
async fn an_open_route_does_not_depend_on_the_issuer() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    for behaviour in [Behaviour::Hang, Behaviour::keys(forge.keys())] {
        let is_up = !matches!(behaviour, Behaviour::Hang);
        let issuer = FakeIssuer::start(behaviour).await;
        if is_up {
            issuer.stop().await;
        }
        let app = AppBuilder::new(&clock)
            .trusting(&issuer, &forge)
            .start()
            .await;
        let token = forge.user("");
        let begun = tokio::time::Instant::now();
        for _ in 0..10 {
            let response = get(app.address, "/maybe", Some(&token)).await;
            assert_eq!((response.status, response.body.as_str()), (200, "nobody"));
        }
        // One wait in vain is enough to know.
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(decisions(&app, "allow", "unavailable", "/maybe"), 10.0);
    }
}

#[tokio::test]
async fn an_open_route_gives_the_identity_again_once_the_issuer_answers() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let token = forge.user("");
    assert_eq!(get(app.address, "/maybe", Some(&token)).await.body, "alice");
    // A token that is known to be bad is refused there too, as Spring Security does.
    let response = get(app.address, "/maybe", Some("a.b.c")).await;
    assert_eq!(response.refusal(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn an_extractor_on_an_open_route_says_why_there_is_no_identity() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::Hang).await;
    let routes = axum::Router::new().route(
        "/maybe",
        any(|caller: Caller| async move { caller.subject().to_string() }),
    );
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start_with(routes)
        .await;
    let response = get(app.address, "/maybe", Some(&forge.user(""))).await;
    assert_eq!(response.refusal(), (503, "unavailable".to_owned()));
    assert_eq!(response.header("retry-after"), Some("1"));
    let response = get(app.address, "/maybe", Some(&"x".repeat(9_000))).await;
    assert_eq!(response.refusal(), (431, "token_too_large".to_owned()));
    let response = get(app.address, "/maybe", None).await;
    assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
}

#[tokio::test]
async fn a_token_that_is_too_long_has_a_code_of_its_own_and_does_not_close_open_routes() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let long = forge.changed(|_, claims| claims["roles"] = serde_json::json!("r".repeat(6_400)));
    assert!(long.len() > 8_192, "{}", long.len());
    let response = get(app.address, "/whoami", Some(&long)).await;
    assert_eq!(response.refusal(), (431, "token_too_large".to_owned()));
    assert_eq!(response.header("www-authenticate"), None);
    let response = get(app.address, "/maybe", Some(&long)).await;
    assert_eq!((response.status, response.body.as_str()), (200, "nobody"));
    assert_eq!(decisions(&app, "allow", "malformed", "/maybe"), 1.0);
    // Long credentials of another scheme are no token at all.
    let ticket = format!("Negotiate {}", "x".repeat(12_000));
    let headers = [("authorization", ticket.as_bytes())];
    assert_eq!(send(app.address, b"GET /maybe", &headers).await.status, 200);
    let response = send(app.address, b"GET /whoami", &headers).await;
    assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
}

#[tokio::test]
async fn the_longest_token_is_a_setting_that_can_change() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let settings = |bytes| SecuritySettings {
        max_token_bytes: bytes,
        ..SecuritySettings::default()
    };
    let server = crate::settings::builder(&settings(1_024), &clock)
        .route_any("/whoami", Rule::Authenticated);
    let app = AppBuilder::new(&clock)
        .with(|_| server)
        .trusting_fixed(&forge)
        .start()
        .await;
    let of_bytes = |bytes: usize| {
        // Three bytes of claims are four bytes of token.
        let bare = forge
            .changed(|_, claims| claims["pad"] = serde_json::json!(""))
            .len();
        let pad = (bytes - bare) * 3 / 4;
        forge.changed(|_, claims| claims["pad"] = serde_json::json!("r".repeat(pad)))
    };
    let status = async |token: String| get(app.address, "/whoami", Some(&token)).await.status;
    assert_eq!(status(of_bytes(1_020)).await, 200);
    assert_eq!(status(of_bytes(1_030)).await, 431);
    app.server.apply(&settings(16_384)).unwrap();
    assert_eq!(status(of_bytes(16_380)).await, 200);
    assert_eq!(status(of_bytes(16_400)).await, 431);
}

#[test]
fn a_placeholder_is_no_identity_that_anybody_could_act_with() {
    let nobody = SecurityContext::placeholder();
    assert_eq!(nobody.subject().as_str(), "anonymousUser");
    assert!(nobody.scope().is_empty() && nobody.client_id().is_none() && !nobody.is_service());
    assert_eq!(nobody.token().expose(), "");
    assert_eq!(nobody.expires_at().as_secs(), 0);
}

#[tokio::test]
async fn a_token_of_just_the_longest_length_is_taken() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let token = forge.changed(|_, claims| claims["roles"] = serde_json::json!("r".repeat(1_024)));
    for (bytes, status) in [(token.len(), 200), (token.len() - 1, 431)] {
        let settings = SecuritySettings {
            max_token_bytes: bytes,
            ..SecuritySettings::default()
        };
        let server =
            crate::settings::builder(&settings, &clock).route_any("/whoami", Rule::Authenticated);
        let app = AppBuilder::new(&clock)
            .with(|_| server)
            .trusting_fixed(&forge)
            .start()
            .await;
        let response = get(app.address, "/whoami", Some(&token)).await;
        assert_eq!(response.status, status);
    }
}

#[tokio::test]
async fn only_a_route_that_depends_on_the_identity_waits_for_an_issuer_that_takes_long() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::Hang).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let (address, token) = (app.address, forge.user(""));
    let call = tokio::spawn(async move { get(address, "/whoami", Some(&token)).await.body });
    issuer.wait_for_requests(1).await;
    // Longer than calls wait that pass without an identity.
    tokio::time::sleep(Duration::from_millis(700)).await;
    issuer.set(Behaviour::keys(forge.keys()));
    assert_eq!(call.await.unwrap(), "alice");
}

#[tokio::test]
async fn with_permit_all_no_call_waits_for_an_issuer_that_hangs() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::Hang).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .with(|server| server.dangerous_permit_all(true))
        .start()
        .await;
    let begun = tokio::time::Instant::now();
    let response = get(app.address, "/whoami", Some(&forge.user(""))).await;
    assert_eq!((response.status, response.body.as_str()), (200, "nobody"));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn what_is_refused_for_its_path_costs_no_look_at_its_token() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let token = forge.user("");
    let response = get(app.address, "/maybe/../whoami", Some(&token)).await;
    assert_eq!(response.refusal(), (400, "ambiguous_path".to_owned()));
    assert_eq!(issuer.requests(), 0);
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    assert_eq!(issuer.requests(), 1);
}
