//! What leaves beside the identity: headers of the context, and the trace.

use std::collections::HashSet;

use axum::response::IntoResponse;
use hallpass_client::context::{AllowList, CallContext, scope_all};
use hallpass_client::{ContextSettings, TokenFeignSettings};
use hallpass_config::{Loader, Percent};
use hallpass_feign::{ContextHeadersSettings, Feign, FeignError, FeignSettings, feign_client};
use hallpass_upstream::TraceContext;
use http::StatusCode;
use prometheus_client::registry::Registry;

use crate::clients::{
    AsCaller, AsService, FeignAsCaller, FeignAsService, FeignIsolated, FeignOrders, Isolated,
    Orders,
};
use crate::support::{Issuer, Log, Seen, Upstream, caller, runtime};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// As the caller, with headers of its own.
#[feign_client(name = "service-a", identity = "relay")]
trait Own {
    #[get("/mine")]
    async fn mine(
        &self,
        #[header("X-Tenant-Id")] tenant: &str,
        #[header("Traceparent")] trace: &str,
    ) -> Result<String, FeignError>;
}

fn settings() -> FeignSettings {
    FeignSettings {
        context: ContextSettings {
            headers: AllowList::new(["X-Tenant-Id", "TX_XID"]).unwrap(),
            ..ContextSettings::default()
        },
        ..FeignSettings::default()
    }
}

fn feign(upstream: &Upstream, settings: &FeignSettings) -> Feign {
    runtime(&[upstream])
        .settings(settings, &TokenFeignSettings::default())
        .build()
}

/// A request of anna's, of the tenant north, in a trace.
fn of_anna() -> CallContext {
    let mut headers = http::HeaderMap::new();
    let sender = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    headers.insert("traceparent", sender.parse().unwrap());
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    CallContext::default()
        .with_identity(caller("anna"))
        .with_header("x-tenant-id".parse().unwrap(), "north".parse().unwrap())
        .with_header("tx_xid".parse().unwrap(), "7".parse().unwrap())
        .with_header("x-note".parse().unwrap(), "stays".parse().unwrap())
        .with_trace(TraceContext::received(&headers, Percent::ALL))
}

async fn upstream() -> Upstream {
    Upstream::answering(|_, _| "\"ok\"").await
}

/// Each value of a header, of which there must be one at most.
fn one<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    assert!(seen.headers.get_all(name).iter().count() <= 1, "{seen:?}");
    seen.header(name)
}

#[tokio::test]
async fn the_headers_of_the_context_leave_with_the_callers_identity_and_no_other_does() {
    let upstream = upstream().await;
    let feign = feign(&upstream, &settings());
    let isolated = FeignIsolated::new(&feign).unwrap();
    scope_all(of_anna(), FeignAsCaller::new(&feign).unwrap().mine())
        .await
        .unwrap();
    scope_all(of_anna(), isolated.mine()).await.unwrap();
    for seen in upstream.seen() {
        assert_eq!(one(&seen, "x-tenant-id"), Some("north"));
        assert_eq!(one(&seen, "tx_xid"), Some("7"));
        assert_eq!(one(&seen, "tracestate"), Some("vendor=1"));
        assert!(one(&seen, "traceparent").unwrap().contains(TRACE_ID));
        assert_eq!(one(&seen, "x-note"), None, "it is on no list");
    }
    assert_eq!(dropped(&feign, "unlisted"), 2);
}

