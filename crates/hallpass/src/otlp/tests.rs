use hallpass_clock::SystemClock;
use hallpass_upstream::HttpTransport;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn settings() -> OtlpSettings {
    let yaml = "hallpass: { telemetry: { otlp: { endpoint: \"http://127.0.0.1:9\" } } }";
    let loader = hallpass_config::Loader::new("hallpass").text("a.yaml", yaml);
    let settings = loader.load::<TelemetrySettings>().unwrap().into_settings();
    settings.otlp.unwrap()
}

#[test]
fn a_start_outside_a_runtime_is_an_error_and_not_a_panic() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let transport = HttpTransport::new().unwrap();
    let otlp = Otlp::new();
    let started = otlp.start(&settings(), "orders", &transport, &clock);
    assert_eq!(started, Err(OutsideRuntime));
}

#[tokio::test]
async fn a_second_layer_makes_no_span_a_panic() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let transport = HttpTransport::new().unwrap();
    let both = [Otlp::new(), Otlp::new()];
    let [one, other] = &both;
    let subscriber = tracing_subscriber::registry();
    let subscriber = subscriber.with(one.layer()).with(other.layer());
    let _guard = tracing::subscriber::set_default(subscriber);
    for otlp in &both {
        otlp.start(&settings(), "orders", &transport, &clock)
            .unwrap();
    }
    let span = tracing::info_span!("request", trace_id = "1", span_id = "2", trace_flags = 1);
    span.in_scope(|| ());
    drop(span);
}
