//! The configuration that the project comes from, byte for byte.

use std::time::Duration;

use hallpass::Settings;
use hallpass::client::GrantType;
use hallpass::config::{Loader, detect_prefix};
use hallpass::upstream::EndpointUrl;

/// As printed in the plan for internal tokens, comments and all.
pub(crate) const SEED: &str = include_str!("../data/seed.yaml");

fn load(prefix: &str, text: &str) -> Settings {
    let loaded = Loader::new(prefix)
        .text("seed.yaml", text)
        .load::<Settings>();
    loaded.unwrap().into_settings()
}

fn assert_is_the_seed(settings: Settings) {
    let token = settings.internal_token.token_service.unwrap();
    let credential = token.credential;
    assert_eq!(credential.client_id, "internal-service-client");
    assert_eq!(credential.client_secret.expose(), "InternalSecret123!");
    let url = EndpointUrl::LoadBalanced {
        service: "service-auth".to_owned(),
        path: "/oauth2/token".to_owned(),
    };
    assert_eq!(credential.token_url, url);
    assert_eq!(credential.scope.as_str(), "internal-service");
    assert_eq!(credential.cache_life.expire(), Duration::from_secs(540));
    assert_eq!(
        credential.cache_life.refresh_ahead(),
        Duration::from_secs(60)
    );
    assert_eq!(
        credential.audience.as_ref().map(AsRef::as_ref),
        Some("service-system")
    );
    assert_eq!(credential.grant_type, GrantType::ClientCredentials);
    assert!(token.clients.is_empty());
}

#[test]
fn the_seed_loads_as_it_was_printed() {
    assert_is_the_seed(load("scccy", SEED));
}

#[test]
fn the_same_keys_load_under_the_projects_own_prefix() {
    assert_is_the_seed(load("hallpass", &SEED.replace("scccy:", "hallpass:")));
}

#[test]
fn the_prefix_of_a_file_is_found_out() {
    assert_eq!(detect_prefix(SEED), Some("scccy"));
    assert_eq!(detect_prefix("hallpass.service.name: x"), Some("hallpass"));
    assert_eq!(detect_prefix("scccy: {}\nhallpass: {}"), Some("hallpass"));
    assert_eq!(detect_prefix("spring: {}"), None);
    assert_eq!(detect_prefix("scccy: ["), None);
}

#[test]
fn other_roots_of_the_file_are_left_alone() {
    let spring = "\
spring:
  application: {name: order-service}
  datasource.url: ${NOT_SET}
  colour: &c !custom [1, 2]
  colour: *c
server.port: 8080
";
    assert_is_the_seed(load("scccy", &format!("{spring}{SEED}")));
}

#[test]
fn dotted_keys_mean_what_nested_ones_mean() {
    let dotted = "\
scccy.internal-token:
  client-id: internal-service-client
  client-secret: InternalSecret123!
scccy.internal-token.token-url: lb://service-auth/oauth2/token
scccy.internal-token.scope: internal-service
scccy:
  internal-token.cache-expire-seconds: 540
  internal-token:
    refresh-ahead-seconds: 60
    audience: service-system
    grant-type: client_credentials
";
    assert_is_the_seed(load("scccy", dotted));
}

#[test]
fn the_effective_tree_names_each_origin_and_hides_the_secret() {
    let loaded = Loader::new("scccy")
        .text("seed.yaml", SEED)
        .environment([
            ("SCCCY_INTERNALTOKEN_SCOPE", "orders"),
            ("SCCCY_LOG", "info"),
        ])
        .flag("internal-token.audience", "service-order")
        .load::<Settings>()
        .unwrap();
    let tree = loaded.effective();
    assert!(!tree.contains("InternalSecret123!"));
    insta::assert_snapshot!(tree);
}
