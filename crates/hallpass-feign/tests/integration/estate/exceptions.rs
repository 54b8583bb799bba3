//! Classes of Java exceptions, where they say what is a failure.

use hallpass_feign::FeignSettings;

use super::{breaker, loader, problem};

#[test]
fn what_counts_as_a_failure_is_as_here_or_a_problem() {
    let with = |key: &str, classes: &str| {
        format!("resilience4j.circuitbreaker.instances.logistics-service.{key}: [{classes}]")
    };
    let server = "org.springframework.web.client.HttpServerErrorException";
    let fine = with(
        "recordExceptions",
        &format!("{server}, java.util.concurrent.TimeoutException, java.io.IOException"),
    );
    assert_eq!(breaker(&fine).window, 100);
    for classes in [
        "feign.FeignException$NotFound",
        "feign.FeignException.NotFound, feign.FeignException$TooManyRequests",
        "org.springframework.web.client.HttpClientErrorException.Gone",
    ] {
        assert_eq!(breaker(&with("ignoreExceptions", classes)).window, 100);
    }
    assert_eq!(breaker(&with("recordExceptions", "")).window, 100);
    let refused_connection = "java.net.UnknownHostException, java.io.IOException";
    let fine = with(
        "recordExceptions",
        &format!("{server}, {refused_connection}"),
    );
    assert_eq!(breaker(&fine).window, 100);
    for (key, classes, expected) in [
        (
            "recordExceptions",
            server,
            "would let some failures count as none",
        ),
        (
            "recordExceptions",
            "com.example.BusinessException",
            "would let some failures count as none",
        ),
        (
            "recordExceptions",
            "feign.FeignException$ServiceUnavailable, java.net.UnknownHostException",
            "would let some failures count as none",
        ),
        (
            "ignoreExceptions",
            "java.io.IOException",
            "would let failures count as none",
        ),
        (
            "ignoreExceptions",
            "com.example.BusinessException, java.net.UnknownHostException",
            "would let failures count as none",
        ),
        (
            "ignoreExceptions",
            "feign.FeignException.ServiceUnavailable",
            "would let failures count as none",
        ),
    ] {
        let problem = problem(&with(key, classes));
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("BusinessException"), "{problem}");
    }
    let code = "resilience4j.circuitbreaker.instances.logistics-service.recordFailurePredicate: com.example.Mine";
    assert!(problem(code).contains("recordFailurePredicate: names code of Java"));
}

/// As the documentation of Resilience4j has it.
const OF_THE_DOCUMENTATION: &str = "
feign.circuitbreaker.enabled: true
resilience4j.circuitbreaker.configs.default:
  slidingWindowSize: 100
  recordExceptions:
    - org.springframework.web.client.HttpServerErrorException
    - java.util.concurrent.TimeoutException
    - java.io.IOException
  ignoreExceptions:
    - io.github.robwin.exception.BusinessException
";

#[test]
fn an_exception_of_somebodys_own_code_changes_nothing_and_is_noted() {
    let more = OF_THE_DOCUMENTATION.replace(
        "    - java.io.IOException",
        "    - java.io.IOException\n    - com.example.Mine",
    );
    for (yaml, notes) in [(OF_THE_DOCUMENTATION, 1), (more.as_str(), 2)] {
        let loaded = loader(yaml).load::<FeignSettings>().unwrap();
        let client = loaded.settings().client("logistics-service");
        assert_eq!(client.service.breakers[0].window, 100);
        assert_eq!(loaded.warnings(), [""; 0]);
        let is_noted = |it: &&String| it.contains("names classes of Java that no call fails with");
        let noted = loaded.left_alone().iter().filter(is_noted);
        assert_eq!(noted.count(), notes, "{:?}", loaded.left_alone());
    }
}
