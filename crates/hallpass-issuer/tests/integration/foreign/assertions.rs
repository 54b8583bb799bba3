//! The JWT bearer grant (RFC 7523 section 2.1): what a trusted issuer says to this one of a subject.

use std::time::Duration;

use hallpass_issuer::RevocationTarget;
use hallpass_resource::CallerMapping;
use hallpass_token::{Confirmation, Scope};

use super::*;
use crate::revocation::{operator, wait_for_entries};

const JWT_BEARER: &str = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An estate where `order` brings assertions of `login`, whose subjects are users all, for `logistics`.
pub(super) struct Assertions(pub(super) Estate);

impl Assertions {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut IssuerSettings)) -> Self {
        let estate = Estate::with(|settings| {
            let login = settings.trusted_issuers[0].issuer.clone();
            let users = CallerMapping::default().with_service_marks([]);
            settings.trusted_issuers[0].callers = users.with_user_marks(["sub".parse().unwrap()]);
            let order = &mut settings.clients[0];
            order.grant_types = [
                GrantType::ClientCredentials,
                GrantType::JwtBearer,
                GrantType::TokenExchange,
            ]
            .into_iter()
            .collect();
            order.exchange.push(ExchangeRule {
                by_assertion: true,
                subject_issuer: Some(login),
                scope_mapping: vec![mapping("orders:read", "orders.read")],
                ..rule(&[SubjectKind::User], "logistics", "stock returns")
            });
            change(settings);
        })
        .await;
        Self(estate)
    }

    /// As an authorization server of another domain writes it.
    pub(super) fn made(&self, id: &str, change: impl FnOnce(&mut TokenClaims)) -> String {
        let mut claims = self.0.alice();
        claims.client_id = None;
        claims.scope = Scope::empty();
        claims.token_id = Some(id.parse().unwrap());
        change(&mut claims);
        self.0.login.sign_anything(&claims)
    }

    pub(super) async fn bring(&self, assertion: &str, query: &str) -> Response {
        let form = format!("{JWT_BEARER}&assertion={assertion}{query}");
        self.0.harness.ask_as("order", SECRET, &form).await
    }

    pub(super) async fn refused(&self, assertion: &str, reason: &str) -> Response {
        let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
        let before = self.0.harness.metric(&line);
        let response = self.bring(assertion, "").await;
        assert_ne!(response.status, 200, "{reason}");
        assert_eq!(
            self.0.harness.metric(&line),
            before + 1,
            "{reason}: {response:?}"
        );
        response
    }
}

#[tokio::test]
async fn an_assertion_of_a_trusted_issuer_brings_a_token_for_its_subject() {
    let estate = Assertions::start().await;
    let response = estate.bring(&estate.made("1", |_| {}), "").await;
    assert_eq!(response.json().get("issued_token_type"), None);
    let claims = estate.0.claims(&response, "logistics").await;
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("login|alice"), &json!("order"))
    );
    assert_eq!(
        claims["act"],
        json!({ "sub": "order", "client_id": "order" })
    );
    assert_eq!(claims["sub_id"]["sub"], "alice");
    assert_eq!(claims["exp"], NOW + 300, "no longer than the assertion");
    assert_eq!(claims["scope"], "returns stock", "all that the rule allows");
    let line = format!(
        "hallpass_tokens_issued_total{{grant=\"{}\",client=\"order\",audience=\"logistics\"}}",
        GrantType::JwtBearer.as_str()
    );
    assert_eq!(estate.0.harness.metric(&line), 1);

    let asked = estate
        .bring(&estate.made("2", |_| {}), "&scope=stock+admin")
        .await;
    assert_eq!(asked.json()["scope"], "stock");
    let other = estate
        .bring(&estate.made("3", |_| {}), "&scope=admin")
        .await;
    assert_eq!(other.refusal(), (400, "invalid_scope".to_owned()));
    // One that names scopes is held to them.
    let limited = estate.made("4", |claims| {
        claims.scope = "stock orders:read x".parse().unwrap()
    });
    let limited = estate.bring(&limited, "").await;
    assert_eq!(limited.json()["scope"], "orders.read stock");
}

