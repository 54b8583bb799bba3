//! Enforcement for a percentage of the callers, and who would be denied by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hallpass_config::Percent;
use hallpass_resource::{Mode, RouteRule, Rule, SecuritySettings};
use http::Request;
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, Log, get, send, test_clock};

/// A token of a service that names this client, with a scope that no rule of `/orders/{id}` asks for.
fn without_scope(forge: &Forge, client: &str) -> String {
    forge.changed(|_, claims| {
        claims["sub"] = json!(client);
        claims["client_id"] = json!(client);
        claims["scope"] = json!("nothing");
    })
}

async fn start(percent: u8) -> (App, Forge) {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock)
        .trusting_fixed(&forge)
        .with(|server| {
            server
                .mode(Mode::Enforce)
                .enforce_percent(Percent::new(percent).unwrap())
        })
        .start()
        .await;
    (app, forge)
}

async fn denied(app: &App, forge: &Forge) -> Vec<String> {
    let mut denied = Vec::new();
    for number in 0..60 {
        let client = format!("client-{number}");
        let response = get(
            app.address,
            "/orders/7",
            Some(&without_scope(forge, &client)),
        )
        .await;
        assert!(
            matches!(response.status, 200 | 403),
            "{client}: {response:?}"
        );
        if response.status == 403 {
            denied.push(client);
        }
    }
    denied
}

#[tokio::test]
async fn the_same_callers_are_denied_again_and_a_greater_percentage_only_adds_some() {
    let mut before = Vec::new();
    for percent in [0, 1, 10, 50, 100] {
        let (app, forge) = start(percent).await;
        let now = denied(&app, &forge).await;
        // Another process, and another time.
        let (other, forge) = start(percent).await;
        assert_eq!(denied(&other, &forge).await, now, "{percent} %");
        assert!(before.iter().all(|it| now.contains(it)), "{percent} %");
        before = now;
        match percent {
            0 => assert!(before.is_empty()),
            50 => assert!((15..45).contains(&before.len()), "{}", before.len()),
            100 => assert_eq!(before.len(), 60),
            _ => {}
        }
    }
}

#[tokio::test]
async fn no_percentage_touches_a_call_that_is_allowed() {
    for percent in [0, 1, 50, 99, 100] {
        let (app, forge) = start(percent).await;
        let response = get(app.address, "/orders/7", Some(&forge.user("orders"))).await;
        assert_eq!(response.status, 200, "{percent} %");
    }
}

#[tokio::test]
async fn requests_without_an_identity_go_together_whatever_they_write() {
    for percent in [1, 50, 99] {
        let (app, forge) = start(percent).await;
        let first = get(app.address, "/orders/7", None).await.status;
        for number in 0..20 {
            let unverified = forge.changed(|_, claims| {
                claims["client_id"] = json!(format!("client-{number}"));
                claims["exp"] = json!(1);
            });
            let bearer = format!("Bearer {unverified}");
            let peer = format!("192.0.2.{number}");
            let headers = [
                ("authorization", bearer.as_bytes()),
                ("x-forwarded-for", peer.as_bytes()),
            ];
            let response = send(app.address, b"GET /orders/7", &headers).await;
            assert_eq!(response.status, first, "{percent} %");
        }
    }
}

#[tokio::test]
async fn a_path_without_a_single_meaning_is_refused_as_soon_as_one_caller_is_enforced() {
    let (app, _) = start(1).await;
    assert_eq!(get(app.address, "/a//b", None).await.status, 400);
    let (app, _) = start(0).await;
    assert_eq!(get(app.address, "/a//b", None).await.status, 200);
}

#[tokio::test]
async fn where_rules_meet_the_greatest_percentage_counts() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let rule = |pattern: &str| RouteRule::new(pattern.parse().unwrap(), Rule::Authenticated);
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.routes = vec![
        rule("/orders/{id}").enforce_percent(Percent::ALL),
        rule("/whoami").enforce_percent(Percent::new(0).unwrap()),
    ];
    settings.internal_jwt.mode = Mode::Report;
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    app.server.apply(&settings).unwrap();
    assert_eq!(
        get(app.address, "/orders/7", Some(&without_scope(&forge, "a")))
            .await
            .status,
        403
    );
    assert_eq!(get(app.address, "/whoami", None).await.status, 200);
    let lines: Vec<_> = app.server.rules().iter().map(ToString::to_string).collect();
    assert!(
        lines.contains(&"* /whoami authenticated [report, configuration]".to_owned()),
        "{lines:?}"
    );
}

