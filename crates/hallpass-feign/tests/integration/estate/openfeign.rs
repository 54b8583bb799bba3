//! `spring.cloud.openfeign.client.config`.

use hallpass_feign::FeignSettings;

use super::{load, loader};

const CONFIG: &str = "
spring.cloud.openfeign.client.config:
  default: { connectTimeout: 1000, readTimeout: 8000, loggerLevel: full }
  reports: { read-timeout: 60s }
  quiet: { loggerLevel: none, defaultRequestHeaders: { X-Token: s3cret }, retryer: com.example.Mine }
";

fn deadline(feign: &FeignSettings, client: &str) -> Option<u64> {
    let deadline = feign.client(client).deadline?;
    Some(deadline.as_millis().try_into().unwrap())
}

#[test]
fn the_time_that_feign_waits_is_the_deadline() {
    let feign = load(CONFIG);
    assert_eq!(deadline(&feign, "reports"), Some(60_000));
    assert_eq!(deadline(&feign, "another"), Some(8_000));
    assert_eq!(deadline(&feign, "quiet"), Some(8_000));
    let old = "feign.client.config.default.readTimeout: 7000";
    assert_eq!(deadline(&load(old), "another"), Some(7_000));
    let renamed =
        "spring.cloud.openfeign.client: { default-config: all, config.all.readTimeout: 6000 }";
    assert_eq!(deadline(&load(renamed), "another"), Some(6_000));
    let for_ever = "feign.client.config.default.readTimeout: 0";
    assert_eq!(deadline(&load(for_ever), "another"), Some(3_600_000));
}

#[test]
fn ours_and_other_products_go_before_it() {
    let ours = format!("{CONFIG}\nhallpass.feign.defaults.deadline-ms: 2000");
    let feign = load(&ours);
    assert_eq!(deadline(&feign, "another"), Some(2_000));
    assert_eq!(deadline(&feign, "quiet"), Some(2_000));
    assert_eq!(deadline(&feign, "reports"), Some(60_000), "by name");
    let limited =
        format!("{CONFIG}\nresilience4j.timelimiter.instances.reports.timeoutDuration: 3s");
    assert_eq!(deadline(&load(&limited), "reports"), Some(3_000));
    let named = format!("{CONFIG}\nhallpass.feign.estate: [resilience4j]");
    assert_eq!(deadline(&load(&named), "reports"), None);
}

#[test]
fn it_counts_for_a_client_whose_time_limiter_is_off() {
    let yaml = format!(
        "{CONFIG}
feign.circuitbreaker.enabled: true
resilience4j.timelimiter.configs.default.timeoutDuration: 4s
spring.cloud.circuitbreaker.resilience4j.disableTimeLimiterMap: {{ reports: true, quiet: true }}
"
    );
    for given in ["", "hallpass.feign.estate: [resilience4j, openfeign]"] {
        let feign = load(&format!("{yaml}{given}"));
        assert_eq!(deadline(&feign, "reports"), Some(60_000), "{given}");
        assert_eq!(deadline(&feign, "quiet"), Some(8_000), "that of all");
        assert_eq!(deadline(&feign, "another"), Some(4_000), "{given}");
        assert!(!feign.client("reports").is_deadline_of_all);
        assert!(feign.client("quiet").is_deadline_of_all);
    }
    let without = yaml.replace(CONFIG, "");
    assert_eq!(deadline(&load(&without), "reports"), None);
}

#[test]
fn what_is_code_of_java_is_warned_of_with_what_takes_its_place() {
    let loaded = loader(CONFIG).load::<FeignSettings>().unwrap();
    let warnings = loaded.warnings().join("\n");
    for expected in [
        "config.quiet.defaultRequestHeaders: is not read: write them as `feign.clients.NAME.headers`",
        "config.quiet.retryer: names code of Java",
    ] {
        assert!(warnings.contains(expected), "{warnings}");
    }
    assert!(!warnings.contains("s3cret"), "{warnings}");
    let ribbon = loader("ribbon.ReadTimeout: 5000")
        .load::<FeignSettings>()
        .unwrap();
    assert!(
        ribbon.warnings()[0].contains("ribbon.ReadTimeout: is not read"),
        "{:?}",
        ribbon.warnings()
    );
}
