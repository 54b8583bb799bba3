use hallpass_config::Loader;

use crate::Settings;

fn yaml(instance: &str, more: &str) -> String {
    format!(
        "hallpass:
  internal-token:
    client-id: order-service
    client-secret: a-secret-of-a-test
    token-url: lb://SERVICE-AUTH/oauth2/token
  discovery:
    static:
      service-auth: ['{instance}']
      stock-service: ['127.0.0.1:1']
{more}"
    )
}

fn check(instance: &str, more: &str) -> Result<Vec<String>, String> {
    let loader = Loader::new("hallpass").text("test.yaml", yaml(instance, more));
    match loader.load::<Settings>() {
        Ok(loaded) => Ok(loaded.warnings().to_vec()),
        Err(problems) => Err(problems.to_string()),
    }
}

#[test]
fn a_listed_address_that_a_secret_would_go_to_in_plain_http_is_a_problem() {
    for instance in ["10.0.0.7:9000", "http://0.0.0.0:9000", "[2001:db8::1]:9000"] {
        let problem = check(instance, "").unwrap_err();
        assert!(problem.contains("test.yaml:7"), "{problem}");
        assert!(problem.contains("`token-url` leads to it"), "{problem}");
        assert!(!problem.contains("10.0.0.7"), "{problem}");
    }
}

#[test]
fn a_listed_name_is_a_warning_because_it_may_mean_this_machine() {
    let warnings = check("auth.example:9000", "").unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("plain http"), "{warnings:?}");
}

#[test]
fn tls_loopback_and_the_dangerous_setting_are_left_in_peace() {
    for instance in [
        "127.0.0.1:9000",
        "localhost:9000",
        "[::1]:9000",
        "https://auth.example",
    ] {
        assert_eq!(check(instance, ""), Ok(vec![]), "{instance}");
    }
    let lifted = "  tls: { dangerous-plain-http: true }";
    assert_eq!(check("10.0.0.7:9000", lifted), Ok(vec![]));
}

#[test]
fn a_service_that_only_calls_without_an_identity_can_reach_is_a_warning() {
    let more = "      reports: ['10.0.0.8:80']";
    let warnings = check("127.0.0.1:9000", more).unwrap();
    assert!(warnings[0].contains("without an identity"), "{warnings:?}");
}
