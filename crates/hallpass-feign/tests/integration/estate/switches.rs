//! What the estate has switched on, wherever the switch stands.

use hallpass_feign::FeignSettings;

use super::loader;

#[test]
fn a_switch_may_stand_in_the_environment_alone() {
    let deadline = |yaml: &str, variables: &[(&str, &str)]| {
        let loader = loader(yaml).environment(variables.iter().copied());
        let feign: FeignSettings = loader.load().unwrap().into_settings();
        feign.client("another").deadline.map(|it| it.as_secs())
    };
    let yaml = "resilience4j.timelimiter.configs.default.timeoutDuration: 4s";
    assert_eq!(deadline(yaml, &[]), None);
    for on in [
        "SPRING_CLOUD_OPENFEIGN_CIRCUITBREAKER_ENABLED",
        "FEIGN_CIRCUITBREAKER_ENABLED",
    ] {
        let on = (on, "true");
        assert_eq!(deadline(yaml, &[on]), Some(4), "{on:?}");
        for off in [
            (
                "SPRING_CLOUD_CIRCUITBREAKER_RESILIENCE4J_DISABLETIMELIMITER",
                "true",
            ),
            ("SPRING_CLOUD_CIRCUITBREAKER_RESILIENCE4J_ENABLED", "off"),
        ] {
            assert_eq!(deadline(yaml, &[on, off]), None, "{off:?}");
        }
    }
    let hystrix = "hystrix.command.default.circuitBreaker.enabled: true";
    assert_eq!(deadline(hystrix, &[]), None);
    let on = ("FEIGN_HYSTRIX_ENABLED", "true");
    assert_eq!(deadline(hystrix, &[on]), Some(1));
}

#[test]
fn a_switch_that_nothing_fills_in_stops_nothing() {
    let yaml = "
feign.circuitbreaker.enabled: ${NOBODY_FILLS_IT}
resilience4j.timelimiter.configs.default.timeoutDuration: 4s
";
    let loaded = loader(yaml).load::<FeignSettings>().unwrap();
    assert_eq!(loaded.settings().client("another").deadline, None);
    let warning = &loaded.warnings()[0];
    assert!(
        warning.ends_with("; it counts as if it were not there"),
        "{warning}"
    );
}
