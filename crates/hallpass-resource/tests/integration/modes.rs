//! Rules and modes: what is open, what is closed, and what `off`, `report` and `permit-all` let through.

use hallpass_resource::{Mode, ResourceServer, RouteRule, Rule, SecuritySettings, SetupProblem};
use serde_json::json;

use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, Log, get, send, test_clock};

async fn start(mode: Mode) -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| server.mode(mode))
        .start()
        .await;
    (app, forge)
}

fn decisions(app: &App, result: &str, reason: &str, mode: &str, route: &str) -> f64 {
    let labels =
        format!("result=\"{result}\",reason=\"{reason}\",mode=\"{mode}\",route=\"{route}\"");
    app.metric(&format!("hallpass_verify_total{{{labels}}}"))
}

#[tokio::test]
async fn a_route_without_a_rule_is_closed_to_everybody() {
    let (app, forge) = start(Mode::Enforce).await;
    for path in ["/unlisted", "/no/such/handler"] {
        assert_eq!(
            get(app.address, path, None).await.refusal(),
            (401, "missing_token".to_owned())
        );
        let response = get(
            app.address,
            path,
            Some(&forge.service("internal-service admin")),
        )
        .await;
        assert_eq!(response.refusal(), (403, "insufficient_scope".to_owned()));
    }
    // GET has a rule, the others have none.
    let response = send(app.address, b"DELETE /orders/7", &[]).await;
    assert_eq!(response.refusal(), (401, "missing_token".to_owned()));
    assert_eq!(decisions(&app, "deny", "missing", "enforce", "none"), 3.0);
}

#[tokio::test]
async fn a_path_without_a_meaning_that_passes_is_handled_as_the_callers() {
    for mode in [Mode::Off, Mode::Report] {
        let (app, forge) = start(mode).await;
        let token = forge.service("internal-service");
        let response = get(app.address, "/internal/jobs;x=1", Some(&token)).await;
        assert_eq!((response.status, &*response.body), (200, "order-service"));
    }
}

#[tokio::test]
async fn head_is_judged_as_get() {
    let (app, forge) = start(Mode::Enforce).await;
    assert_eq!(send(app.address, b"HEAD /orders/7", &[]).await.status, 401);
    let token = format!("Bearer {}", forge.user("orders"));
    let headers = [("authorization", token.as_bytes())];
    assert_eq!(
        send(app.address, b"HEAD /orders/7", &headers).await.status,
        200
    );
}

#[tokio::test]
async fn a_users_token_never_opens_an_internal_only_route() {
    let (app, forge) = start(Mode::Enforce).await;
    let service = forge.service("internal-service");
    assert_eq!(
        get(app.address, "/internal/jobs", Some(&service))
            .await
            .body,
        "order-service"
    );

    let actor = json!({ "sub": "order-service", "client_id": "order-service" });
    let cases = [
        ("a user", forge.user("internal-service")),
        (
            "a user with every scope",
            forge.user("internal-service admin orders"),
        ),
        (
            "an exchanged token",
            forge.changed(|_, claims| {
                claims["act"] = actor.clone();
                claims["scope"] = json!("internal-service");
            }),
        ),
        (
            "a service's token that another acts with",
            forge.changed(|_, claims| {
                claims["sub"] = json!("order-service");
                claims["scope"] = json!("internal-service");
                claims["act"] = actor.clone();
            }),
        ),
        (
            "no client",
            forge.changed(|_, claims| {
                claims["sub"] = json!("order-service");
                claims["scope"] = json!("internal-service");
                claims.as_object_mut().unwrap().remove("client_id");
            }),
        ),
    ];
    // The scope is there, so it is not named as what is missing.
    let challenge = "Bearer realm=\"shop\", error=\"insufficient_scope\"";
    for (who, token) in cases {
        let response = get(app.address, "/internal/jobs", Some(&token)).await;
        let refusal = (403, "service_required".to_owned());
        assert_eq!(response.refusal(), refusal, "{who}");
        let found = response.header("www-authenticate");
        assert_eq!(found, Some(challenge), "{who}");
    }
    let lacking = forge.service("internal-services");
    let response = get(app.address, "/internal/jobs", Some(&lacking)).await;
    assert_eq!(response.refusal(), (403, "insufficient_scope".to_owned()));
    let challenge = format!("{challenge}, scope=\"internal-service\"");
    assert_eq!(response.header("www-authenticate"), Some(&*challenge));
}

