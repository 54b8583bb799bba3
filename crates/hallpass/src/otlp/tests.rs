use hallpass_clock::SystemClock;
use hallpass_upstream::HttpTransport;

use super::*;

#[test]
fn a_start_outside_a_runtime_is_an_error_and_not_a_panic() {
    let yaml = "hallpass: { telemetry: { otlp: { endpoint: \"http://127.0.0.1:9\" } } }";
    let loader = hallpass_config::Loader::new("hallpass").text("a.yaml", yaml);
    let settings = loader.load::<TelemetrySettings>().unwrap().into_settings();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let transport = HttpTransport::new().unwrap();
    let otlp = Otlp::new();
    let started = otlp.start(&settings.otlp.unwrap(), "orders", &transport, &clock);
    assert_eq!(started, Err(OutsideRuntime));
}
