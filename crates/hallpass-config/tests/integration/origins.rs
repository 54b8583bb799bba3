//! Each value in effect tells where it came from.

use crate::{Settings, TOKEN, loader};

fn origin(tree: &str, key: &str) -> String {
    let line = tree
        .lines()
        .find(|line| line.trim_start().trim_start_matches("- ").starts_with(key));
    line.unwrap().split("# ").last().unwrap().to_owned()
}

#[test]
fn inherited_values_name_whom_they_are_from() {
    let text = format!(
        "{TOKEN}    scope: orders\n    clients:\n      - name: billing\n        audience: service-billing\n"
    );
    let tree = loader(&text).load::<Settings>().unwrap().effective();
    let clients = tree.split(" clients:").nth(1).unwrap();
    assert_eq!(origin(clients, "audience"), "test.yaml:9");
    assert_eq!(
        origin(clients, "scope"),
        "inherited from hallpass.internal-token.scope (test.yaml:6)"
    );
    assert_eq!(origin(clients, "cache-expire-seconds"), "default");
    assert!(clients.contains("client-secret: ***"));
}

#[test]
fn settings_of_clients_are_inherited_from_the_defaults() {
    let text = "\
hallpass:
  feign:
    defaults: { deadline-ms: 800, breaker: { window: 20 } }
    clients: { logistics-service: { retry: { max-attempts: 1 } } }
";
    let loaded = loader(text)
        .environment([("HALLPASS_FEIGN_DEFAULTS_BREAKER_OPENMS", "100")])
        .load::<Settings>()
        .unwrap();
    let tree = loaded.effective();
    let client = tree.split("logistics-service:").last().unwrap();
    assert_eq!(origin(client, "max-attempts"), "test.yaml:4");
    assert_eq!(
        origin(client, "deadline-ms"),
        "inherited from hallpass.feign.defaults.deadline-ms (test.yaml:3)"
    );
    assert_eq!(
        origin(client, "window"),
        "inherited from hallpass.feign.defaults.breaker.window (test.yaml:3)"
    );
    assert_eq!(
        origin(client, "open-ms"),
        "inherited from hallpass.feign.defaults.breaker.open-ms (environment HALLPASS_FEIGN_DEFAULTS_BREAKER_OPENMS)"
    );
    let settings = loaded.into_settings();
    let client = settings.feign.client("logistics-service");
    assert_eq!((client.max_attempts, client.window), (1, 20));
    assert_eq!(settings.feign.client("another").window, 20);
}
