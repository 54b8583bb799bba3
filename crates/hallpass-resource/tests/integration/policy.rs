//! Rules of the configuration that demand more than scopes, from YAML to the response.

use hallpass_clock::ManualClock;
use hallpass_resource::{ResourceServer, SecuritySettings};
use http::Request;
use serde_json::{Value, json};

use crate::sections::{load, problems};
use crate::settings::builder;
use crate::support::{Forge, test_clock};

/// A service with rules, that trusts `internal` and, of the preset of Keycloak, `login`.
struct Service {
    server: ResourceServer,
    internal: Forge,
    login: Forge,
    _keys: tempfile::TempDir,
}

impl Service {
    fn new(routes: &str) -> Self {
        let clock = test_clock();
        let [internal, login] =
            ["internal", "https://login.example"].map(|it| Forge::new(it, &clock));
        let keys = tempfile::tempdir().unwrap();
        for (name, forge) in [("internal", &internal), ("login", &login)] {
            let text = forge.keys().to_json().to_string();
            std::fs::write(keys.path().join(name), text).unwrap();
        }
        let security = load(&format!(
            "hallpass:
  service: {{ name: shop }}
  security:
    internal-jwt:
      issuers:
        - {{ name: internal, issuer: internal, jwks-file: {0}/internal, internal: true }}
        - {{ name: login, issuer: 'https://login.example', jwks-file: {0}/login, preset: keycloak }}
      routes:
{routes}",
            keys.path().display()
        ))
        .security;
        Self {
            server: server(&security, &clock),
            internal,
            login,
            _keys: keys,
        }
    }

