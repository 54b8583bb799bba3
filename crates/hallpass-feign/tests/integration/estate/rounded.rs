//! Numbers of rules that cannot be had as they stand.

use std::time::Duration;

use hallpass_feign::FeignSettings;

use super::sentinel::{degrade, flow, with_rules};
use super::{breaker, loader};

#[test]
fn what_is_whole_here_is_rounded_and_warned_of() {
    let yaml = degrade("grade: 1, count: 0.333, statIntervalMs: 500");
    let loaded = loader(&yaml).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.warnings().len(), 2, "{:?}", loaded.warnings());
    let breaker = breaker(&yaml);
    assert_eq!(breaker.failure_rate.get(), 33);
    assert_eq!(breaker.window_time, Duration::from_secs(1));
}

#[test]
fn what_is_more_than_can_be_had_here_is_the_most_that_can() {
    let only = |yaml: &str| {
        let loaded = loader(yaml).load::<FeignSettings>().unwrap();
        assert_eq!(loaded.warnings().len(), 1, "{:?}", loaded.warnings());
        assert!(loaded.warnings()[0].contains("is more than can be had here"));
        loaded
            .settings()
            .client("logistics-service")
            .service
            .clone()
    };
    let bulkhead = only(&flow("grade: 0, count: 2147483647")).bulkhead.unwrap();
    assert_eq!(bulkhead.max_concurrent, 100_000);
    let rates = only(&flow("count: 2147483647")).rates;
    assert_eq!(rates[0].calls, 1_000_000);
    let rates = only(&flow(
        "count: 1, controlBehavior: 2, maxQueueingTimeMs: 600000",
    ))
    .rates;
    assert_eq!(rates[0].max_wait, Duration::from_secs(60));
    let rule = "[{ resource: logistics-service, grade: 1, count: 1, timeWindow: 86400 }]";
    let breakers = only(&with_rules("degrade", rule)).breakers;
    assert_eq!(breakers[0].open, Duration::from_secs(3_600));
}
