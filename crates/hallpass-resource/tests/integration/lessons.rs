//! What users of other verifiers have met with, where no other test here says it already. The list of all of it, with the test of
//! each, is `crates/hallpass-testkit/tests/tidy/lessons`.

use std::time::Duration;

use hallpass_resource::{KeyLimits, Mode};
use serde_json::json;
use tokio::time::timeout;

use crate::sections::{is_refused, load};
use crate::support::{AppBuilder, Behaviour, FakeIssuer, Forge, get, send, test_clock};

/// A fetch that hangs goes on for so long: who waits for it is never done.
const HANGS_FOR: Duration = Duration::from_secs(3_600);
/// Far more than calls take that wait for nobody, on whatever machine.
const SOON: Duration = Duration::from_secs(120);

/// Blocking refresh (spring-security#16538, camunda#60337): all threads stood behind one slow fetch.
#[tokio::test]
async fn while_one_issuer_hangs_no_call_with_known_keys_and_none_of_another_issuer_waits() {
    let clock = test_clock();
    let [slow, other] = ["slow", "other"].map(|it| Forge::new(it, &clock));
    let hanging = FakeIssuer::start(Behaviour::keys(slow.keys())).await;
    let answering = FakeIssuer::start(Behaviour::keys(other.keys())).await;
    let limits = KeyLimits {
        fetch_timeout: HANGS_FOR,
        ..KeyLimits::default()
    };
    let app = AppBuilder::new(&clock)
        .trusting_within(&hanging, &slow, limits)
        .trusting(&answering, &other)
        .start()
        .await;
    app.server.load_keys().await.unwrap();
    hanging.set(Behaviour::Hang);
    let strangers = (0..20).map(|number| {
        let token = slow.changed(|header, _| header["kid"] = json!(format!("new-{number}")));
        let server = app.server.clone();
        tokio::spawn(async move { server.verify(&token).await })
    });
    let strangers: Vec<_> = strangers.collect();
    hanging.wait_for_requests(2).await;
    let calls = async {
        for number in 0..100 {
            // Another token each time: none of them is remembered.
            for forge in [&slow, &other] {
                let token = forge.user(&format!("s{number}"));
                assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
            }
        }
    };
    timeout(SOON, calls).await.unwrap();
    assert_eq!(hanging.requests(), 2, "one fetch for all strangers");
    hanging.set(Behaviour::keys(slow.keys()));
    for stranger in strangers {
        assert!(stranger.await.unwrap().is_err());
    }
}

/// Latency (istio#49691): fifty issuers and more were tried one after the other.
#[tokio::test]
async fn of_sixty_issuers_only_the_one_that_a_token_names_is_asked_for_its_keys() {
    let clock = test_clock();
    let mut issuers = Vec::new();
    let mut app = AppBuilder::new(&clock);
    for number in 0..60 {
        let name = Box::leak(format!("https://issuer-{number}.example").into_boxed_str());
        let forge = Forge::new(name, &clock);
        let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
        app = app.trusting(&issuer, &forge);
        issuers.push((issuer, forge));
    }
    let app = app.start().await;
    let last = issuers.last().unwrap();
    let token = last.1.user("");
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    let asked: Vec<_> = issuers.iter().map(|(it, _)| it.requests()).collect();
    assert_eq!(asked.iter().sum::<usize>(), 1, "{asked:?}");
    assert_eq!(last.0.requests(), 1);
    // Nor does one of them vouch for the tokens of another.
    let stranger = Forge::new(last.1.issuer, &clock).user("");
    let refused = get(app.address, "/whoami", Some(&stranger)).await;
    assert_eq!(refused.refusal(), (401, "invalid_token".to_owned()));
}

/// Audience confusion (wimse s2s#172): the name that `aud` must bear came from what a proxy, or a caller, had written.
#[tokio::test]
async fn no_header_of_a_request_says_which_audience_is_ours() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let host = app.address.to_string();
    for audience in ["evil.example", "https://evil.example", &host, "127.0.0.1"] {
        let token = forge.changed(|_, claims| claims["aud"] = json!(audience));
        let bearer = format!("Bearer {token}");
        let forwarded = format!("host={audience};proto=https");
        let headers: [(&str, &[u8]); 6] = [
            ("authorization", bearer.as_bytes()),
            ("x-forwarded-host", audience.as_bytes()),
            ("x-original-host", audience.as_bytes()),
            ("x-forwarded-server", audience.as_bytes()),
            ("forwarded", forwarded.as_bytes()),
            ("audience", audience.as_bytes()),
        ];
        let refused = send(app.address, b"GET /whoami", &headers).await;
        assert_eq!(refused.refusal(), (401, "invalid_token".to_owned()));
        // The headers do no harm to a token for us either.
        let good = format!("Bearer {}", forge.user(""));
        let mut headers = headers;
        headers[0].1 = good.as_bytes();
        assert_eq!(
            send(app.address, b"GET /whoami", &headers).await.status,
            200
        );
    }
}

