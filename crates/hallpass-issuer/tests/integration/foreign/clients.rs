//! Clients without a secret: a token of a trusted issuer proves who they are (RFC 7523 section 2.2).

use hallpass_issuer::{AssertionRule, ClaimCondition, ClientAuthentication, RevocationTarget};
use hallpass_token::{Confirmation, Issuer};

use super::*;
use crate::harness::basic;
use crate::revocation::{operator, wait_for_entries};
use crate::settings::load;

pub(super) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const SVID: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
pub(super) const ORDERS: &str = "system:serviceaccount:shop:orders";

/// What `preset` makes of an entry that has its keys at `authority`.
pub(super) fn trusted(authority: &Authority, preset: &str, more: &str) -> TrustedIssuerSettings {
    let keys = format!("{}/keys", authority.issuer());
    let text = format!(
        "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, preset: {preset}, jwks-url: '{keys}', algorithms: EdDSA, {more} }}] }} }}"
    );
    load(&text).trusted_issuers.remove(0)
}

pub(super) fn by(
    issuer: &Issuer,
    subject: Option<&str>,
    claims: &[(&[&str], &str)],
) -> AssertionRule {
    AssertionRule {
        issuer: issuer.clone(),
        subject: subject.map(|subject| subject.parse().unwrap()),
        claims: claims
            .iter()
            .map(|(path, value)| ClaimCondition {
                path: path.iter().map(|name| (*name).to_owned()).collect(),
                value: value.parse().unwrap(),
            })
            .collect(),
    }
}

/// A cluster, and an issuer whose client `orders` is its service account of that name.
pub(crate) struct Cluster {
    pub(super) authority: Authority,
    pub(crate) harness: Harness,
}

