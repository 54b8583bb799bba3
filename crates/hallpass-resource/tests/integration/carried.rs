//! What a request brings beside its identity: headers that are carried on, the tenant that its token must agree with, its trace.

mod tenants;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::any;
use hallpass_client::context::{AllowList, CallContext};
use hallpass_client::{ClaimDemand, ContextSettings, TenantSettings};
use hallpass_resource::{Mode, Rule, SecuritySettings};
use serde_json::json;

use crate::support::{App, AppBuilder, Forge, Log, RawResponse, send, test_clock};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn settings(demand: ClaimDemand) -> SecuritySettings {
    settings_of("x-tenant-id", demand)
}

fn settings_of(header: &str, demand: ClaimDemand) -> SecuritySettings {
    let context = ContextSettings {
        headers: AllowList::new([header, "TX_XID"]).unwrap(),
        tenant: Some(TenantSettings {
            header: header.parse().unwrap(),
            claim: "tenant".to_owned(),
            demand,
        }),
        ..ContextSettings::default()
    };
    SecuritySettings {
        context,
        ..SecuritySettings::default()
    }
}

/// A service that answers what its handler finds, and counts how often it ran.
struct Setting {
    app: App,
    forge: Forge,
    ran: Arc<AtomicUsize>,
}

impl Setting {
    async fn start(settings: &SecuritySettings) -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let ran = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ran);
        let tell = move || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            tracing::error!("something is wrong here");
            let context = CallContext::current();
            let mut carried: Vec<_> = context
                .carried()
                .iter()
                .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
                .collect();
            carried.sort();
            let trace = context.trace().unwrap();
            let parent = trace.parent_id().map(|it| it.to_string());
            json!([carried, trace.trace_id().to_string(), parent]).to_string()
        };
        let routes = Router::new()
            .route("/context", any(tell.clone()))
            .route("/open", any(tell));
        let app = AppBuilder::new(&clock)
            .trusting_fixed(&forge)
            .with(|server| {
                server
                    .route_any("/context", Rule::Authenticated)
                    .route_any("/open", Rule::Anonymous)
            })
            .start_with(routes)
            .await;
        app.server.apply(settings).unwrap();
        Self { app, forge, ran }
    }

    /// A request with a token that has these claims too.
    async fn ask(&self, claims: serde_json::Value, headers: &[(&str, &str)]) -> RawResponse {
        self.ask_at("/context", claims, headers).await
    }

    async fn ask_at(
        &self,
        path: &str,
        claims: serde_json::Value,
        headers: &[(&str, &str)],
    ) -> RawResponse {
        let token = self.forge.changed(|_, all| {
            for (name, value) in claims.as_object().unwrap() {
                all[name] = value.clone();
            }
        });
        let bearer = format!("Bearer {token}");
        let mut sent = vec![("authorization", bearer.as_str())];
        sent.extend(headers);
        self.send(path, &sent).await
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)]) -> RawResponse {
        let headers = headers.iter();
        let headers: Vec<_> = headers.map(|(name, it)| (*name, it.as_bytes())).collect();
        let line = format!("GET {path}");
        send(self.app.address, line.as_bytes(), &headers).await
    }

    fn runs(&self) -> usize {
        self.ran.load(Ordering::Relaxed)
    }
}

fn carried(response: &RawResponse) -> Vec<String> {
    assert_eq!(response.status, 200, "{response:?}");
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    serde_json::from_value(body[0].clone()).unwrap()
}

#[tokio::test]
async fn a_handler_finds_the_headers_that_are_listed_and_no_other() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let headers = [
        ("X-Tenant-Id", "north"),
        ("TX_XID", "192.0.2.7:8091:42"),
        ("X-Note", "not listed"),
        ("Cookie", "a=b"),
    ];
    let response = setting.ask(json!({ "tenant": "north" }), &headers).await;
    assert_eq!(
        carried(&response),
        ["tx_xid=192.0.2.7:8091:42", "x-tenant-id=north"]
    );
    // Without a list there is nothing to carry.
    setting
        .app
        .server
        .apply(&SecuritySettings::default())
        .unwrap();
    let response = setting.ask(json!({}), &headers).await;
    assert_eq!(carried(&response).len(), 0);
}

