//! How long a callee is told that its caller waits.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hallpass_client::TokenFeignSettings;
use hallpass_client::context::{self, CallContext};
use hallpass_config::Loader;
use hallpass_feign::{FeignError, FeignSettings, Identity, feign_client};
use hallpass_upstream::BreakerSettings;
use http::StatusCode;
use tokio::time::Instant;

use crate::clients::{AsCaller, AsService, FeignAsCaller, FeignAsService};
use crate::support::{Answer, Issuer, Seen, Upstream, caller, runtime};

const TOLD: &str = "x-request-timeout-ms";

fn ok(_: &Seen, _: usize) -> Response {
    "\"ok\"".into_response()
}

async fn service_calls(upstream: &Upstream, settings: &FeignSettings) -> FeignAsService {
    let feign = runtime(&[upstream])
        .tokens(Issuer::default().tokens())
        .settings(settings, &TokenFeignSettings::default());
    FeignAsService::new(&feign.build()).unwrap()
}

fn settings(deadline: Duration) -> FeignSettings {
    let mut settings = FeignSettings::default();
    settings.defaults.deadline = Some(deadline);
    settings
}

fn told(seen: &Seen) -> u64 {
    seen.header(TOLD).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_callee_learns_what_is_left_and_not_the_whole() {
    let busy_at_first = |_: &Seen, number| match number {
        1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        _ => "\"ok\"".into_response(),
    };
    let upstream = Upstream::answering(busy_at_first).await;
    let client = service_calls(&upstream, &settings(Duration::from_secs(20))).await;
    client.job().await.unwrap();
    let seen = upstream.seen();
    let (first, second) = (told(&seen[0]), told(&seen[1]));
    assert!((10_000..=20_000).contains(&first), "{first}");
    assert!(
        second <= first - 1_000,
        "a second was waited: {first}, {second}"
    );
}

#[feign_client(name = "service-a", identity = "none", deadline_ms = 800)]
trait Reports {
    #[get("/reports")]
    async fn list(&self) -> Result<(), FeignError>;

    #[post("/export", deadline_ms = 60_000)]
    async fn export(&self) -> Result<(), FeignError>;
}

/// The deadlines of both methods of the trait by these settings, as nobody who answers never shows them.
async fn limits(yaml: &str) -> [Duration; 2] {
    let silent = Upstream::scripted(|_, _| Box::pin(std::future::pending())).await;
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let settings: FeignSettings = loader.load().unwrap().into_settings();
    let feign = runtime(&[&silent]).settings(&settings, &TokenFeignSettings::default());
    let reports = FeignReports::new(&feign.build()).unwrap();
    let limit = |result: Result<(), FeignError>| match result.unwrap_err() {
        FeignError::Deadline { limit } => limit,
        other => {
            assert_eq!(other.code(), "deadline");
            Duration::ZERO
        }
    };
    tokio::time::pause();
    let limits = [limit(reports.list().await), limit(reports.export().await)];
    tokio::time::resume();
    limits
}

#[tokio::test]
async fn what_is_known_of_a_method_goes_over_what_is_said_of_all_clients_and_the_client_over_the_code()
 {
    let ms = Duration::from_millis;
    for (yaml, list, export) in [
        ("{}", 800, 60_000),
        ("{ defaults: { deadline-ms: 2000 } }", 2_000, 60_000),
        (
            "{ clients: { service-a: { deadline-ms: 3000 } } }",
            3_000,
            3_000,
        ),
        (
            "{ defaults: { deadline-ms: 2000 }, clients: { service-a: { renew-on: any-401 } } }",
            2_000,
            60_000,
        ),
        (
            "{ clients: { service-a: { deadline-ms: 3000, methods: { \"POST /export\": { deadline-ms: 90s } } } } }",
            3_000,
            90_000,
        ),
        (
            "{ defaults: { methods: { \"GET /reports\": { deadline-ms: 4000 } } } }",
            4_000,
            60_000,
        ),
    ] {
        let yaml = format!("hallpass: {{ feign: {yaml} }}");
        assert_eq!(limits(&yaml).await, [ms(list), ms(export)], "{yaml}");
    }
}

#[tokio::test]
async fn what_the_estate_says_of_all_clients_does_not_cut_a_method_that_is_known_to_be_slow() {
    let ms = Duration::from_millis;
    let timeout = |ms| format!("{{ execution.isolation.thread.timeoutInMilliseconds: {ms} }}");
    let of_all = format!(
        "feign.hystrix.enabled: true\nhystrix: {{ command: {{ default: {} }} }}",
        timeout(2_000)
    );
    assert_eq!(limits(&of_all).await, [ms(2_000), ms(60_000)]);
    let of_client = format!(
        "feign.hystrix.enabled: true\nhystrix: {{ command: {{ service-a: {} }} }}",
        timeout(3_000)
    );
    assert_eq!(limits(&of_client).await, [ms(3_000), ms(3_000)]);
}

#[tokio::test]
async fn a_call_for_a_user_says_it_too() {
    let upstream = Upstream::answering(ok).await;
    let client = FeignAsCaller::new(&runtime(&[&upstream]).build()).unwrap();
    context::scope(caller("anna"), client.mine()).await.unwrap();
    assert!((1..=5_000).contains(&told(&upstream.only())));
}

#[tokio::test]
async fn a_call_without_identity_says_nothing_of_its_deadline() {
    let upstream = Upstream::answering(ok).await;
    let mut settings = settings(Duration::from_secs(20));
    let client = service_calls(&upstream, &settings).await;
    client.open().await.unwrap();
    settings.defaults.identity = Some(Identity::None);
    let client = service_calls(&upstream, &settings).await;
    client.job().await.unwrap();
    for seen in upstream.seen() {
        assert_eq!(seen.header(TOLD), None);
    }
}

#[tokio::test]
async fn the_header_has_the_name_that_the_settings_give_it() {
    let upstream = Upstream::answering(ok).await;
    let mut settings = settings(Duration::from_secs(20));
    settings.defaults.deadline_header = "X-Time-Left".parse().unwrap();
    service_calls(&upstream, &settings)
        .await
        .job()
        .await
        .unwrap();
    settings.defaults.deadline_header = "none".parse().unwrap();
    service_calls(&upstream, &settings)
        .await
        .job()
        .await
        .unwrap();
    let seen = upstream.seen();
    assert!(seen[0].header("x-time-left").is_some());
    assert!(seen.iter().all(|seen| seen.header(TOLD).is_none()));
    assert_eq!(seen[1].header("x-time-left"), None);
}

/// Calls as anna, for a caller who waits until `end`.
async fn mine_until(upstream: &Upstream, end: Duration) -> Result<String, FeignError> {
    let client = FeignAsCaller::new(&runtime(&[upstream]).build()).unwrap();
    let context = CallContext::default()
        .with_identity(caller("anna"))
        .with_deadline(Instant::now() + end);
    context::scope_all(context, client.mine()).await
}

#[tokio::test]
async fn a_deadline_from_outside_shortens_ours_and_never_lengthens_it() {
    let upstream = Upstream::answering(ok).await;
    mine_until(&upstream, Duration::from_secs(2)).await.unwrap();
    mine_until(&upstream, Duration::from_secs(60))
        .await
        .unwrap();
    let seen = upstream.seen();
    assert!((1..=2_000).contains(&told(&seen[0])));
    assert!((2_001..=5_000).contains(&told(&seen[1])), "5 s are ours");
}

#[tokio::test]
async fn a_call_ends_when_its_callers_caller_waits_no_longer() {
    let hangs = |_: &Seen, _| -> Answer { Box::pin(std::future::pending()) };
    let upstream = Upstream::scripted(hangs).await;
    // Enough for the call to be sent, also where the machine has much else to do.
    let left = Duration::from_millis(300);
    match mine_until(&upstream, left).await {
        Err(FeignError::Deadline { limit }) => assert!(limit <= left, "{limit:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_sent() {
    let upstream = Upstream::answering(ok).await;
    let error = mine_until(&upstream, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), "deadline");
    assert!(upstream.seen().is_empty());
}

/// A client with a breaker of its service beside those of its instances.
fn guarded(upstream: &Upstream, deadline: Duration) -> FeignAsCaller {
    let mut settings = settings(deadline);
    settings.defaults.service.breakers = vec![BreakerSettings::default()];
    let feign = runtime(&[upstream]).settings(&settings, &TokenFeignSettings::default());
    FeignAsCaller::new(&feign.build()).unwrap()
}

async fn in_a_hurry(client: &FeignAsCaller, left: Duration) -> &'static str {
    let context = CallContext::default()
        .with_identity(caller("mallory"))
        .with_deadline(Instant::now() + left);
    let error = context::scope_all(context, client.mine()).await;
    error.unwrap_err().code()
}

/// Else anybody could have a service that is well called broken, for everybody.
#[tokio::test]
async fn callers_in_a_hurry_say_nothing_against_an_instance_or_a_service() {
    const LEFT: Duration = Duration::from_millis(30);
    let is_hurried = |seen: &Seen| told(seen) <= 30;
    let slow = move |seen: &Seen, _| -> Answer {
        match is_hurried(seen) {
            true => Box::pin(std::future::pending()),
            false => Box::pin(async { "\"ok\"".into_response() }),
        }
    };
    let tells = move |seen: &Seen, _| match is_hurried(seen) {
        true => StatusCode::GATEWAY_TIMEOUT.into_response(),
        false => "\"ok\"".into_response(),
    };
    let slow = Upstream::scripted(slow).await;
    let tells = Upstream::answering(tells).await;
    for upstream in [&slow, &tells] {
        let client = guarded(upstream, Duration::from_secs(5));
        for _ in 0..12 {
            in_a_hurry(&client, LEFT).await;
        }
        context::scope(caller("anna"), client.mine()).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_has_had_most_of_its_time_has_failed_though_its_caller_left_less() {
    let hangs = |_: &Seen, _| -> Answer { Box::pin(std::future::pending()) };
    let upstream = Upstream::scripted(hangs).await;
    let left = Duration::from_millis(500);
    let client = guarded(&upstream, Duration::from_millis(600));
    let calls: Vec<_> = (0..10).map(|_| in_a_hurry(&client, left)).collect();
    for code in futures_util::future::join_all(calls).await {
        assert_eq!(code, "deadline");
    }
    assert_eq!(in_a_hurry(&client, left).await, "breaker_open");
}

/// Also where all the time that there is would count as "a little before the end".
#[tokio::test]
async fn what_fails_at_once_has_failed_however_little_time_there_was() {
    const LITTLE: Duration = Duration::from_millis(49);
    const MUCH: Duration = Duration::from_secs(5);
    let fails = |status: StatusCode| move |_: &Seen, _| status.into_response();
    // Callers that leave little, and a client that has little by itself.
    for (status, limit, left) in [
        (StatusCode::INTERNAL_SERVER_ERROR, MUCH, LITTLE),
        (StatusCode::GATEWAY_TIMEOUT, LITTLE, MUCH),
    ] {
        let upstream = Upstream::answering(fails(status)).await;
        let client = guarded(&upstream, limit);
        for _ in 0..15 {
            in_a_hurry(&client, left).await;
        }
        let code = in_a_hurry(&client, left).await;
        assert_eq!(code, "breaker_open", "{status}");
    }
}