#[tokio::test]
async fn an_assertion_counts_once() {
    let estate = Assertions::start().await;
    let assertion = estate.made("1", |_| {});
    // What brings nothing uses nothing up.
    let nothing = estate.bring(&assertion, "&audience=billing").await;
    assert_eq!(nothing.refusal(), (400, "invalid_target".to_owned()));
    estate.bring(&assertion, "").await.token();
    let response = estate.refused(&assertion, "replayed_grant_assertion").await;
    assert_eq!(response.refusal(), (400, "invalid_grant".to_owned()));
    // It is remembered over a change of settings, and by its name, whatever else it says.
    estate
        .0
        .harness
        .issuer
        .apply(&estate.0.harness.settings)
        .await
        .unwrap();
    let renamed = estate.made("1", |claims| claims.subject = "bob".parse().unwrap());
    estate.refused(&renamed, "replayed_grant_assertion").await;
    let mut settings = estate.0.harness.settings.clone();
    settings.trusted_issuers[0].max_age = Some(Duration::from_secs(120));
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    estate.refused(&assertion, "replayed_grant_assertion").await;
    estate.bring(&estate.made("2", |_| {}), "").await.token();
    let nameless = estate.made("3", |claims| claims.token_id = None);
    estate
        .refused(&nameless, "grant_assertion_without_id")
        .await;

    settings.trusted_issuers[0].assertions_again = true;
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    for _ in 0..2 {
        estate.bring(&assertion, "").await.token();
        estate.bring(&nameless, "").await.token();
    }
}

#[tokio::test]
async fn an_assertion_is_for_this_issuer_alone() {
    let estate = Assertions::start().await;
    let token_url = estate.0.harness.issuer.url("/oauth2/token");
    let audiences = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        estate.made(&format!("{names:?}").replace(' ', ""), |claims| {
            claims.audience = names
        })
    };
    for good in [["internal"], [token_url.as_str()]] {
        estate.bring(&audiences(&good), "").await.token();
    }
    for other in [
        &["logistics"][..],
        &["order"],
        &["internal", "logistics"],
        &["internal", &token_url],
    ] {
        estate
            .refused(&audiences(other), "grant_assertion_for_others")
            .await;
    }
}

#[tokio::test]
async fn rules_for_assertions_and_for_tokens_do_not_stand_in_for_each_other() {
    let estate = Assertions::start().await;
    // Beside the rule for tokens, one for assertions alone: billing by exchange is refused, and the other way round.
    let mut settings = estate.0.harness.settings.clone();
    let [token_rule, assertion_rule] = &mut settings.clients[0].exchange[..] else {
        panic!("two rules")
    };
    token_rule.targets = vec!["billing".parse().unwrap()];
    assertion_rule.targets = vec!["logistics".parse().unwrap()];
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    let assertion = estate.made("1", |_| {});
    let other = estate.bring(&assertion, "&audience=billing").await;
    assert_eq!(other.refusal(), (400, "invalid_target".to_owned()));
    let token = estate.0.signed(|_| {});
    let other = estate
        .0
        .exchange("order", &token, "&audience=logistics")
        .await;
    assert_eq!(other.refusal(), (400, "invalid_target".to_owned()));

    settings.clients[0].exchange.pop();
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    estate
        .refused(&assertion, "untrusted_grant_assertion")
        .await;
    settings.clients[0].grant_types = [GrantType::TokenExchange].into_iter().collect();
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    estate.refused(&assertion, "unregistered_grant").await;
}