/// Whoever sends a request chooses its host, and must not choose with it whether he is enforced.
#[tokio::test]
async fn no_host_that_a_caller_names_moves_him_out_of_the_enforced_share() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let half = Percent::new(50).unwrap();
    let hosts = ["a.example", "b.example", "c.example"];
    for has_general in [false, true] {
        let rule = || {
            let asked = Rule::all_scopes("orders".parse().unwrap());
            RouteRule::new("/stock/{id}".parse().unwrap(), asked).enforce_percent(half)
        };
        let named = hosts.map(|host| host.parse().unwrap());
        let mut rules = vec![rule().hosts(named)];
        if has_general {
            rules.push(rule());
        }
        let mut settings = SecuritySettings::default();
        settings.internal_jwt.routes = rules;
        settings.internal_jwt.mode = Mode::Report;
        let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
        app.server.apply(&settings).unwrap();
        let denies = async |token: &str, host: &str| {
            let request = Request::get("/stock/7")
                .header("host", host)
                .header("authorization", format!("Bearer {token}"));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            app.server.authorize(&parts).await.is_err()
        };
        let mut denied = 0;
        for number in 0..40 {
            let token = without_scope(&forge, &format!("client-{number}"));
            let first = denies(&token, hosts[0]).await;
            denied += u32::from(first);
            let others = if has_general {
                vec!["b.example", "other.example"]
            } else {
                hosts[1..].to_vec()
            };
            for host in others {
                assert_eq!(denies(&token, host).await, first, "{number} at {host}");
            }
        }
        assert!((8..32).contains(&denied), "{denied} of 40");
    }
}

#[tokio::test]
async fn a_reload_changes_the_percentage_and_the_metrics_say_so() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let token = without_scope(&forge, "a");
    let mut settings = SecuritySettings::default();
    let ratio = |route: &str, mode: &str| {
        app.metric(&format!(
            "hallpass_rollout_ratio{{route=\"{route}\",mode=\"{mode}\"}}"
        ))
    };
    let since = || app.metric("hallpass_rollout_since_timestamp_seconds{route=\"none\"}");
    assert_eq!(ratio("GET /orders/{id}", "enforce"), 1.0);
    let began = since();
    settings.internal_jwt.enforce_percent = Percent::TENTH;
    clock.advance(std::time::Duration::from_secs(60));
    app.server.apply(&settings).unwrap();
    assert_eq!(ratio("GET /orders/{id}", "enforce"), 0.1);
    assert_eq!(since(), began + 60.0);
    settings.internal_jwt.mode = Mode::Report;
    app.server.apply(&settings).unwrap();
    assert_eq!(
        get(app.address, "/orders/7", Some(&token)).await.status,
        200
    );
    assert_eq!(ratio("none", "enforce"), 0.0);
    let text = app.metrics_text();
    assert!(
        text.contains("hallpass_rollout_ratio{route=\"none\",mode=\"report\"} 0.0"),
        "{text}"
    );
    assert!(!text.contains("mode=\"enforce\"} 0.1"), "{text}");
}

/// By which a roll-out knows that it looks at the counters of the service that it means, and at each process once.
#[tokio::test]
async fn the_metrics_say_which_service_this_is_and_which_process() {
    let says = |app: &App| {
        let text = app.metrics_text();
        let infos = text.lines().filter_map(|line| {
            line.strip_prefix("hallpass_verifier_info{audience=\"shop\",process=\"")
        });
        let infos: Vec<String> = infos.map(str::to_owned).collect();
        assert_eq!(infos.len(), 1, "{text}");
        infos.concat()
    };
    let (one, _) = start(100).await;
    let (other, _) = start(100).await;
    let began = says(&one);
    assert!(began.len() > 32, "{began}");
    assert_ne!(began, says(&other));
    one.server.apply(&SecuritySettings::default()).unwrap();
    assert_eq!(says(&one), began, "a reload starts no process");
}

/// A roll-out that asks during a reload must not take the instance for one that does not say who it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_during_a_reload_is_told_which_service_this_is() {
    let (app, _) = start(100).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let (server, until) = (app.server.clone(), Arc::clone(&is_over));
    let reloading = tokio::task::spawn_blocking(move || {
        while !until.load(Ordering::Relaxed) {
            server.apply(&SecuritySettings::default()).unwrap();
        }
    });
    let says = || {
        app.metrics_text()
            .contains("hallpass_verifier_info{audience=\"shop\"")
    };
    let always = (0..2_000).all(|_| says());
    is_over.store(true, Ordering::Relaxed);
    reloading.await.unwrap();
    assert!(always);
}