impl Cluster {
    pub(super) async fn start(
        preset: &str,
        more: &str,
        rules: impl Fn(&Issuer) -> Vec<(&'static str, AssertionRule)>,
    ) -> Self {
        Self::with((preset, more), rules, |_| {}).await
    }

    pub(super) async fn with(
        (preset, more): (&str, &str),
        rules: impl Fn(&Issuer) -> Vec<(&'static str, AssertionRule)>,
        change: impl FnOnce(&mut IssuerSettings),
    ) -> Self {
        let authority = Authority::start().await;
        let trusted = trusted(&authority, preset, more);
        let issuer = trusted.issuer.clone();
        let harness = Harness::with(|settings| {
            settings.trusted_issuers = vec![trusted];
            for (id, rule) in rules(&issuer) {
                let mut client = client(id, SECRET, &["read"], &["logistics"]);
                client.authentication = ClientAuthentication::FederatedJwt(vec![rule]);
                settings.clients.push(client);
            }
            change(settings);
        })
        .await;
        Self { authority, harness }
    }

    /// The same as [`kubernetes`](Self::kubernetes), of an issuer that believes what proxies on loopback say of where requests come from.
    pub(crate) async fn behind_a_proxy() -> Self {
        let rules = |issuer: &Issuer| vec![("orders", by(issuer, Some(ORDERS), &[]))];
        let of = ("kubernetes", "issuer: 'https://cluster.example'");
        Self::with(of, rules, |settings| {
            let loopback = "127.0.0.0/8".parse().unwrap();
            settings.sources.forwarders = hallpass_listen::Networks::new(vec![loopback]);
        })
        .await
    }

    pub(super) async fn kubernetes() -> Self {
        Self::start(
            "kubernetes",
            "issuer: 'https://cluster.example'",
            |issuer| vec![("orders", by(issuer, Some(ORDERS), &[]))],
        )
        .await
    }

    /// As kubelet writes it for a pod.
    pub(crate) fn token(&self, change: impl FnOnce(&mut TokenClaims)) -> String {
        let issuer = self.harness.settings.trusted_issuers[0].issuer.clone();
        let end = UnixTime::from_secs(NOW + 3_600);
        let (subject, audience) = (ORDERS.parse().unwrap(), "internal".parse().unwrap());
        let mut claims = TokenClaims::new(issuer, subject, audience, end);
        claims.issued_at = Some(UnixTime::from_secs(NOW));
        let pod =
            json!({ "namespace": "shop", "serviceaccount": { "name": "orders", "uid": "7" } });
        claims.extra.insert("kubernetes.io".to_owned(), pod);
        change(&mut claims);
        self.authority.sign_anything(&claims)
    }

    pub(super) async fn ask(&self, token: &str, query: &str) -> Response {
        self.ask_by(ASSERTION, token, query).await
    }

    pub(super) async fn ask_by(&self, kind: &str, token: &str, query: &str) -> Response {
        let form = format!(
            "grant_type=client_credentials&audience=logistics&client_assertion_type={kind}&client_assertion={token}{query}"
        );
        self.harness.post(&[], form.as_bytes()).await
    }

    pub(super) async fn refused(&self, token: &str, reason: &str) -> Response {
        let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
        let before = self.harness.metric(&line);
        let response = self.ask(token, "").await;
        assert_eq!(
            self.harness.metric(&line),
            before + 1,
            "{reason}: {response:?}"
        );
        response
    }
}

#[tokio::test]
async fn a_service_account_is_a_client_without_a_secret_as_often_as_it_comes() {
    let cluster = Cluster::kubernetes().await;
    let token = cluster.token(|_| {});
    for query in ["", "&client_id=orders", "&scope=read"] {
        let response = cluster.ask(&token, query).await;
        let claims = cluster
            .harness
            .verify(&response.token(), "logistics")
            .await
            .unwrap();
        assert_eq!(
            (claims.subject.as_str(), claims.actor.is_none()),
            ("orders", true)
        );
    }
    // A secret is no way in, nor is another client's name.
    let form = "grant_type=client_credentials&audience=logistics";
    let by_secret = cluster.harness.ask_as("orders", SECRET, form).await;
    assert_eq!(by_secret.refusal(), (401, "invalid_client".to_owned()));
    for other in ["&client_id=c", "&client_id=nobody"] {
        let response = cluster.ask(&token, other).await;
        assert_eq!(
            response.refusal(),
            (401, "invalid_client".to_owned()),
            "{other}"
        );
    }
    let two = format!("{form}&client_assertion_type={ASSERTION}&client_assertion={token}");
    let two = cluster
        .harness
        .post(&[&basic("c", SECRET)], two.as_bytes())
        .await;
    assert_eq!(two.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn only_the_workload_that_a_rule_names_is_the_client() {
    let cluster = Cluster::kubernetes().await;
    for other in [
        "system:serviceaccount:shop:orders2",
        "system:serviceaccount:shop-test:orders",
        "system:serviceaccount:shop",
        "orders",
    ] {
        let token = cluster.token(|claims| claims.subject = other.parse().unwrap());
        let response = cluster.refused(&token, "bad_credentials").await;
        assert_eq!(response.refusal(), (401, "invalid_client".to_owned()));
    }
    for wrong in [
        cluster.token(|claims| claims.confirmation = Some(Confirmation::default())),
        cluster.token(|claims| claims.actor = Some(Actor::new("a".parse().unwrap()))),
        Authority::start().await.sign_anything(&cluster.alike()),
    ] {
        cluster.refused(&wrong, "bad_credentials").await;
    }
}

impl Cluster {
    /// The claims of a good token.
    pub(super) fn alike(&self) -> Value {
        let token = self.token(|_| {});
        let payload = token.split('.').nth(1).unwrap();
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        serde_json::from_slice(&engine.decode(payload).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_token_for_others_or_of_long_ago_proves_nothing() {
    let cluster = Cluster::kubernetes().await;
    for audiences in [
        &["logistics"][..],
        &["internal", "logistics"],
        &["https://kubernetes.default.svc"],
    ] {
        let names = audiences.iter().map(|name| name.parse().unwrap());
        let token = cluster.token(|claims| claims.audience = names.collect());
        cluster.refused(&token, "assertion_audience").await;
    }
    // However long it lives: an hour is the most by default.
    let long = |claims: &mut TokenClaims| claims.expires_at = UnixTime::from_secs(NOW + 86_400);
    let old = cluster.token(|claims| {
        long(claims);
        claims.issued_at = Some(UnixTime::from_secs(NOW - 3_700));
    });
    cluster.refused(&old, "assertion_too_old").await;
    let ageless = cluster.token(|claims| claims.issued_at = None);
    cluster.refused(&ageless, "assertion_too_old").await;
    let young = cluster.token(|claims| {
        long(claims);
        claims.issued_at = Some(UnixTime::from_secs(NOW - 3_500));
    });
    cluster.ask(&young, "").await.token();
    let ended = cluster.token(|claims| claims.expires_at = UnixTime::from_secs(NOW - 60));
    cluster.refused(&ended, "expired_assertion").await;
}

#[tokio::test]
async fn a_rule_may_ask_for_any_claim_and_two_clients_are_told_apart() {
    let account: &[&str] = &["kubernetes.io", "serviceaccount", "uid"];
    let space: &[&str] = &["kubernetes.io", "namespace"];
    let cluster = Cluster::start("kubernetes", "", |issuer| {
        vec![
            (
                "by-uid",
                by(issuer, None, &[(account, "7"), (space, "shop")]),
            ),
            (
                "shop",
                by(issuer, Some("system:serviceaccount:shop:*"), &[]),
            ),
        ]
    })
    .await;
    let both = cluster.token(|_| {});
    cluster.refused(&both, "assertion_of_several_clients").await;
    for id in ["by-uid", "shop"] {
        let response = cluster.ask(&both, &format!("&client_id={id}")).await;
        let claims = cluster
            .harness
            .verify(&response.token(), "logistics")
            .await
            .unwrap();
        assert_eq!(claims.subject.as_str(), id);
    }
    // The account was deleted and made anew.
    let another = cluster.token(|claims| {
        let pod = json!({ "namespace": "shop", "serviceaccount": { "uid": "8" } });
        claims.extra.insert("kubernetes.io".to_owned(), pod);
    });
    let response = cluster.ask(&another, "").await;
    let claims = cluster
        .harness
        .verify(&response.token(), "logistics")
        .await
        .unwrap();
    assert_eq!(claims.subject.as_str(), "shop");
}

#[tokio::test]
async fn a_token_of_a_pipeline_counts_once() {
    let cluster = Cluster::start("github", "", |issuer| {
        let main: &[(&[&str], &str)] = &[
            (&["repository"], "shop/orders"),
            (&["ref"], "refs/heads/main"),
        ];
        vec![("deploy", by(issuer, None, main))]
    })
    .await;
    let run = |id: &str, branch: &str| {
        cluster.token(|claims| {
            claims.subject = format!("repo:shop/orders:ref:{branch}").parse().unwrap();
            claims.token_id = Some(id.parse().unwrap());
            for (name, value) in [("repository", "shop/orders"), ("ref", branch)] {
                claims.extra.insert(name.to_owned(), value.into());
            }
        })
    };
    let token = run("1", "refs/heads/main");
    cluster.ask(&token, "").await.token();
    cluster.refused(&token, "replayed_assertion").await;
    cluster.ask(&run("2", "refs/heads/main"), "").await.token();
    cluster
        .refused(&run("3", "refs/heads/mainline"), "bad_credentials")
        .await;
    let nameless = cluster.token(|claims| {
        for (name, value) in [("repository", "shop/orders"), ("ref", "refs/heads/main")] {
            claims.extra.insert(name.to_owned(), value.into());
        }
    });
    cluster.refused(&nameless, "assertion_without_id").await;
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_or_a_revoked_client_is_told_apart_from_a_wrong_one() {
    let cluster = Cluster::kubernetes().await;
    cluster.authority.fail();
    let response = cluster
        .refused(&cluster.token(|_| {}), "client_keys_unavailable")
        .await;
    assert_eq!(
        response.refusal(),
        (503, "temporarily_unavailable".to_owned())
    );

    let cluster = Cluster::kubernetes().await;
    let target = RevocationTarget::Client {
        id: "orders".into(),
        only_issued: false,
    };
    operator(&cluster.harness, target).await.unwrap();
    wait_for_entries(&cluster.harness, 1).await;
    cluster
        .refused(&cluster.token(|_| {}), "revoked_client")
        .await;
    // No client has a rule about it, so nothing is asked.
    let unused = Cluster::start("kubernetes", "", |_| Vec::new()).await;
    unused
        .refused(&unused.token(|_| {}), "bad_credentials")
        .await;
    assert_eq!(unused.authority.asked(), 0);
}