/// Envoy crashed where a request without obligation had several tokens and no key set could be had.
#[tokio::test]
async fn cve_2025_64527_several_tokens_while_no_keys_can_be_had_are_one_bad_request() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let tokens = ["a", "b"].map(|it| format!("Bearer {}", forge.user(it)));
    let headers = [
        ("authorization", tokens[0].as_bytes()),
        ("authorization", tokens[1].as_bytes()),
    ];
    for behaviour in [Behaviour::Hang, Behaviour::status(500)] {
        for mode in [Mode::Enforce, Mode::Report] {
            let issuer = FakeIssuer::start(behaviour.clone()).await;
            let app = AppBuilder::new(&clock)
                .trusting(&issuer, &forge)
                .with(|server| server.mode(mode))
                .start()
                .await;
            for line in [&b"GET /maybe"[..], b"GET /whoami"] {
                let response = send(app.address, line, &headers).await;
                match mode {
                    Mode::Enforce => {
                        let expected = (400, "invalid_request".to_owned());
                        assert_eq!(response.refusal(), expected);
                    }
                    _ => assert_eq!((response.status, &*response.body), (200, "nobody")),
                }
            }
            issuer.set(Behaviour::keys(forge.keys()));
            clock.advance_seconds(60);
            let good = get(app.address, "/whoami", Some(&forge.user(""))).await;
            assert_eq!((good.status, &*good.body), (200, "alice"));
        }
    }
}

/// Verified cache (envoy#14341): tokens of more than 4 KiB were verified anew each time.
#[tokio::test]
async fn a_token_of_nearly_eight_kilobytes_is_remembered_like_a_short_one() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let long = forge.changed(|_, claims| claims["groups"] = json!("g".repeat(5_600)));
    assert!((7_500..8_192).contains(&long.len()), "{}", long.len());
    for _ in 0..3 {
        assert_eq!(get(app.address, "/whoami", Some(&long)).await.status, 200);
    }
    assert_eq!(app.metric("hallpass_verified_token_cache_hits_total"), 2.0);
}

/// Dev bypass (vellum-assistant#8876 and others): one blank field removed all checks.
#[test]
fn no_blank_value_of_the_settings_takes_a_check_away() {
    let text = |jwt: &str| {
        format!("hallpass: {{ service.name: shop, security: {{ internal-jwt: {{ {jwt} }} }} }}")
    };
    let keys = "jwks-url: 'https://a.example/jwks'";
    let entry = |rest: &str| format!("issuers: [{{ name: a, issuer: a, {rest} }}]");
    let refused = [
        format!("{keys}, mode: ''"),
        format!("{keys}, audience: ''"),
        format!("{keys}, audience: []"),
        format!("{keys}, issuer: ''"),
        "jwks-url: ''".to_owned(),
        format!("{keys}, bound: ''"),
        format!("{keys}, routes: [{{ path: '', rule: authenticated }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: '' }}]"),
        format!("{keys}, routes: [{{ path: /a }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: scopes }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: scopes, all: '' }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: authenticated, mode: '' }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: authenticated, callers: [] }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: authenticated, hosts: [] }}]"),
        format!("{keys}, routes: [{{ path: /a, rule: authenticated, methods: [] }}]"),
        format!("{keys}, internal-only: {{ paths: [/a], scope: '' }}"),
        entry(&format!("{keys}, audience: []")),
        entry(&format!("{keys}, algorithms: []")),
        entry("jwks-url: ''"),
        entry("audience: shop"),
    ];
    let taken = refused.iter().filter(|jwt| !is_refused(&text(jwt)));
    assert_eq!(taken.collect::<Vec<_>>(), [] as [&String; 0]);
    for jwt in ["", "issuers: []", "routes: []", "internal-only: {}"] {
        let security = load(&text(jwt)).security;
        assert!(!security.permit_all, "{jwt}");
        assert_eq!(security.internal_jwt.mode, Mode::Enforce, "{jwt}");
    }
}

/// Spring Cloud Gateway evaluated expressions in its routes.
#[test]
fn cve_2022_22947_no_text_of_the_settings_is_evaluated() {
    let texts = [
        "#{7*7}",
        "#{T(java.lang.Runtime).getRuntime()}",
        "{{7*7}}",
        "$(id)",
        "`id`",
        "%{7*7}",
    ];
    let roles: Vec<_> = texts.iter().map(|it| format!("'{it}'")).collect();
    let text = |roles: &str| {
        format!(
            "hallpass: {{ service.name: shop, security.internal-jwt: {{ jwks-url: 'https://a.example/jwks', \
             routes: [{{ path: /a, rule: authenticated, roles: [{roles}] }}] }} }}"
        )
    };
    let security = load(&text(&roles.join(", "))).security;
    let server = crate::settings::builder(&security, &test_clock())
        .build()
        .unwrap();
    let shown = server.rules()[0].conditions.to_string();
    for text in texts {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    // A placeholder names a variable or a key, and is nothing else.
    for placeholder in ["${7*7}", "${T(java.lang.Runtime)}", "${systemProperties}"] {
        assert!(is_refused(&text(&format!("'{placeholder}'"))));
    }
}
