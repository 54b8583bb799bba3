//! For whom a token is asked for where `internal-token` names nobody.

use std::fs;
use std::path::Path;

use super::rig::{Diagnosis, Estate, SECRET};
use crate::process::run;

/// The sidecar of `deploy/first-estate` beside this estate's issuer, its secret being `secret`.
fn shipped(estate: &Estate, secret: &str) -> String {
    let file = "../../deploy/first-estate/etc/hallpass/sidecar-order-service.yaml";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let yaml = fs::read_to_string(file).unwrap();
    let at = estate.path().join("order-service.secret");
    fs::write(&at, secret).unwrap();
    let yaml = yaml.replace(
        "/etc/hallpass/order-service.secret",
        &at.display().to_string(),
    );
    yaml.replace("127.0.0.1:9000", estate.issuer.address())
}

#[test]
fn the_shipped_sidecar_tries_its_credential_for_a_service_that_it_calls() {
    let estate = Estate::start();
    let found = estate.doctor(&shipped(&estate, SECRET));
    found.is(0, &[]);
    assert_eq!(found.outcome("credential"), "ok", "{found}");
    let found = estate.doctor(&shipped(&estate, "1123456789abcdef0123456789abcdef"));
    found.is(65, &[("credential", "failure", "(invalid_client)")]);
    let other = shipped(&estate, SECRET).replace(
        "{ name: stock-service, identity: service }",
        "{ name: billing, identity: service }",
    );
    let found = estate.doctor(&other.replace("stock-service:", "billing:"));
    let part = "may not call `billing` (invalid_target)";
    found.is(65, &[("entitlement", "failure", part)]);
}

#[test]
fn each_listener_of_a_sidecar_is_looked_at_and_two_at_one_address_are_named() {
    let estate = Estate::start();
    let sidecar = shipped(&estate, SECRET);
    for (from, to, part) in [
        (
            "listen: 127.0.0.1:15001",
            "listen: 127.0.0.1:9902",
            "sidecar.outbound.listen and sidecar.management.listen both want 127.0.0.1:9902",
        ),
        (
            "{ listen: 127.0.0.1:8081,",
            "{ listen: 0.0.0.0:9902,",
            "sidecar.inbound.listen and sidecar.management.listen both want 0.0.0.0:9902",
        ),
        (
            "{ listen: 127.0.0.1:9902 }",
            "{ listen: '[::]:8081' }",
            "sidecar.inbound.listen and sidecar.management.listen both want 127.0.0.1:8081",
        ),
        (
            "{ listen: 127.0.0.1:9902 }",
            "{ listen: 192.0.2.1:9902 }",
            "sidecar.management.listen: 192.0.2.1 is no address",
        ),
    ] {
        assert!(sidecar.contains(from), "{from}");
        let found = estate.doctor(&sidecar.replace(from, to));
        found.is(65, &[("listen", "failure", part)]);
    }
    let authz = "authz: { grpc-listen: '0.0.0.0:9191', management: { listen: '127.0.0.1:18080' } }";
    let found = estate.doctor(&estate.and(authz));
    for part in [
        "authz.grpc-listen and authz.listen both want",
        "authz.management.listen and service.listen both want",
    ] {
        found.is(65, &[("listen", "failure", part)]);
    }
}

#[test]
fn a_gateway_tries_its_credential_for_a_service_of_its_routes() {
    let estate = Estate::start();
    for (identity, client, entitlement) in [
        ("service", "order-service", "ok"),
        // A client that has tokens of users alone is no fault.
        ("exchange", "exchanger", "skipped"),
    ] {
        let gateway = format!(
            "gateway: {{ listen: ['127.0.0.1:8443'], routes: [{{ name: all, path: /**, to: lb://stock-service, identity: {identity}, rule: authenticated }}] }}\n  \
             discovery: {{ static: {{ stock-service: ['127.0.0.1:1'] }} }}"
        );
        let yaml = estate.and(&gateway);
        let yaml = yaml.replace("    audience: service-system\n", "");
        let yaml = yaml.replace("    scope: internal-service\n", "");
        let yaml = yaml.replace("client-id: order-service", &format!("client-id: {client}"));
        let found = estate.doctor(&yaml);
        found.is(0, &[]);
        assert_eq!(found.outcome("credential"), "ok", "{found}");
        assert_eq!(found.outcome("entitlement"), entitlement, "{found}");
        let wrong = yaml.replace("client-secret: 0", "client-secret: 1");
        let found = estate.doctor(&wrong);
        found.is(65, &[("credential", "failure", "(invalid_client)")]);
    }
}

#[test]
fn a_credential_that_cannot_be_tried_is_not_called_sound() {
    let estate = Estate::start();
    let yaml = estate.with("    audience: service-system\n", "");
    let found = estate.doctor(&yaml);
    let part = "the client `order-service` was NOT tried";
    found.is(0, &[("credential", "warning", part)]);
    let file = estate.path().join("service.yaml");
    let file = file.to_str().unwrap();
    let outcome = run(&["doctor", "--config", file]);
    let last = outcome.stdout.lines().last();
    let expected = "nothing failed, but it was NOT tried: credential";
    assert_eq!(last, Some(expected), "{outcome:?}");
    let found = Diagnosis::of(&["--config", file, "--audience", "service-system"]);
    found.is(0, &[]);
}