    /// The status and code of the response, or 200.
    async fn answer(&self, target: &str, host: &str, token: Option<String>) -> (u16, String) {
        let mut request = Request::get(target);
        if !host.is_empty() {
            request = request.header("host", host);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let explained = self.server.explain(&parts).await;
        let answer = match self.server.authorize(&parts).await {
            Ok(_) => (200, String::new()),
            Err(refused) => {
                let response = refused.into_response();
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                let code = body["code"].as_str().unwrap().to_owned();
                (response.status().as_u16(), code)
            }
        };
        assert_eq!(explained.passes(), answer.0 == 200);
        let status = explained.status().map(|it| it.as_u16());
        assert_eq!(status.unwrap_or(200), answer.0);
        answer
    }

    fn user(&self, extra: &Value) -> String {
        let mut claims = self.login.claims("6f5d", "openid");
        claims.client_id = None;
        claims.extra = extra.as_object().unwrap().clone();
        claims.extra.insert("azp".to_owned(), json!("web"));
        claims
            .extra
            .insert("preferred_username".to_owned(), json!("alice"));
        self.login.sign(&claims)
    }
}

fn server(security: &SecuritySettings, clock: &std::sync::Arc<ManualClock>) -> ResourceServer {
    builder(security, clock).build().unwrap()
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn roles_of_keycloak_count_for_the_realm_and_for_this_service_alone() {
    let service =
        Service::new("        - { path: /x, rule: authenticated, any-role: [admin, audit] }");
    let answer = async |extra| service.answer("/x", "", Some(service.user(&extra))).await;
    let lacks = refused(403, "role_required");
    assert_eq!(answer(json!({})).await, lacks);
    assert_eq!(
        answer(json!({"realm_access": {"roles": ["user", "admin"]}})).await,
        ok()
    );
    assert_eq!(
        answer(json!({"resource_access": {"shop": {"roles": ["audit"]}}})).await,
        ok()
    );
    assert_eq!(
        answer(json!({"resource_access": {"billing": {"roles": ["admin"]}}})).await,
        lacks
    );
    assert_eq!(
        answer(json!({"roles": ["admin"]})).await,
        lacks,
        "not where Keycloak writes them"
    );
    assert_eq!(answer(json!({"realm_access": ["admin"]})).await, lacks);
}

#[tokio::test]
async fn a_role_is_the_same_whether_it_is_called_a_role_or_an_authority_as_in_spring() {
    let service = Service::new(
        "        - { path: /role, rule: authenticated, roles: [ADMIN] }
        - { path: /authority, rule: authenticated, any-authority: [ROLE_ADMIN] }",
    );
    for path in ["/role", "/authority"] {
        let answer = async |extra| service.answer(path, "", Some(service.user(&extra))).await;
        for has in [
            json!({"realm_access": {"roles": ["ADMIN"]}}),
            json!({"authorities": ["orders", "ROLE_ADMIN"]}),
        ] {
            assert_eq!(answer(has.clone()).await, ok(), "{path}: {has}");
        }
        for lacks in [
            json!({"authorities": ["ADMIN", "ROLE_admin", "ROLE_ROLE_ADMIN"]}),
            json!({"realm_access": {"roles": ["ROLE_ADMIN"]}}),
        ] {
            assert_eq!(answer(lacks.clone()).await.0, 403, "{path}: {lacks}");
        }
    }
}

#[tokio::test]
async fn a_client_of_another_issuer_is_not_the_service_of_its_name() {
    let service = Service::new(
        "        - { path: /ours, rule: authenticated, callers: [web] }
        - { path: /theirs, rule: authenticated, callers: ['web@login'] }",
    );
    let user = service.user(&json!({}));
    let lacks = refused(403, "caller_not_allowed");
    assert_eq!(service.answer("/ours", "", Some(user.clone())).await, lacks);
    assert_eq!(service.answer("/theirs", "", Some(user)).await, ok());
    let mut claims = service.internal.claims("alice", "");
    claims.client_id = Some("web".parse().unwrap());
    let ours = service.internal.sign(&claims);
    assert_eq!(service.answer("/ours", "", Some(ours.clone())).await, ok());
    assert_eq!(service.answer("/theirs", "", Some(ours)).await, lacks);
}

#[tokio::test]
async fn where_rules_name_hosts_a_request_must_name_exactly_one() {
    let service = Service::new(
        "        - { path: '/**', rule: anonymous, hosts: [public.example] }
        - { path: '/**', rule: authenticated, hosts: ['*.shop.example'] }",
    );
    let answer = async |target, host| service.answer(target, host, None).await;
    assert_eq!(answer("/x", "PUBLIC.example:443").await, ok());
    assert_eq!(
        answer("/x", "a.shop.example").await,
        refused(401, "missing_token")
    );
    // Hosts that no rule is for are closed, as paths are.
    assert_eq!(
        answer("/x", "elsewhere.example").await,
        refused(401, "missing_token")
    );
    assert_eq!(answer("http://public.example/x", "").await, ok());
    let odd = refused(400, "ambiguous_host");
    assert_eq!(answer("/x", "").await, odd);
    assert_eq!(
        answer("http://public.example/x", "a.shop.example").await,
        odd
    );
    assert_eq!(answer("/x", "public.example@a.shop.example").await, odd);
}

#[tokio::test]
async fn a_wide_rule_for_a_host_opens_no_narrow_rule_for_all() {
    let service = Service::new(
        "        - { path: '/internal/**', rule: internal-only }
        - { path: '/**', rule: anonymous, hosts: [public.example] }",
    );
    let answer = service.answer("/internal/x", "public.example", None).await;
    assert_eq!(answer, refused(401, "missing_token"));
}

#[tokio::test]
async fn who_acts_for_a_user_is_named_by_the_rule() {
    let service = Service::new(
        "        - { path: /some, rule: authenticated, actors: [order-service] }
        - { path: /none, rule: authenticated, actors: none }",
    );
    let token = |actor: &str| {
        let mut claims = service.internal.claims("alice", "");
        claims.actor = Some(hallpass_token::Actor::new(actor.parse().unwrap()));
        Some(service.internal.sign(&claims))
    };
    assert_eq!(
        service.answer("/some", "", token("order-service")).await,
        ok()
    );
    let refused = refused(403, "actor_not_allowed");
    assert_eq!(service.answer("/some", "", token("billing")).await, refused);
    assert_eq!(
        service.answer("/none", "", token("order-service")).await,
        refused
    );
    assert_eq!(
        service
            .answer("/none", "", Some(service.user(&json!({}))))
            .await,
        ok()
    );
}

#[test]
fn what_a_rule_says_that_cannot_be_meant_is_named_with_its_place() {
    let found = problems(
        "hallpass:
  security:
    internal-jwt:
      routes:
        - { path: /a, rule: anonymous, roles: [admin] }
        - { path: /b, rule: authenticated, hosts: ['shop.example:8443'] }
        - { path: /c, rule: authenticated, actors: [] }
        - { path: /d, rule: authenticated, claims: ['='] }
        - { path: /e, rule: authenticated, callers: ['@login'] }
        - { path: /f, rule: authenticated, any-role: ['a b'] }
        - { path: /g, rule: authenticated, has-role: admin }",
    );
    let wanted = [
        "routes[0].rule: asks for no caller",
        "routes[1].hosts",
        "routes[2].actors: must say who may act",
        "routes[3].claims",
        "routes[4].callers",
        "routes[5].any-role",
        "routes[6].has-role",
    ];
    for wanted in wanted {
        assert!(
            found.iter().any(|line| line.contains(wanted)),
            "{wanted}: {found:#?}"
        );
    }
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
}

#[test]
fn a_list_that_is_written_and_empty_is_no_demand_that_could_be_meant() {
    for key in [
        "hosts",
        "methods",
        "roles",
        "any-role",
        "authorities",
        "any-authority",
        "callers",
        "claims",
    ] {
        let found = problems(&format!(
            "hallpass.security.internal-jwt.routes: [{{ path: /a, rule: authenticated, {key}: [] }}]"
        ));
        let is_it = found
            .iter()
            .any(|line| line.contains(&format!("routes[0].{key}: must name at least one")));
        assert!(is_it, "{key}: {found:#?}");
    }
}
