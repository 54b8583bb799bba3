//! Whom a name of the estate means, and what becomes of what is said of nobody.

use std::time::Duration;

use hallpass_feign::FeignSettings;

use super::{load, loader, problem};

/// As the documentation of Spring Cloud Circuit Breaker has it.
const OF_OTHERS: &str = "
resilience4j:
  circuitbreaker:
    instances:
      backendA: { registerHealthIndicator: true, slidingWindowSize: 100 }
      backendB: { slidingWindowSize: 10, recordFailurePredicate: io.github.robwin.exception.RecordFailurePredicate }
      paymentDb: { recordExceptions: [ java.sql.SQLException ] }
  thread-pool-bulkhead: { instances: { backendC: { coreThreadPoolSize: 1 } } }
  timelimiter:
    instances:
      backendA: { timeoutDuration: 2s, cancelRunningFuture: true }
      backendB: { timeoutDuration: 1s, cancelRunningFuture: false }
";

#[test]
fn what_cannot_be_had_for_a_name_that_is_nobodys_stops_nothing() {
    let loaded = loader(OF_OTHERS).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.warnings(), [""; 0]);
    let noted = |text: &str| loaded.left_alone().iter().any(|it| it.contains(text));
    assert!(
        noted("paymentDb.recordExceptions: would let some failures count as none"),
        "{:?}",
        loaded.left_alone()
    );
    assert!(noted("recordFailurePredicate"));
    assert!(noted(
        "instances.backendA: counts for a client or a method of this name"
    ));
    let unusable = &loaded.settings().unusable;
    let names: Vec<_> = unusable.keys().map(String::as_str).collect();
    assert_eq!(names, ["backendB", "backendC", "paymentDb"]);
    // Who declares such a client is told at once, with the line.
    let declared = loader(OF_OTHERS).text("own.yaml", "hallpass.feign.clients.paymentDb: {}");
    let problems = declared.load::<FeignSettings>().unwrap_err().to_string();
    assert!(
        problems.starts_with(
            "application.yaml:7:20: resilience4j.circuitbreaker.instances.paymentDb.recordExceptions: would"
        ),
        "{problems}"
    );
}

#[test]
fn what_we_say_ourselves_need_not_be_mended_for_others() {
    let own = "hallpass.feign.clients.paymentDb.service.breaker.window: 20";
    let loader = loader(OF_OTHERS).text("own.yaml", own);
    let loaded = loader.load::<FeignSettings>().unwrap();
    let breakers = &loaded.settings().client("paymentDb").service.breakers;
    assert_eq!(breakers[0].window, 20);
    let of_all = "
feign.circuitbreaker.enabled: true
resilience4j.circuitbreaker.configs.default.recordFailurePredicate: com.example.Mine
hallpass.feign.defaults.service.breaker.window: 20
";
    assert_eq!(load(of_all).client("x").service.breakers[0].window, 20);
    let alone = of_all.replace("hallpass.feign.defaults.service.breaker.window: 20", "");
    assert!(problem(&alone).contains("recordFailurePredicate: names code of Java"));
}

#[test]
fn a_configuration_called_like_a_client_is_that_of_its_group() {
    let yaml = "
spring.cloud.openfeign.circuitbreaker: { enabled: true, group.enabled: true }
resilience4j:
  circuitbreaker:
    configs:
      default: { slidingWindowSize: 50 }
      base: { waitDurationInOpenState: 3s }
      logistics-service: { baseConfig: base, slidingWindowSize: 7, minimumNumberOfCalls: 7 }
  timelimiter: { configs: { logistics-service: { timeoutDuration: 9s } } }
";
    let feign = load(yaml);
    let client = feign.client("logistics-service");
    let breaker = client.service.breakers[0];
    assert_eq!((breaker.window, breaker.open), (7, Duration::from_secs(3)));
    assert_eq!(client.deadline, Some(Duration::from_secs(9)));
    assert_eq!(feign.client("another").service.breakers[0].window, 50);
    assert!(
        !feign.clients.contains_key("base"),
        "a base is nobody's configuration"
    );
    let off = yaml.replace("enabled: true, group", "enabled: false, group");
    assert!(load(&off).client("logistics-service").service.is_empty());
}