#[tokio::test]
async fn a_value_that_is_too_long_is_refused_before_the_handler_and_counted() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let long = "x".repeat(257);
    let too_long = setting.ask(json!({}), &[("TX_XID", &long)]).await;
    assert_eq!(too_long.refusal(), (431, "context_too_large".to_owned()));
    assert!(!too_long.body.contains("xxx"));
    let several = setting
        .ask(json!({}), &[("TX_XID", "1"), ("tx_xid", "1")])
        .await;
    assert_eq!(several.refusal(), (400, "context_invalid".to_owned()));
    assert_eq!(several.header("www-authenticate"), None);
    // Also where anybody may call.
    let open = send(
        setting.app.address,
        b"GET /open",
        &[("TX_XID", long.as_bytes())],
    )
    .await;
    assert_eq!(open.status, 431);
    assert_eq!(setting.runs(), 0);
    let refused = "hallpass_verify_total{result=\"deny\",reason=\"malformed\",mode=\"enforce\",route=\"/context\"}";
    assert!((setting.app.metric(refused) - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn a_tenant_that_contradicts_the_token_is_refused_before_the_handler_and_audited() {
    let log = Log::capture();
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    for (claims, sent) in [
        (json!({ "tenant": "north" }), &["south"][..]),
        (json!({ "tenant": ["east", "north"] }), &["south"]),
        (json!({ "tenant": "north" }), &["NORTH"]),
        (json!({ "tenant": "north" }), &["north "]),
        (json!({ "tenant": 7 }), &["8"]),
        (json!({ "tenant": 7 }), &["07"]),
        (json!({ "tenant": 7.5 }), &["7.5"]),
        (json!({ "tenant": true }), &["true"]),
    ] {
        let headers: Vec<_> = sent.iter().map(|it| ("x-tenant-id", *it)).collect();
        let response = setting.ask(claims.clone(), &headers).await;
        // The parser of HTTP takes spaces off the ends.
        if sent == ["north "] {
            assert_eq!(response.status, 200);
            continue;
        }
        assert_eq!(
            response.refusal(),
            (403, "tenant_mismatch".to_owned()),
            "{claims} {sent:?}"
        );
    }
    // What a program behind may take for the header must not name another tenant either.
    for spelling in ["X_Tenant_Id", "x.tenant.id"] {
        let response = setting
            .ask(json!({ "tenant": "north" }), &[(spelling, "south")])
            .await;
        assert_eq!(response.status, 403, "{spelling}");
    }
    assert_eq!(setting.runs(), 1);
    let events = log.audit(10);
    let refused: Vec<_> = events
        .iter()
        .filter(|it| it["decision"] == "deny")
        .collect();
    assert_eq!(refused.len(), 9);
    for event in refused {
        assert_eq!(event["reason"], "tenant_mismatch");
        assert_eq!(event["subject"], "alice");
        assert!(!event.to_string().contains("south"));
    }
}

#[tokio::test]
async fn a_tenant_that_the_token_names_or_a_service_passes_on_is_carried_on() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    for claims in [
        json!({ "tenant": "north" }),
        json!({ "tenant": ["east", 7, "north"] }),
        // A service in its own name works for all tenants.
        json!({ "sub": "order-service", "tenant": null }),
        json!({ "sub": "order-service" }),
    ] {
        let response = setting.ask(claims, &[("X-Tenant-Id", "north")]).await;
        assert_eq!(carried(&response), ["x-tenant-id=north"]);
    }
    // Tenants that are numbered.
    for claims in [json!({ "tenant": 1001 }), json!({ "tenant": ["7", 1001] })] {
        let response = setting.ask(claims, &[("X-Tenant-Id", "1001")]).await;
        assert_eq!(carried(&response), ["x-tenant-id=1001"]);
    }
    // A token's tenant alone demands nothing of the request.
    let response = setting.ask(json!({ "tenant": "north" }), &[]).await;
    assert_eq!(carried(&response).len(), 0);
}

/// Whoever only looks at what would be refused must not break it: the next service gets what it got before there was `context.tenant`.
#[tokio::test]
async fn what_is_only_reported_passes_and_goes_on_as_before() {
    let mut settings = settings(ClaimDemand::Users);
    settings.internal_jwt.mode = Mode::Report;
    let setting = Setting::start(&settings).await;
    let headers = [("X-Tenant-Id", "south"), ("TX_XID", "7")];
    let all = ["tx_xid=7", "x-tenant-id=south"];
    let north = json!({ "tenant": "north" });
    let response = setting.ask(north.clone(), &headers).await;
    assert_eq!(carried(&response), all);
    // By an open route without a token too.
    assert_eq!(carried(&setting.send("/open", &headers).await), all);
    let mut off = settings.clone();
    off.internal_jwt.mode = Mode::Off;
    setting.app.server.apply(&off).unwrap();
    assert_eq!(carried(&setting.ask(north, &headers).await), all);
    setting.app.server.apply(&settings).unwrap();
    let long = "x".repeat(257);
    let response = setting.ask(json!({}), &[("TX_XID", &long)]).await;
    assert_eq!(carried(&response).len(), 0);
    let would = |reason: &str| {
        let labels = format!("result=\"would_deny\",reason=\"{reason}\",mode=\"report\"");
        let line = format!("hallpass_verify_total{{{labels},route=\"/context\"}}");
        setting.app.metric(&line)
    };
    assert!((would("tenant") - 1.0).abs() < 0.1);
    assert!((would("malformed") - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn the_plain_function_judges_the_tenant_and_says_what_is_carried_on() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let token = setting
        .forge
        .changed(|_, all| all["tenant"] = json!("north"));
    let ask = async |tenant: &str| {
        let request = http::Request::get("/context")
            .header("authorization", format!("Bearer {token}"))
            .header("x-tenant-id", tenant)
            .header("traceparent", TRACE);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        setting.app.server.authorize(&parts).await
    };
    let authorized = ask("north").await.unwrap();
    let context = authorized.call_context();
    assert_eq!(context.carried().get("X-Tenant-Id").unwrap(), "north");
    assert_eq!(context.identity().unwrap().subject().as_str(), "alice");
    let trace = context.trace().unwrap();
    assert!(TRACE.contains(&trace.trace_id().to_string()) && trace.is_sampled());
    let refused = ask("south").await.unwrap_err();
    assert_eq!(refused.into_response().status(), 403);
}

#[tokio::test]
async fn the_trace_id_stands_in_the_audit_event_the_error_log_and_its_span() {
    let log = Log::capture();
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let response = setting.ask(json!({}), &[("traceparent", TRACE)]).await;
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(
        (&body[1], &body[2]),
        (&json!(trace_id), &json!("00f067aa0ba902b7"))
    );
    let event = &log.audit(1)[0];
    assert_eq!(event["trace_id"], trace_id);
    let text = log.text();
    let line = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|line| line["message"] == "something is wrong here")
        .unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["span"]["name"], "request");
    assert_eq!(line["span"]["trace_id"], trace_id);
    assert_eq!(line["span"]["span_id"], event["span_id"]);
    assert_eq!(line["span"]["http.route"], "/context");
}

#[tokio::test]
async fn a_malformed_trace_or_none_begins_a_new_one_for_each_request() {
    let setting = Setting::start(&settings(ClaimDemand::Users)).await;
    let mut seen = std::collections::HashSet::new();
    for headers in [
        &[][..],
        &[("traceparent", "00-nonsense-01")],
        &[("traceparent", TRACE), ("traceparent", TRACE)],
    ] {
        let response = setting.ask(json!({}), headers).await;
        let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body[2], json!(null));
        assert!(seen.insert(body[1].as_str().unwrap().to_owned()));
    }
    assert!(!seen.contains("4bf92f3577b34da6a3ce929d0e0e4736"));
}
