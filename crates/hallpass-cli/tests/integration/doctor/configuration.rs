//! What can be said before anybody is asked, and the shape of what is said.

use std::fs;

use super::rig::{Diagnosis, Estate, closed_port};
use crate::process::run;

/// How often a token was issued for it.
const ISSUED: &str = "tokens_issued_total{grant=\"client_credentials\",client=\"order-service\",audience=\"service-system\"}";

#[test]
fn a_sound_estate_has_no_warning_and_every_check_is_said() {
    let estate = Estate::start();
    let found = estate.doctor(&estate.yaml());
    found.is(0, &[]);
    assert_eq!(found.names().len(), 24);
    for name in [
        "configuration",
        "permit-all",
        "listen",
        "token-endpoint",
        "clock",
        "credential",
        "entitlement",
        "token-life",
        "key-set",
        "key-set-age",
        "issuer-name",
        "algorithm",
        "token-key",
        "audience",
        "token-verifies",
    ] {
        assert_eq!(found.outcome(name), "ok", "{name}: {found}");
    }
    for name in ["nacos", "redis", "certificates", "registration", "store"] {
        assert_eq!(found.outcome(name), "skipped", "{name}: {found}");
    }
    assert_eq!(estate.issuer.metric(ISSUED), "1");
}

#[test]
fn people_get_a_line_each_and_what_to_do_below_it() {
    let estate = Estate::start();
    let yaml = estate.with("client-secret: 0", "client-secret: 1");
    let file = estate.path().join("service.yaml");
    fs::write(&file, yaml).unwrap();
    let outcome = run(&["doctor", "--config", file.to_str().unwrap()]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (65, ""),
        "{outcome:?}"
    );
    let lines: Vec<_> = outcome.stdout.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("failure  credential       the client `order-service`"));
    let at = at.unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(lines[at].contains("invalid_client"), "{outcome:?}");
    assert!(
        lines[at + 1]
            .trim_start()
            .starts_with("do: compare `client-id`"),
        "{outcome:?}"
    );
    assert_eq!(lines.last(), Some(&"not sound: 1 check failed"));
}

#[test]
fn a_configuration_that_cannot_be_used_ends_as_config_check_does() {
    let estate = Estate::start();
    for (yaml, part) in [
        (
            estate.with("scope: internal", "scop: internal"),
            "did you mean `scope`?",
        ),
        (
            estate.with("client-secret: 0", "client-secret-file: absent # 0"),
            "client-secret-file",
        ),
        (
            estate.with("token-url: http://127.0.0.1", "token-url: http://192.0.2.1"),
            "is plain http to a host that is not loopback",
        ),
        (
            estate.with("\n  internal-token:", "\n  internal-token: [\n  x:"),
            "service.yaml",
        ),
        (
            estate.with("hallpass:", "hallpas:"),
            "has neither `hallpass` nor `scccy` at its top",
        ),
        (estate.and("discovery: { nacos: true }"), "needs a server"),
    ] {
        let found = estate.doctor(&yaml);
        found.is(64, &[("configuration", "failure", part)]);
        assert_eq!(found.outcome("token-endpoint"), "skipped", "{found}");
    }
    let found = Diagnosis::of(&["--config", "/no/such/file.yaml"]);
    found.is(64, &[("configuration", "failure", "/no/such/file.yaml")]);
}

#[test]
fn what_the_configuration_alone_shows_is_named() {
    let estate = Estate::start();
    let other = "issuers:\n        - audience: service-order\n          name: ours";
    for (yaml, code, expected) in [
        (
            estate.with("internal-jwt:", "permit-all: true\n    internal-jwt:"),
            65,
            ("permit-all", "failure", "every request passes"),
        ),
        (
            estate.with("127.0.0.1:18080", "192.0.2.1:18080"),
            65,
            ("listen", "failure", "is no address of this machine"),
        ),
        (
            estate.with("issuers:\n        - name: ours", other),
            0,
            (
                "audience",
                "warning",
                "takes tokens for `service-order` alone",
            ),
        ),
    ] {
        let found = estate.doctor(&yaml);
        found.is(code, &[expected]);
    }
}

#[test]
fn nobody_is_configured_and_nobody_is_asked_which_is_not_called_sound() {
    let estate = Estate::start();
    let found = estate.doctor("hallpass: { service: { name: alone } }");
    let part = "it names nothing to look at";
    found.is(0, &[("configuration", "warning", part)]);
    for name in [
        "token-endpoint",
        "clock",
        "key-set",
        "token-verifies",
        "redis",
    ] {
        assert_eq!(found.outcome(name), "skipped", "{name}: {found}");
    }
    let file = estate.path().join("service.yaml");
    let outcome = run(&["doctor", "--config", file.to_str().unwrap()]);
    let last = outcome.stdout.lines().last();
    let expected = "nothing failed, but it was NOT tried: configuration";
    assert_eq!(last, Some(expected), "{outcome:?}");
}

#[test]
fn without_any_configuration_there_is_nothing_to_be_sound() {
    let part = "there was nothing to look at";
    Diagnosis::of(&[]).is(64, &[("configuration", "failure", part)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.yaml");
    for text in ["hallpass: {}\n", "hallpass:\n"] {
        fs::write(&file, text).unwrap();
        let found = Diagnosis::of(&["--config", file.to_str().unwrap()]);
        found.is(64, &[("configuration", "failure", part)]);
    }
}

#[test]
fn the_configuration_of_an_issuer_or_a_gateway_will_do() {
    let estate = Estate::start();
    let issuer = estate.path().join("issuer.yaml");
    let found = Diagnosis::of(&["--config", issuer.to_str().unwrap()]);
    // A command line has told it where its store is.
    found.is(0, &[("store", "warning", "hallpass.db is not there yet")]);
    let gateway = "gateway: { listen: ['192.0.2.1:8443'], routes: [{ name: all, path: /**, to: lb://order-service, identity: none, rule: authenticated }] }\n  \
                   discovery: { static: { order-service: ['127.0.0.1:1'] } }";
    let found = estate.doctor(&estate.and(gateway));
    found.is(
        65,
        &[("listen", "failure", "gateway.listen: 192.0.2.1 is no")],
    );
}

#[test]
fn a_server_of_nacos_that_is_away_is_named_and_the_files_alone_will_do() {
    let estate = Estate::start();
    let nacos = format!(
        "nacos: {{ server-addr: '127.0.0.1:{}', config: {{ data-ids: [order.yaml] }} }}",
        closed_port()
    );
    let found = estate.doctor(&estate.and(&nacos));
    found.is(65, &[("nacos", "failure", "no Nacos server answers")]);
    assert_eq!(found.outcome("nacos-documents"), "skipped");
    assert_eq!(found.outcome("credential"), "ok");
}