/// What was watched by other rules says nothing about these.
#[tokio::test]
async fn a_reload_that_changes_who_is_denied_begins_the_watch_anew_and_one_that_does_not_keeps_it()
{
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    let mut settings = SecuritySettings::default();
    let rule = |pattern: &str, rule: Rule| RouteRule::new(pattern.parse().unwrap(), rule);
    settings.internal_jwt.routes = vec![rule("/stock/**", Rule::Authenticated)];
    app.server.apply(&settings).unwrap();
    let since = |route: &str| {
        app.metric(&format!(
            "hallpass_rollout_since_timestamp_seconds{{route=\"{route}\"}}"
        ))
    };
    let mut began = since("/stock/**");
    let mut apply = |settings: &SecuritySettings, begins: bool, what: &str| {
        clock.advance(std::time::Duration::from_secs(60));
        app.server.apply(settings).unwrap();
        let now = since("/stock/**");
        assert_eq!(now > began, begins, "{what}: {now} after {began}");
        began = now;
    };
    let scope = Rule::all_scopes("stock.write".parse().unwrap());
    settings.internal_jwt.routes = vec![rule("/stock/**", scope.clone())];
    apply(&settings, true, "a scope is demanded");
    settings.internal_jwt.routes = vec![rule("/stock/**", scope.clone()).roles(["clerk"])];
    apply(&settings, true, "a role is demanded");
    settings.internal_jwt.audit_file = Some("audit.jsonl".into());
    settings.internal_jwt.denied.clients = vec!["stolen".parse().unwrap()];
    apply(&settings, false, "neither denies anybody who is to pass");
    let other = rule("/other", Rule::Authenticated).mode(Mode::Report);
    settings.internal_jwt.routes.push(other.clone());
    apply(&settings, true, "a rule more");
    settings.internal_jwt.routes[1] = other.mode(Mode::Enforce);
    apply(&settings, false, "the step of another route");
    settings.internal_jwt.leeway = std::time::Duration::from_secs(1);
    apply(&settings, true, "which tokens are good");
    settings.max_token_bytes -= 1;
    apply(&settings, true, "how long tokens may be");
    settings.permit_all = true;
    apply(&settings, true, "nobody is judged");
    settings.permit_all = false;
    apply(&settings, true, "and is again");
}

#[tokio::test]
async fn the_metrics_say_which_routes_the_step_of_the_service_decides_about() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let rule = |pattern: &str| RouteRule::new(pattern.parse().unwrap(), Rule::Authenticated);
    let mut settings = SecuritySettings::default();
    settings.internal_jwt.mode = Mode::Report;
    settings.internal_jwt.routes = vec![
        rule("/jobs/nightly").mode(Mode::Report),
        rule("/stock/**").mode(Mode::Report),
    ];
    settings.internal_jwt.internal_only.paths = vec!["/jobs/**".parse().unwrap()];
    let app = AppBuilder::new(&clock).trusting_fixed(&forge).start().await;
    app.server.apply(&settings).unwrap();
    let follows = |route: &str| {
        app.metric(&format!(
            "hallpass_rollout_follows_service{{route=\"{route}\"}}"
        ))
    };
    for (route, expected) in [
        ("none", 1.0),
        ("/jobs/**", 1.0),
        ("/jobs/nightly", 1.0),
        ("/stock/**", 0.0),
    ] {
        assert_eq!(follows(route), expected, "{route}");
    }
    settings.internal_jwt.internal_only.mode = Some(Mode::Report);
    app.server.apply(&settings).unwrap();
    assert_eq!(
        follows("/jobs/nightly"),
        0.0,
        "no rule that meets it inherits"
    );
}

#[tokio::test]
async fn who_would_be_denied_is_counted_by_name_and_never_a_user() {
    let log = Log::capture();
    let (app, forge) = start(0).await;
    let of = |reason: &str, caller: &str| {
        let labels =
            format!("route=\"GET /orders/{{id}}\",reason=\"{reason}\",caller=\"{caller}\"");
        app.metric(&format!("hallpass_would_deny_total{{{labels}}}"))
    };
    for _ in 0..3 {
        get(
            app.address,
            "/orders/7",
            Some(&without_scope(&forge, "billing")),
        )
        .await;
    }
    // A user's token of a client that may not do this.
    get(app.address, "/orders/7", Some(&forge.user("other"))).await;
    get(app.address, "/orders/7", None).await;
    let expired = forge.changed(|_, claims| {
        claims["client_id"] = json!("nobody-verified-this");
        claims["exp"] = json!(1);
    });
    get(app.address, "/orders/7", Some(&expired)).await;
    get(app.address, "/orders/7", Some(&forge.user("orders"))).await;

    assert_eq!(of("insufficient_scope", "billing"), 3.0);
    assert_eq!(of("insufficient_scope", "order-service"), 1.0);
    assert_eq!(of("missing_token", "_unauthenticated"), 1.0);
    assert_eq!(of("expired", "_unauthenticated"), 1.0);
    let text = app.metrics_text();
    assert!(
        !text.contains("alice") && !text.contains("nobody-verified-this"),
        "{text}"
    );
    let log = log.text();
    let said: Vec<_> = log
        .lines()
        .filter(|it| it.contains("would be denied"))
        .collect();
    assert_eq!(said.len(), 4, "once each: {said:?}");
    assert!(said[0].contains("billing"), "{said:?}");
}
