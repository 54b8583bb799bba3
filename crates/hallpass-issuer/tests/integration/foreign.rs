//! Tokens of other issuers, as clients and attackers bring them: exchanged over the wire, by keys that are fetched over the wire.

mod assertions;
mod authority;
mod client_checks;
mod client_settings;
pub(crate) mod clients;
mod keys;
mod kinds;
mod logout;
mod refreshed;
mod refused;
mod subjects;
mod svids;

use hallpass_issuer::{
    ExchangeRule, GrantType, IssuerSettings, SubjectKind, TrustedIssuerSettings,
};
use hallpass_token::{Actor, TokenClaims, TokenType, UnixTime};
use serde_json::{Value, json};

use crate::foreign::authority::Authority;
use crate::harness::{Harness, NOW, Response, SECRET, client};

const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `login`, another issuer, and ours: `order` may act for its users and services at `logistics`, and `logistics` for
/// everybody of ours at `billing`. `batch` has rules for tokens of ours alone.
struct Estate {
    login: Authority,
    harness: Harness,
}

impl Estate {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut IssuerSettings)) -> Self {
        let login = Authority::start().await;
        let issuer = login.issuer();
        let harness = Harness::with(|settings| {
            settings.trusted_issuers = vec![TrustedIssuerSettings::new("login", issuer.clone())];
            settings.clients = clients(&issuer);
            change(settings);
        })
        .await;
        Self { login, harness }
    }

    /// Alice's token of `login` for our issuer, issued to `web`, good for 300 s.
    fn alice(&self) -> TokenClaims {
        let end = UnixTime::from_secs(NOW + 300);
        let audience = self.harness.issuer.issuer_name().parse().unwrap();
        let subject = "alice".parse().unwrap();
        let mut claims = TokenClaims::new(self.login.issuer(), subject, audience, end);
        claims.client_id = Some("web".parse().unwrap());
        claims.scope = "openid orders:read stock".parse().unwrap();
        claims.issued_at = Some(UnixTime::from_secs(NOW));
        claims
    }

    fn signed(&self, change: impl FnOnce(&mut TokenClaims)) -> String {
        let mut claims = self.alice();
        change(&mut claims);
        self.login.sign(&claims, TokenType::AccessToken)
    }

    async fn exchange(&self, client: &str, token: &str, query: &str) -> Response {
        let form =
            format!("{GRANT}&subject_token={token}&subject_token_type={ACCESS_TOKEN}{query}");
        self.harness.ask_as(client, SECRET, &form).await
    }

    async fn claims(&self, response: &Response, audience: &str) -> Value {
        let claims = self.harness.verify(&response.token(), audience).await;
        serde_json::to_value(claims.unwrap()).unwrap()
    }

    /// The reason of the one refusal, which the response does not show.
    async fn refused(&self, client: &str, token: &str, reason: &str) -> Response {
        let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
        let before = self.harness.metric(&line);
        let response = self.exchange(client, token, "").await;
        assert_ne!(response.status, 200, "{reason}: {response:?}");
        assert_eq!(
            self.harness.metric(&line),
            before + 1,
            "{reason}: {response:?} {}",
            self.harness.issuer.metrics()
        );
        response
    }
}

fn clients(login: &hallpass_token::Issuer) -> Vec<hallpass_issuer::ClientSettings> {
    let (user, service) = (SubjectKind::User, SubjectKind::Service);
    let mut clients = ["order", "logistics", "batch"].map(|id| {
        let mut client = client(id, SECRET, &[], &["logistics"]);
        client.grant_types = [GrantType::ClientCredentials, GrantType::TokenExchange]
            .into_iter()
            .collect();
        client
    });
    let [order, logistics, batch] = &mut clients;
    order.exchange = vec![ExchangeRule {
        subject_issuer: Some(login.clone()),
        scope_mapping: vec![mapping("orders:read", "orders.read")],
        ..rule(&[user, service], "logistics", "stock")
    }];
    logistics.exchange = vec![rule(&[user, service], "billing", "orders.read stock")];
    batch.exchange = vec![rule(&[user, service], "billing", "stock")];
    clients.to_vec()
}

fn rule(kinds: &[SubjectKind], target: &str, scope: &str) -> ExchangeRule {
    ExchangeRule {
        subject_kinds: kinds.to_vec(),
        targets: vec![target.parse().unwrap()],
        scope: scope.parse().unwrap(),
        ..ExchangeRule::new()
    }
}

fn mapping(theirs: &str, ours: &str) -> (hallpass_token::Scope, hallpass_token::Scope) {
    (theirs.parse().unwrap(), ours.parse().unwrap())
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_becomes_one_of_ours_that_tells_where_its_subject_is_from() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    let response = estate.exchange("order", &token, "").await;
    let body = response.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["expires_in"], 300, "as long as the foreign token");
    let claims = estate.claims(&response, "logistics").await;
    assert_eq!(claims["sub"], "login|alice");
    let id = json!({ "format": "iss_sub", "iss": estate.login.issuer(), "sub": "alice" });
    assert_eq!(claims["sub_id"], id);
    assert_eq!(claims["client_id"], "order");
    assert_eq!(
        claims["act"],
        json!({ "sub": "order", "client_id": "order" })
    );
    assert_eq!(claims["scope"], "orders.read stock");
    assert_eq!(claims["exp"], NOW + 300);
    let metric = "hallpass_jwks_fetch_total{issuer=\"login\",result=\"success\"}";
    assert_eq!(estate.harness.metric(metric), 1);
    estate.exchange("order", &token, "").await.token();
    assert_eq!(estate.harness.metric(metric), 1, "its keys are kept");
}