#[tokio::test]
async fn a_service_of_an_issuer_that_is_not_internal_stays_outside() {
    let clock = test_clock();
    let (ours, partner) = (
        Forge::new("internal", &clock),
        Forge::new("https://partner.example", &clock),
    );
    let keys = hallpass_resource::KeySource::fixed(partner.keys(), clock.clone());
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&ours)
        .with(|server| server.issuer(crate::support::app::trusted(partner.issuer, keys)))
        .start()
        .await;
    let token = partner.service("internal-service");
    assert_eq!(get(app.address, "/whoami", Some(&token)).await.status, 200);
    assert_eq!(
        get(app.address, "/internal/jobs", Some(&token))
            .await
            .status,
        403
    );
    assert_eq!(
        get(
            app.address,
            "/internal/jobs",
            Some(&ours.service("internal-service"))
        )
        .await
        .status,
        200
    );
}

#[tokio::test]
async fn report_lets_calls_pass_and_counts_but_gives_no_unverified_identity() {
    let (app, forge) = start(Mode::Report).await;
    let expired = forge.changed(|_, claims| claims["exp"] = json!(1));
    for (token, seen, reason) in [
        (None, "nobody", "missing"),
        (Some("a.b.c".to_owned()), "nobody", "malformed"),
        (Some(expired), "nobody", "expired"),
    ] {
        let response = get(app.address, "/whoami", token.as_deref()).await;
        assert_eq!(
            (response.status, response.body.as_str()),
            (200, seen),
            "{reason}"
        );
        assert_eq!(
            decisions(&app, "would_deny", reason, "report", "/whoami"),
            1.0,
            "{reason}"
        );
    }
    // Verified, but not allowed: the identity is real.
    let response = get(app.address, "/internal/x", Some(&forge.user(""))).await;
    assert_eq!((response.status, response.body.as_str()), (200, "alice"));
    assert_eq!(
        decisions(&app, "would_deny", "scope", "report", "/internal/**"),
        1.0
    );
    // Verified and allowed.
    assert_eq!(
        get(app.address, "/whoami", Some(&forge.user("")))
            .await
            .body,
        "alice"
    );
    assert_eq!(decisions(&app, "allow", "none", "report", "/whoami"), 1.0);
    // An odd path passes too, and is counted.
    assert_eq!(get(app.address, "/a//b", None).await.status, 200);
    assert_eq!(
        decisions(&app, "would_deny", "malformed", "report", "none"),
        1.0
    );
}

#[tokio::test]
async fn report_lets_calls_pass_while_the_issuer_hangs_and_while_it_is_down() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::Hang).await;
    let builder = AppBuilder::new(&clock).trusting(&issuer, &forge);
    let app = builder
        .with(|server| server.mode(Mode::Report))
        .start()
        .await;
    let token = forge.user("");
    let response = get(app.address, "/whoami", Some(&token)).await;
    assert_eq!((response.status, response.body.as_str()), (200, "nobody"));
    issuer.stop().await;
    let response = get(app.address, "/whoami", Some(&token)).await;
    assert_eq!((response.status, response.body.as_str()), (200, "nobody"));
    assert_eq!(
        decisions(&app, "would_deny", "unavailable", "report", "/whoami"),
        2.0
    );
}

#[tokio::test]
async fn each_route_can_have_its_own_mode() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let rule = |pattern: &str, mode| {
        RouteRule::new(pattern.parse().unwrap(), Rule::Authenticated).mode(mode)
    };
    let server = ResourceServer::builder("shop", clock.clone())
        .mode(Mode::Report)
        .rule(rule("/whoami", Mode::Enforce))
        .rule(rule("/headers", Mode::Off))
        .route_any("/either", Rule::Authenticated);
    let app = AppBuilder::new(&clock)
        .with(|_| server)
        .trusting_fixed(&forge)
        .start()
        .await;
    assert_eq!(get(app.address, "/whoami", None).await.status, 401);
    assert_eq!(get(app.address, "/headers", None).await.status, 200);
    assert_eq!(get(app.address, "/either", None).await.status, 200);
    assert_eq!(
        decisions(&app, "deny", "missing", "enforce", "/whoami"),
        1.0
    );
    assert_eq!(decisions(&app, "bypass", "none", "off", "/headers"), 1.0);
    assert_eq!(
        decisions(&app, "would_deny", "missing", "report", "/either"),
        1.0
    );
}