#[tokio::test]
async fn what_is_wrong_with_an_assertion_is_an_invalid_grant() {
    let estate = Assertions::with(|settings| {
        settings.trusted_issuers[0].max_age = Some(Duration::from_secs(60));
    })
    .await;
    let mut serial = 0;
    let mut made = |change: &dyn Fn(&mut TokenClaims)| {
        serial += 1;
        estate.made(&format!("wrong-{serial}"), change)
    };
    let acted = || Actor::new("gone".parse().unwrap());
    for (assertion, reason) in [
        (
            made(&|it| it.expires_at = UnixTime::from_secs(NOW)),
            "expired_grant_assertion",
        ),
        (
            made(&|it| it.issued_at = Some(UnixTime::from_secs(NOW - 3_600))),
            "grant_assertion_too_old",
        ),
        (
            made(&|it| it.confirmation = Some(Confirmation::default())),
            "bound_grant_assertion",
        ),
        (
            made(&|it| drop(it.extra.insert("may_act".into(), json!({ "sub": "order" })))),
            "grant_assertion_actors",
        ),
        (
            made(&|it| {
                it.actor = Some(Actor {
                    issuer: Some("internal".parse().unwrap()),
                    ..acted()
                });
            }),
            "grant_assertion_actors",
        ),
        ("x.y.z".to_owned(), "untrusted_grant_assertion"),
        (
            made(&|it| it.issuer = "https://third.example".parse().unwrap()),
            "untrusted_grant_assertion",
        ),
    ] {
        let response = estate.refused(&assertion, reason).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_grant".to_owned()),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn an_assertion_that_nobody_vouches_for_brings_nothing() {
    let estate = Assertions::start().await;
    let stranger = Authority::start().await;
    let forged = stranger.sign(&estate.0.alice(), TokenType::Jwt);
    estate.refused(&forged, "invalid_grant_assertion").await;

    let subject = RevocationTarget::Subject {
        name: "login|alice".into(),
        only_issued: true,
    };
    estate.0.harness.clock.advance(Duration::from_secs(1));
    operator(&estate.0.harness, subject).await.unwrap();
    wait_for_entries(&estate.0.harness, 1).await;
    estate
        .refused(&estate.made("1", |_| {}), "revoked_grant_subject")
        .await;

    let estate = Assertions::start().await;
    estate.0.login.fail();
    let response = estate
        .refused(
            &estate.made("1", |_| {}),
            "grant_assertion_issuer_unavailable",
        )
        .await;
    assert_eq!(
        response.refusal(),
        (503, "temporarily_unavailable".to_owned())
    );
}

#[tokio::test]
async fn an_assertion_of_whose_subject_nothing_is_known_is_refused_unless_opted_in() {
    let estate = Assertions::with(|settings| {
        settings.trusted_issuers[0].callers = CallerMapping::default();
    })
    .await;
    let assertion = estate.made("1", |_| {});
    estate
        .refused(&assertion, "unregistered_grant_subject")
        .await;
    let mut settings = estate.0.harness.settings.clone();
    settings.clients[0].exchange[1].dangerous_subjects_of_unknown_origin = true;
    estate.0.harness.issuer.apply(&settings).await.unwrap();
    estate.bring(&assertion, "").await.token();
}

#[tokio::test]
async fn an_assertion_comes_with_nothing_of_another_grant() {
    let estate = Assertions::start().await;
    let assertion = estate.made("1", |_| {});
    for query in [
        "&subject_token=x",
        "&subject_token=",
        "&requested_token_type=x",
        "&actor_token=x",
        "&scope=",
        "&requested_subject=bob",
        "&assertion=x",
    ] {
        let response = estate.bring(&assertion, query).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_request".to_owned()),
            "{query}"
        );
    }
    assert_eq!(estate.0.login.asked(), 0);
    for form in [
        JWT_BEARER.to_owned(),
        format!("{JWT_BEARER}&assertion="),
        format!("grant_type=client_credentials&assertion={assertion}"),
    ] {
        let response = estate.0.harness.ask_as("order", SECRET, &form).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_request".to_owned()),
            "{form}"
        );
    }
    estate.bring(&assertion, "").await.token();
}

#[test]
fn a_rule_for_assertions_is_about_a_trusted_issuer_and_has_its_grant() {
    let problem = |grants: &str, rule: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, issuer: 'https://a.example' }}], clients: [{{ \
             client-id: c, client-secret: s, grant-types: [{grants}], exchange: [{{ subject-kinds: [user], targets: [b], \
             {rule} }}] }}] }} }}"
        );
        let loaded = crate::settings::loader(&text).load::<IssuerSettings>();
        loaded.map(drop).map_err(|problems| {
            let first = problems.iter().next().unwrap().to_string();
            first
                .split("clients[0].")
                .nth(1)
                .unwrap()
                .split(": ")
                .next()
                .unwrap()
                .to_owned()
        })
    };
    let grant = "'urn:ietf:params:oauth:grant-type:jwt-bearer'";
    let trusted = "grant: jwt-bearer, subject-issuer: 'https://a.example'";
    assert_eq!(problem(grant, trusted), Ok(()));
    for (grants, rule, key) in [
        ("client_credentials", trusted, "exchange"),
        (grant, "grant: jwt-bearer", "exchange[0].subject-issuer"),
        (
            grant,
            "grant: jwt-bearer, subject-issuer: internal",
            "exchange[0].subject-issuer",
        ),
        (grant, "subject-issuer: 'https://a.example'", "grant-types"),
        (grant, "grant: jwt", "exchange[0].grant"),
    ] {
        assert_eq!(problem(grants, rule), Err(key.to_owned()), "{rule}");
    }
    let audiences = format!("{trusted}, subject-audiences: [b]");
    assert_eq!(
        problem(grant, &audiences),
        Err("exchange[0].subject-audiences".to_owned())
    );
}