#[tokio::test]
async fn a_trusted_issuer_alone_allows_nobody_anything() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    for client in ["batch", "logistics"] {
        let response = estate
            .refused(client, &token, "untrusted_subject_issuer")
            .await;
        assert_eq!(response.refusal(), (400, "invalid_request".to_owned()));
    }
    let other = Authority::start().await;
    let mut claims = estate.alice();
    claims.issuer = other.issuer();
    let token = other.sign(&claims, TokenType::AccessToken);
    estate
        .refused("order", &token, "untrusted_subject_issuer")
        .await;
    assert_eq!(
        (estate.login.asked(), other.asked()),
        (0, 0),
        "no keys are fetched for them"
    );
}

#[tokio::test]
async fn a_rule_about_another_issuer_allows_nothing_of_ours_nor_of_a_third_one() {
    let third = Authority::start().await;
    let trusted = TrustedIssuerSettings::new("third", third.issuer());
    let estate = Estate::with(|settings| settings.trusted_issuers.push(trusted)).await;
    let mut claims = estate.alice();
    claims.issuer = third.issuer();
    let token = third.sign(&claims, TokenType::AccessToken);
    estate
        .refused("order", &token, "untrusted_subject_issuer")
        .await;
    // Nor is a token of one issuer verified by the keys of another.
    let token = third.sign(&estate.alice(), TokenType::AccessToken);
    estate
        .refused("order", &token, "invalid_subject_token")
        .await;
    let own = "grant_type=client_credentials&audience=logistics";
    let own = estate.harness.ask_as("batch", SECRET, own).await.token();
    estate
        .refused("order", &own, "untrusted_subject_issuer")
        .await;
}

#[tokio::test]
async fn scopes_of_another_issuer_mean_nothing_until_a_rule_says_what() {
    let estate = Estate::start().await;
    for (theirs, ours) in [
        ("openid admin orders.read", None),
        ("orders:read", Some("orders.read")),
        ("stock orders:read admin", Some("orders.read stock")),
    ] {
        let token = estate.signed(|claims| claims.scope = theirs.parse().unwrap());
        let body = estate.exchange("order", &token, "").await.json();
        assert_eq!(body.get("scope").and_then(Value::as_str), ours, "{theirs}");
    }
    let token = estate.signed(|_| {});
    let asked = estate
        .exchange("order", &token, "&scope=stock")
        .await
        .json();
    assert_eq!(asked["scope"], "stock");
    let refused = estate.exchange("order", &token, "&scope=orders:read").await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
}

#[tokio::test]
async fn a_token_is_for_this_issuer_or_for_a_service_that_a_rule_names() {
    let estate = Estate::with(|settings| {
        settings.clients[0].exchange[0].subject_audiences = vec!["orders-api".parse().unwrap()];
    })
    .await;
    let token_url = estate.harness.issuer.url("/oauth2/token");
    for (audience, is_taken) in [
        ("internal", true),
        (token_url.as_str(), true),
        ("orders-api", true),
        // The client's own id is a name here, not there.
        ("order", false),
        ("logistics", false),
        ("web", false),
    ] {
        let token = estate.signed(|claims| claims.audience = vec![audience.parse().unwrap()]);
        match is_taken {
            true => drop(estate.exchange("order", &token, "").await.token()),
            false => drop(
                estate
                    .refused("order", &token, "subject_not_for_client")
                    .await,
            ),
        }
    }
}

#[tokio::test]
async fn an_issuer_is_trusted_and_distrusted_while_ours_runs() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    let first = estate.exchange("order", &token, "").await.token();
    let mut settings = estate.harness.settings.clone();
    settings.trusted_issuers.clear();
    estate.harness.issuer.apply(&settings).await.unwrap();
    estate
        .refused("order", &token, "untrusted_subject_issuer")
        .await;
    // Nor does a token go on that was had by it before.
    estate
        .refused("logistics", &first, "untrusted_subject_issuer")
        .await;
    estate
        .harness
        .issuer
        .apply(&estate.harness.settings)
        .await
        .unwrap();
    estate.exchange("order", &token, "").await.token();
    estate.exchange("logistics", &first, "").await.token();
}

#[tokio::test]
async fn a_refresh_asks_again_whether_the_issuer_of_the_subject_is_trusted() {
    let mut estate = Estate::with(|settings| {
        for client in &mut settings.clients {
            client.grant_types = [GrantType::TokenExchange, GrantType::RefreshToken]
                .into_iter()
                .collect();
        }
    })
    .await;
    let first = estate.exchange("order", &estate.signed(|_| {}), "").await;
    let before = estate.claims(&first, "logistics").await;
    let refresh = async |estate: &Estate, token: &Value| {
        let token = token["refresh_token"].as_str().unwrap().to_owned();
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        estate.harness.ask_as("order", SECRET, &form).await
    };
    let second = refresh(&estate, &first.json()).await;
    let after = estate.claims(&second, "logistics").await;
    for name in ["sub", "sub_id", "act", "scope", "exp", "sub_profile"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    let trusted = std::mem::take(&mut estate.harness.settings.trusted_issuers);
    let rules = estate.harness.settings.clients[0].exchange.clone();
    for client in &mut estate.harness.settings.clients {
        client.exchange.retain(|rule| rule.subject_issuer.is_none());
    }
    let harness = &estate.harness;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let distrusted = refresh(&estate, &second.json()).await;
    assert_eq!(distrusted.refusal(), (400, "invalid_grant".into()));
    estate.harness.settings.trusted_issuers = trusted;
    estate.harness.settings.clients[0].exchange = rules;
    let harness = &estate.harness;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let again = refresh(&estate, &second.json()).await;
    assert_eq!(again.status, 200, "nothing was used up: {again:?}");
}