#[tokio::test]
async fn permit_all_lets_everything_pass_with_real_identities_only_and_shows_it() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let builder = AppBuilder::new(&clock).trusting_fixed(&forge);
    let app = builder
        .with(|server| server.dangerous_permit_all(true))
        .start()
        .await;
    assert_eq!(app.metric("hallpass_dev_bypass_enabled"), 1.0);
    assert_eq!(get(app.address, "/internal/x", None).await.body, "nobody");
    assert_eq!(
        get(app.address, "/internal/x", Some("a.b.c")).await.body,
        "nobody"
    );
    assert_eq!(
        get(app.address, "/internal/x", Some(&forge.user("")))
            .await
            .body,
        "alice"
    );
    assert_eq!(
        decisions(&app, "bypass", "missing", "enforce", "/internal/**"),
        1.0
    );
    assert_eq!(
        decisions(&app, "bypass", "scope", "enforce", "/internal/**"),
        1.0
    );
    // Forged identity headers do not pass even here.
    let response = send(
        app.address,
        b"GET /headers",
        &[("X-User-Id", b"root"), ("x_user_id", b"root")],
    )
    .await;
    assert!(!response.body.contains("root"), "{}", response.body);
}

#[test]
fn permit_all_does_not_start_beside_a_production_signal() {
    let server = ResourceServer::builder("shop", test_clock())
        .dangerous_permit_all(true)
        .production_signal(Some("KUBERNETES_SERVICE_HOST".to_owned()))
        .build();
    let signal = "KUBERNETES_SERVICE_HOST".to_owned();
    assert_eq!(
        server.unwrap_err().problems,
        [SetupProblem::PermitAllInProduction { signal }]
    );
    // The signal alone does not stop the start, and neither does permit-all alone.
    let builder = || ResourceServer::builder("shop", test_clock());
    assert!(
        builder()
            .production_signal(Some("ENV".to_owned()))
            .build()
            .is_ok()
    );
    assert!(builder().dangerous_permit_all(true).build().is_ok());
}

#[test]
fn all_problems_of_a_start_are_reported_at_once() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let server = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .trusting_fixed(&forge)
        .server
        .route_any("/a/../b", Rule::Anonymous)
        .route_any("/health", Rule::Authenticated)
        .route_any("/empty", Rule::all_scopes("".parse().unwrap()))
        .resource("http://shop.example".parse().unwrap())
        .build();
    let error = server.unwrap_err();
    assert_eq!(error.problems.len(), 5, "{error}");
    let closed = ResourceServer::builder("shop\"", clock)
        .route_any("/a", Rule::Authenticated)
        .build();
    assert_eq!(closed.unwrap_err().problems.len(), 2);
}

#[test]
fn the_mode_of_requests_without_a_rule_is_logged_also_when_it_alone_changes() {
    let log = Log::capture();
    let server = ResourceServer::builder("shop", test_clock())
        .build()
        .unwrap();
    assert!(server.rules().is_empty());
    let modes = |mode: &str| log.text().matches(&format!("\"mode\":\"{mode}\"")).count();
    assert_eq!(
        (modes("enforce"), modes("report")),
        (1, 0),
        "{}",
        log.text()
    );
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.mode = Mode::Report;
    server.apply(&settings).unwrap();
    assert_eq!((modes("enforce"), modes("report")), (1, 1));
}

#[test]
fn only_a_rule_that_asks_who_calls_needs_an_issuer() {
    let problems = |rule: Rule, mode: Mode| {
        let server = ResourceServer::builder("shop", test_clock()).route_any("/x", rule);
        let built = server.mode(mode).build();
        built.map_or_else(|error| error.problems, |_| Vec::new())
    };
    assert_eq!(problems(Rule::Anonymous, Mode::Enforce), []);
    assert_eq!(problems(Rule::Authenticated, Mode::Off), []);
    for mode in [Mode::Report, Mode::Enforce] {
        let found = problems(Rule::Authenticated, mode);
        assert_eq!(found, [SetupProblem::NoIssuer]);
    }
}
