use prometheus_client::registry::Registry as MetricsRegistry;

use super::facts::MAX_SCOPES_SUPPORTED;
use super::*;
use crate::clients::authentication::Authentication;
use crate::clients::registration::{GrantType, GrantTypes};

fn registration(id: &str, scope: &str, audience: &str) -> Registration {
    Registration {
        client_id: id.parse().unwrap(),
        scope: scope.parse().unwrap(),
        audiences: vec![audience.parse().unwrap()],
        grants: GrantTypes::default(),
        token_life: Duration::from_secs(60),
        is_dpop_bound: false,
        is_certificate_bound: false,
        profile: None,
        refresh_life: Duration::from_secs(60),
        exchange: Vec::new(),
        may_revoke: Vec::new(),
        calls: Vec::new(),
        claims: serde_json::Map::new(),
        certificate_names: None,
        authentication: Authentication::by_secrets(Vec::new()),
    }
}

/// So many clients, each with an audience and a scope of its own.
fn registry(clients: usize, metrics: &ClientMetrics) -> Registry {
    let own = |n: usize| {
        let (scope, audience) = (format!("scope-{n}"), format!("audience-{n}"));
        registration(&format!("client-{n}"), &scope, &audience)
    };
    let registrations = (0..clients).map(own).collect();
    Registry::build(registrations, None, metrics).unwrap()
}

fn labels_of(clients: usize) -> Vec<String> {
    let metrics = ClientMetrics::default();
    registry(clients, &metrics);
    let mut registry = MetricsRegistry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let lines = text.lines().filter(|line| line.contains('{'));
    lines.map(str::to_owned).collect()
}

#[test]
fn of_more_than_a_thousand_clients_none_has_a_label_of_its_own() {
    assert_eq!(labels_of(MAX_CLIENT_LABELS).len(), MAX_CLIENT_LABELS);
    let others =
        r#"tokens_issued_total{grant="client_credentials",client="_other",audience="_other"} 0"#;
    assert_eq!(labels_of(MAX_CLIENT_LABELS + 1), [others]);
}

#[test]
fn of_more_than_a_thousand_scopes_the_metadata_lists_a_thousand() {
    let listed = |clients| {
        let registry = registry(clients, &ClientMetrics::default());
        registry.scopes_supported().count()
    };
    assert_eq!(listed(MAX_SCOPES_SUPPORTED - 1), MAX_SCOPES_SUPPORTED - 1);
    assert_eq!(listed(MAX_SCOPES_SUPPORTED + 1), MAX_SCOPES_SUPPORTED);
}

#[test]
fn every_client_of_many_is_found_and_no_other() {
    let registry = registry(3_000, &ClientMetrics::default());
    assert_eq!(registry.len(), 3_000);
    for n in 0..3_000 {
        let id = format!("client-{n}");
        assert_eq!(registry.find(&id).unwrap().id.as_str(), id);
    }
    for absent in ["", "client-3000", "client-", "Client-1"] {
        assert!(registry.find(absent).is_none(), "{absent}");
    }
}

#[test]
fn of_two_with_one_id_the_first_one_wins() {
    let both = ["one", "two"].map(|scope| registration("c", scope, "a"));
    let registry = Registry::build(both.into(), None, &ClientMetrics::default()).unwrap();
    assert_eq!(
        registry
            .find("c")
            .unwrap()
            .every_scope()
            .collect::<Vec<_>>(),
        ["one"]
    );
    assert_eq!(registry.scopes_supported().collect::<Vec<_>>(), ["one"]);
}

#[test]
fn rights_are_kept_once_for_all_that_are_registered_alike_and_have_no_label() {
    let alike = |n: usize| registration(&format!("client-{n}"), "read write", "orders");
    let mut all: Vec<_> = (0..=MAX_CLIENT_LABELS).map(alike).collect();
    let another = |id: &str, scope, audience, change: fn(&mut Registration)| {
        let mut other = registration(id, scope, audience);
        change(&mut other);
        other
    };
    all.extend([
        another("scope", "read", "orders", |_| {}),
        another("audience", "read write", "bank", |_| {}),
        another("grant", "read write", "orders", |it| {
            it.grants = [GrantType::RefreshToken].into_iter().collect();
        }),
        another("life", "read write", "orders", |it| {
            it.token_life = Duration::from_secs(61);
        }),
        another("refresh", "read write", "orders", |it| {
            it.refresh_life = Duration::from_secs(61);
        }),
        another("proof", "read write", "orders", |it| {
            it.is_dpop_bound = true
        }),
        another("certificate", "read write", "orders", |it| {
            it.is_certificate_bound = true;
        }),
        another("revoker", "read write", "orders", |it| {
            it.may_revoke = vec!["idp".to_owned()];
        }),
    ]);
    let others: Vec<_> = all
        .iter()
        .skip(MAX_CLIENT_LABELS + 1)
        .map(|it| it.client_id.to_string())
        .collect();
    let registry = Registry::build(all, None, &ClientMetrics::default()).unwrap();
    let rights = |id: &str| Arc::as_ptr(registry.find(id).unwrap().rights());
    assert_eq!(rights("client-0"), rights("client-1000"));
    for (index, other) in others.iter().enumerate() {
        let apart = others.iter().take(index).map(String::as_str);
        for one in apart.chain(["client-0"]) {
            assert_ne!(rights(other), rights(one), "{other} {one}");
        }
    }
    assert_eq!(
        registry.find("audience").unwrap().targets()[0].audience,
        "bank"
    );
    assert!(registry.find("certificate").unwrap().is_certificate_bound);
    assert!(registry.uses(ClientUse::BoundToCertificate));
}

#[test]
fn a_client_of_many_has_little_of_its_own() {
    assert!(size_of::<Client>() <= 64, "{}", size_of::<Client>());
    let secret = size_of::<LiveSecret>();
    assert!(secret <= 56, "{secret}");
}