fn dropped(feign: &Feign, reason: &str) -> u64 {
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let labels = format!("{{client=\"service-a\",reason=\"{reason}\"}} ");
    let line = format!("hallpass_feign_context_headers_dropped_total{labels}");
    text.lines()
        .find_map(|it| it.strip_prefix(&line))
        .map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn retries_do_not_repeat_headers_and_each_attempt_is_a_span_of_its_own() {
    let upstream = Upstream::answering(|_, number| match number {
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => "\"ok\"".into_response(),
    })
    .await;
    let client = FeignAsCaller::new(&feign(&upstream, &settings())).unwrap();
    scope_all(of_anna(), client.mine()).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    let spans: HashSet<_> = seen
        .iter()
        .map(|seen| {
            assert_eq!(one(seen, "x-tenant-id"), Some("north"));
            one(seen, "traceparent").unwrap()
        })
        .collect();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(spans.iter().all(|it| it.contains(TRACE_ID)));
    assert!(spans.iter().all(|it| it.ends_with("-01")), "sampled before");
}

#[tokio::test]
async fn a_third_party_gets_no_context_unless_the_settings_say_so() {
    let upstream = upstream().await;
    let mut settings = settings();
    let orders = FeignOrders::new(&feign(&upstream, &settings)).unwrap();
    scope_all(of_anna(), orders.remove(1)).await.unwrap();
    settings.defaults.context_headers = ContextHeadersSettings::All;
    let told = FeignOrders::new(&feign(&upstream, &settings)).unwrap();
    scope_all(of_anna(), told.remove(1)).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(one(&seen[0], "x-tenant-id"), None);
    assert_eq!(one(&seen[0], "tx_xid"), None);
    assert_eq!(one(&seen[1], "x-tenant-id"), Some("north"));
    for seen in &seen {
        assert!(one(seen, "traceparent").unwrap().contains(TRACE_ID));
        assert_eq!(one(seen, "tracestate"), None, "it is of our estate's own");
    }
}

#[tokio::test]
async fn the_context_goes_on_while_service_tokens_are_off_and_to_no_client_that_is_skipped() {
    let upstream = upstream().await;
    let switches = |enabled, skipped: &[&str]| TokenFeignSettings {
        enabled,
        skip_clients: skipped.iter().map(|it| (*it).to_owned()).collect(),
        ..TokenFeignSettings::default()
    };
    for (switches, tenant) in [
        (switches(false, &[]), Some("north")),
        (switches(false, &["service-a"]), None),
        (switches(true, &["service-a"]), None),
    ] {
        let feign = runtime(&[&upstream])
            .tokens(Issuer::default().tokens())
            .settings(&settings(), &switches)
            .build();
        let service = FeignAsService::new(&feign).unwrap();
        scope_all(of_anna(), service.job()).await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(one(&seen, "x-tenant-id"), tenant);
        assert_eq!(one(&seen, "tx_xid"), tenant.and(Some("7")));
        assert_eq!(one(&seen, "tracestate"), tenant.and(Some("vendor=1")));
        let told = one(&seen, "x-request-timeout-ms").is_some();
        assert_eq!(told, tenant.is_some(), "how long the caller waits");
        let kept = dropped(&feign, "third_party");
        assert_eq!(kept, if tenant.is_some() { 0 } else { 2 });
    }
}

#[tokio::test]
async fn a_client_that_keeps_the_context_from_its_callee_says_so_unless_that_is_set() {
    let upstream = upstream().await;
    let mut settings = settings();
    let built = |settings: &FeignSettings| {
        let log = Log::default();
        let _guard = log.listen();
        FeignOrders::new(&feign(&upstream, settings)).unwrap();
        FeignAsCaller::new(&feign(&upstream, settings)).unwrap();
        log.text().matches("context.headers leaves").count()
    };
    assert_eq!(built(&settings), 1, "once, however many methods");
    settings.defaults.context_headers = ContextHeadersSettings::None;
    assert_eq!(built(&settings), 0);
    assert_eq!(built(&FeignSettings::default()), 0, "nothing is listed");
}

/// A redirect would hand to another host whatever a client does not know to be a secret.
#[tokio::test]
async fn context_headers_leave_for_no_other_host() {
    let other = upstream().await;
    let elsewhere = format!("http://{}/mine", other.address());
    let upstream = Upstream::answering(move |_, _| {
        let to = [("location", elsewhere.clone())];
        (StatusCode::TEMPORARY_REDIRECT, to).into_response()
    })
    .await;
    let client = FeignAsCaller::new(&feign(&upstream, &settings())).unwrap();
    scope_all(of_anna(), client.mine()).await.unwrap_err();
    assert_eq!(one(&upstream.only(), "x-tenant-id"), Some("north"));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn after_a_call_the_callers_own_context_is_as_before() {
    let upstream = upstream().await;
    let feign = feign(&upstream, &settings());
    let (plain, isolated) = (
        FeignAsCaller::new(&feign).unwrap(),
        FeignIsolated::new(&feign).unwrap(),
    );
    let seen = || {
        let context = CallContext::current();
        let who = context.identity().map(|it| it.subject().to_string());
        let trace = context.trace().map(|it| it.trace_id().to_string());
        (who, trace, context.carried().clone())
    };
    scope_all(of_anna(), async {
        let before = seen();
        plain.mine().await.unwrap();
        assert_eq!(seen(), before);
        isolated.mine().await.unwrap();
        assert_eq!(seen(), before);
        scope_all(CallContext::default(), plain.mine())
            .await
            .unwrap_err();
        assert_eq!(seen(), before);
    })
    .await;
    assert_eq!(
        seen(),
        (None, None, CallContext::default().carried().clone())
    );
}

#[tokio::test]
async fn a_client_gets_those_headers_alone_that_its_settings_name() {
    let upstream = upstream().await;
    let mut settings = settings();
    for (wanted, tenant, number) in [
        (ContextHeadersSettings::None, None, None),
        (
            ContextHeadersSettings::These(vec!["tx_xid".parse().unwrap()]),
            None,
            Some("7"),
        ),
        (
            // A name that is not in `context.headers` is no way around it.
            ContextHeadersSettings::These(vec!["x-note".parse().unwrap()]),
            None,
            None,
        ),
    ] {
        settings.defaults.context_headers = wanted;
        let client = FeignAsCaller::new(&feign(&upstream, &settings)).unwrap();
        scope_all(of_anna(), client.mine()).await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(
            (one(&seen, "x-tenant-id"), one(&seen, "tx_xid")),
            (tenant, number)
        );
        assert_eq!(one(&seen, "x-note"), None);
    }
}

#[tokio::test]
async fn a_header_of_the_method_goes_before_the_context_and_the_trace_does_not() {
    let upstream = upstream().await;
    let client = FeignOwn::new(&feign(&upstream, &settings())).unwrap();
    scope_all(of_anna(), client.mine("south", "made up"))
        .await
        .unwrap();
    let seen = upstream.only();
    assert_eq!(one(&seen, "x-tenant-id"), Some("south"));
    assert!(one(&seen, "traceparent").unwrap().contains(TRACE_ID));
}

#[tokio::test]
async fn what_code_has_put_there_and_is_too_long_does_not_leave_and_is_counted() {
    let upstream = upstream().await;
    let feign = feign(&upstream, &settings());
    let client = FeignAsCaller::new(&feign).unwrap();
    let long = "x".repeat(257).parse().unwrap();
    let context = of_anna().with_header("x-tenant-id".parse().unwrap(), long);
    scope_all(context, client.mine()).await.unwrap();
    let seen = upstream.only();
    assert_eq!(
        (one(&seen, "x-tenant-id"), one(&seen, "tx_xid")),
        (None, None)
    );
    assert_eq!(dropped(&feign, "too_long"), 1);
}

#[tokio::test]
async fn a_call_that_belongs_to_no_trace_begins_one() {
    let upstream = upstream().await;
    let mut settings = settings();
    for (sampled, flags) in [(Percent::ALL, "-01"), (Percent::new(0).unwrap(), "-00")] {
        settings.context.sampled = sampled;
        let client = FeignOrders::new(&feign(&upstream, &settings)).unwrap();
        client.remove(1).await.unwrap();
        let seen = upstream.seen().pop().unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("traceparent", seen.headers["traceparent"].clone());
        assert!(TraceContext::of(&headers).is_some(), "{headers:?}");
        assert!(one(&seen, "traceparent").unwrap().ends_with(flags));
    }
    let all: HashSet<_> = upstream
        .seen()
        .iter()
        .map(|seen| one(seen, "traceparent").unwrap()[3..35].to_owned())
        .collect();
    assert_eq!(all.len(), 2, "each its own");
}

#[tokio::test]
async fn the_span_of_another_product_goes_before_our_own() {
    let upstream = upstream().await;
    let theirs = || TraceContext::of_ids(0xabc, 0xdef, true);
    let feign = runtime(&[&upstream]).trace_source(theirs).build();
    let client = FeignAsCaller::new(&feign).unwrap();
    scope_all(of_anna(), client.mine()).await.unwrap();
    let none = runtime(&[&upstream]).trace_source(|| None).build();
    let client = FeignAsCaller::new(&none).unwrap();
    scope_all(of_anna(), client.mine()).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(
        one(&seen[0], "traceparent"),
        Some("00-00000000000000000000000000000abc-0000000000000def-01")
    );
    assert!(one(&seen[1], "traceparent").unwrap().contains(TRACE_ID));
}

#[test]
fn which_headers_of_the_context_leave_is_read_and_inherited() {
    let yaml = "
hallpass:
  feign:
    defaults: { context-headers: none }
    clients:
      logistics-service: { context-headers: [X-Tenant-Id, TX_XID] }
      audit-service: { context-headers: all }
      system-service: { deadline-ms: 100 }
";
    let load = |yaml: &str| {
        let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
        loader.load::<FeignSettings>()
    };
    let feign: FeignSettings = load(yaml).unwrap().into_settings();
    let of = |client: &str| feign.client(client).context_headers.clone();
    let these = ["x-tenant-id", "tx_xid"].map(|it| it.parse().unwrap());
    assert_eq!(
        of("logistics-service"),
        ContextHeadersSettings::These(these.into())
    );
    assert_eq!(of("audit-service"), ContextHeadersSettings::All);
    assert_eq!(of("system-service"), ContextHeadersSettings::None);
    assert_eq!(
        FeignSettings::default().defaults.context_headers,
        ContextHeadersSettings::WithIdentity
    );
    for (wrong, message) in [
        ("[all, TX_XID]", "by themselves"),
        ("Authorization", "may bear a secret"),
        ("X-User-Id", "belongs to one hop"),
    ] {
        let yaml = format!("hallpass: {{ feign: {{ defaults: {{ context-headers: {wrong} }} }} }}");
        let problems = load(&yaml).unwrap_err().to_string();
        assert!(problems.contains(message), "{problems}");
        assert!(
            problems.contains("feign.defaults.context-headers"),
            "{problems}"
        );
    }
}
