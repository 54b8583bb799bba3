//! `hallpass policy list` and `hallpass policy explain`

use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{Algorithm, TokenClaims, UnixTime, sign};

use crate::process::{AUDIENCE, ISSUER, Keys, Outcome, run, run_with};

/// A service with rules, and tokens for it.
struct Service {
    keys: Keys,
    file: String,
}

impl Service {
    fn new() -> Self {
        let keys = Keys::new(Algorithm::EdDsa);
        let yaml = format!(
            "hallpass:
  service: {{ name: {AUDIENCE} }}
  security:
    internal-jwt:
      issuer: {ISSUER}
      jwks-file: {}
      resource: https://billing.example/api
      routes:
        - {{ path: '/orders/**', rule: authenticated }}
        - {{ path: '/orders/{{id}}', methods: [GET], rule: scopes, all: [orders], any-role: [clerk] }}
        - {{ path: /soon, rule: authenticated, mode: report }}
      internal-only: {{ paths: [/internal/**] }}
",
            keys.file()
        );
        let file = keys.beside("service.yaml", yaml.as_bytes());
        Self { keys, file }
    }

    fn explain(&self, more: &[&str], stdin: &str) -> Outcome {
        let mut arguments = vec!["policy", "explain", "--config", &self.file];
        arguments.extend_from_slice(more);
        run_with(&arguments, stdin.as_bytes())
    }

    /// A token that is good now.
    fn token(&self, scope: &str, roles: &[&str]) -> String {
        let now = UnixTime::from(SystemClock::new().now());
        let mut claims = TokenClaims::new(
            ISSUER.parse().unwrap(),
            "billing".parse().unwrap(),
            AUDIENCE.parse().unwrap(),
            now.saturating_add(Duration::from_secs(600)),
        );
        claims.client_id = Some("billing".parse().unwrap());
        claims.scope = scope.parse().unwrap();
        claims.extra.insert("roles".to_owned(), roles.into());
        sign(&claims, &self.keys.signing, now)
            .unwrap()
            .expose()
            .to_owned()
    }
}

#[test]
fn rules_are_listed_in_the_order_in_which_they_are_tried() {
    let service = Service::new();
    let outcome = run(&["policy", "list", "--config", &service.file]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let lines: Vec<_> = outcome.stdout.lines().collect();
    let file = &service.file;
    assert_eq!(
        lines,
        [
            format!(
                "GET /orders/{{id}} scopes(all: orders) and roles(any: clerk) [enforce, configuration]  {file}:10"
            ),
            format!("* /soon authenticated [report, configuration]  {file}:11"),
            format!("* /orders/** authenticated [enforce, configuration]  {file}:9"),
            "* /internal/** internal-only(internal-service) [enforce, internal-only paths]"
                .to_owned(),
            format!("policy {policy}", policy = policy(&service)),
        ]
    );
    let listed = run(&["policy", "list", "--json", "--config", &service.file]).json();
    assert_eq!(listed["rules"][0]["conditions"], "roles(any: clerk)");
    assert_eq!(listed["rules"][3]["table"], "internal-only paths");
}

/// The short name of its rules, as `policy list` says it.
fn policy(service: &Service) -> String {
    let listed = run(&["policy", "list", "--json", "--config", &service.file]).json();
    listed["policy"].as_str().unwrap().to_owned()
}

#[test]
fn the_list_names_the_policy_and_another_mode_is_another_policy() {
    let service = Service::new();
    let before = policy(&service);
    assert_eq!(before.len(), 12, "{before}");
    assert_eq!(policy(&service), before);
    let yaml = std::fs::read_to_string(&service.file).unwrap();
    let yaml = yaml.replace(
        "rule: authenticated }",
        "rule: authenticated, mode: report }",
    );
    std::fs::write(&service.file, yaml).unwrap();
    assert_ne!(policy(&service), before);
}

#[test]
fn the_metadata_of_the_service_are_explained_as_open_by_no_rule() {
    let service = Service::new();
    let path = "/.well-known/oauth-protected-resource/api";
    let explained = service.explain(&["GET", path], "");
    assert_eq!(explained.code, 0, "{explained:?}");
    let answer = "passes: the service answers with its metadata (RFC 9728), and asks no rule";
    assert!(explained.stdout.contains(answer), "{explained:?}");
    let object = service.explain(&["GET", path, "--json"], "").json();
    assert_eq!(object["metadata"], true);
    assert_eq!(object["rules_in_code"], "not_asked");
    // Beside it nothing is open.
    let beside = service.explain(
        &["GET", "/.well-known/oauth-protected-resource", "--json"],
        "",
    );
    assert_eq!(beside.json()["metadata"], false);
    assert_eq!(beside.code, 65);
}

#[test]
fn what_rules_in_code_could_change_is_said_since_they_are_not_known_here() {
    let service = Service::new();
    let good = service.token("orders", &["clerk"]);
    let cases: [(&[&str], &str, &str); 5] = [
        (
            &["GET", "/elsewhere"],
            "may_open",
            "one may be for this request",
        ),
        (
            &["GET", "/orders/7", "--token", &good],
            "must_allow_too",
            "must allow it too",
        ),
        (&["GET", "/soon"], "must_allow_too", "must allow it too"),
        (
            &["GET", "/orders/7"],
            "cannot_open",
            "none of which could open it",
        ),
        (
            &["GET", "/orders/%2e%2e/x"],
            "cannot_open",
            "none of which could open it",
        ),
    ];
    for (arguments, code, words) in cases {
        let object = service
            .explain(&[arguments, &["--json"]].concat(), "")
            .json();
        assert_eq!(object["rules_in_code"], code, "{arguments:?}");
        let text = service.explain(arguments, "").stdout;
        assert!(text.lines().last().unwrap().ends_with(words), "{text}");
    }
}

#[test]
fn what_decides_about_a_request_is_said_with_its_reason() {
    let service = Service::new();
    let refused = service.explain(
        &["GET", "/orders/7", "--token", "-"],
        &service.token("orders", &[]),
    );
    assert_eq!(refused.code, 65, "{refused:?}");
    let text = &refused.stdout;
    for part in [
        "caller: billing, a service, client billing, of the issuer internal",
        "refuses (role_required): the caller lacks the role clerk, in enforce  <- decides",
        "not asked: * /orders/** authenticated [enforce, configuration]",
        "less specific than one that is asked",
        "refused with 403 (role_required)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let clerk = service.token("orders", &["clerk"]);
    let passes = service.explain(&["GET", "/orders/7?x=1", "--json", "--token", &clerk], "");
    assert_eq!(passes.code, 0, "{passes:?}");
    let object = passes.json();
    assert_eq!(object["passes"], true);
    assert_eq!(object["caller"]["roles"][0], "clerk");
    assert_eq!(object["asked"].as_array().unwrap().len(), 1);
    assert_eq!(object["passed_over"][0]["why"], "less_specific");
    // The token itself is shown nowhere.
    assert!(!passes.stdout.contains(&clerk) && !refused.stderr.contains("ey"));
}

#[test]
fn a_request_without_a_token_without_a_rule_or_in_report_is_explained_too() {
    let service = Service::new();
    let status = |arguments: &[&str]| {
        let object = service
            .explain(&[arguments, &["--json"]].concat(), "")
            .json();
        (
            object["passes"].clone(),
            object["status"].clone(),
            object["code"].clone(),
        )
    };
    let is = |passes: bool, status: u16, code: &str| (passes.into(), status.into(), code.into());
    assert_eq!(
        status(&["GET", "/orders/7"]),
        is(false, 401, "missing_token")
    );
    assert_eq!(
        status(&["GET", "/elsewhere"]),
        is(false, 401, "missing_token")
    );
    assert_eq!(status(&["GET", "/soon"]), is(true, 200, "missing_token"));
    assert_eq!(
        status(&["GET", "/orders/%2e%2e/internal"]),
        is(false, 400, "ambiguous_path")
    );
    let user = service.token("x", &[]);
    assert_eq!(
        status(&["GET", "/elsewhere", "--token", &user]),
        is(false, 403, "no_rule")
    );
    let wrong = format!("{user}x");
    assert_eq!(status(&["GET", "/soon", "--token", &wrong]).0, true);
    assert_eq!(
        status(&["GET", "/internal/x", "--token", &user]),
        is(false, 403, "insufficient_scope")
    );
}

#[test]
fn what_cannot_be_asked_is_bad_usage_and_shows_no_token() {
    let service = Service::new();
    for arguments in [
        &["GET", "/a b", "--token", "ab.cd.ef"][..],
        &["GET", "/a", "--token", "ab.cd\n.ef"],
    ] {
        let outcome = service.explain(arguments, "");
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert!(!outcome.stderr.contains("ab.cd"), "{outcome:?}");
    }
    let missing = run(&["policy", "list", "--config", "/nowhere/service.yaml"]);
    assert_eq!(missing.code, 64);
}
