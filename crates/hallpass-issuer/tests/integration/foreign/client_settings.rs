//! Presets of trusted issuers, and clients that prove themselves by their tokens, as the configuration has them.

use std::time::Duration;

use hallpass_config::Loader;
use hallpass_issuer::{IssuerSettings, KeyPlace};

use crate::settings::{load, problems};

#[test]
fn a_profile_of_subjects_is_believed_of_an_issuer_that_is_said_to_write_as_we_do() {
    let accepts = |text: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, issuer: 'https://a.example' {text} }}] }} }}"
        );
        load(&text).trusted_issuers[0].accept_sub_profile
    };
    assert!(!accepts(""), "nobody has said what writes its tokens");
    assert!(accepts(", preset: hallpass"));
    assert!(!accepts(", preset: hallpass, accept-sub-profile: false"));
    assert!(!accepts(", preset: keycloak"));
    assert!(accepts(", preset: keycloak, accept-sub-profile: true"));
}

#[test]
fn a_preset_brings_what_is_usual_there_and_every_key_replaces_it() {
    use hallpass_token::Algorithm::{Es384, Rs256};
    let entry = |text: &str| {
        load(&format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, {text} }}] }} }}"
        ))
        .trusted_issuers
        .remove(0)
    };
    let cluster = entry("preset: kubernetes");
    assert_eq!(
        cluster.issuer,
        "https://kubernetes.default.svc.cluster.local"
    );
    let url = "https://kubernetes.default.svc/openid/v1/jwks"
        .parse()
        .unwrap();
    assert_eq!(cluster.keys, KeyPlace::Url(url));
    let of_pod = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(
        cluster.jwks_bearer_file,
        Some(format!("{of_pod}/token").into())
    );
    assert_eq!(cluster.tls.ca_file, Some(format!("{of_pod}/ca.crt").into()));
    assert!(!cluster.tls.system_roots && cluster.assertions_again);
    assert_eq!(cluster.max_age, Some(Duration::from_secs(3_600)));
    // A token of the pod goes to its own cluster alone.
    let elsewhere = entry(
        "preset: kubernetes, issuer: 'https://oidc.example', jwks-url: 'https://oidc.example/keys'",
    );
    assert_eq!(
        (elsewhere.jwks_bearer_file, elsewhere.tls.system_roots),
        (None, true)
    );

    let github = entry("preset: github");
    assert_eq!(github.issuer, "https://token.actions.githubusercontent.com");
    assert_eq!(
        (github.keys, github.algorithms),
        (KeyPlace::Discovered, Rs256.into())
    );
    assert!(!github.assertions_again);
    let aws = entry("preset: aws, issuer: 'https://abc.tokens.sts.global.api.aws'");
    assert_eq!(aws.algorithms, [Es384, Rs256].into_iter().collect());
    let spiffe = entry(
        "preset: spiffe, issuer: 'spiffe://prod.example', jwks-file: bundle.json, assertion-use: once, max-age-seconds: 60",
    );
    assert_eq!(
        (spiffe.assertions_again, spiffe.max_age),
        (false, Some(Duration::from_secs(60)))
    );
}

#[test]
fn a_client_that_could_be_anybody_or_nobody_is_a_problem() {
    let problem = |issuer: &str, client: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, {issuer} }}], clients: [{{ client-id: c, \
             token-endpoint-auth-method: federated_jwt, {client} }}] }} }}"
        );
        let nothing: [(&str, &str); 0] = [];
        let loader = Loader::new("hallpass")
            .text("test.yaml", text)
            .environment(nothing);
        let loaded = loader.load::<IssuerSettings>();
        loaded.map(drop).map_err(|problems| {
            let first = problems.iter().next().unwrap().to_string();
            first
                .split("issuer.")
                .nth(1)
                .unwrap()
                .split(": ")
                .next()
                .unwrap()
                .to_owned()
        })
    };
    let github = "preset: github";
    let of = "issuer: 'https://token.actions.githubusercontent.com'";
    let rule = |more: &str| format!("assertions: [{{ {of}, {more} }}]");
    assert_eq!(problem(github, &rule("subject: 'repo:a/b:*'")), Ok(()));
    assert_eq!(
        problem(github, &rule("claims: [{ path: [ref], value: x }]")),
        Ok(())
    );
    for (client, key) in [
        (String::new(), "clients[0].assertions"),
        (rule(""), "clients[0].assertions[0].subject"),
        (
            rule("subject: 'repo:*x'"),
            "clients[0].assertions[0].subject",
        ),
        (rule("subject: '*'"), "clients[0].assertions[0].subject"),
        (
            rule("claims: [{ path: [], value: x }]"),
            "clients[0].assertions[0].claims[0].path",
        ),
        (
            rule("claims: [{ path: [a], value: 'x*' }]"),
            "clients[0].assertions[0].claims[0].value",
        ),
        (
            "assertions: [{ issuer: internal, subject: a }]".to_owned(),
            "clients[0].assertions[0].issuer",
        ),
        (
            "assertions: [{ issuer: 'https://b.example', subject: a }]".to_owned(),
            "clients[0].assertions[0].issuer",
        ),
        (
            format!("client-secret: x, {}", rule("subject: a")),
            "clients[0].client-secret",
        ),
    ] {
        assert_eq!(problem(github, &client), Err(key.to_owned()), "{client}");
    }
}

#[test]
fn a_preset_that_would_name_nobody_or_believe_for_ever_is_a_problem() {
    for (issuer, key) in [
        ("preset: spiffe", "trusted-issuers[0].issuer"),
        (
            "preset: spiffe, issuer: 'https://prod.example', jwks-file: a",
            "trusted-issuers[0].issuer",
        ),
        (
            "preset: spiffe, issuer: 'spiffe://prod.example/a', jwks-file: a",
            "trusted-issuers[0].issuer",
        ),
        (
            "preset: spiffe, issuer: 'spiffe://prod.example'",
            "trusted-issuers[0].jwks-url",
        ),
        (
            "preset: github, assertion-use: again",
            "trusted-issuers[0].max-age-seconds",
        ),
        (
            "preset: github, assertion-use: twice",
            "trusted-issuers[0].assertion-use",
        ),
    ] {
        let text =
            format!("hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, {issuer} }}] }} }}");
        let first = problems(&text).remove(0);
        assert!(first.contains(&format!("issuer.{key}: ")), "{first}");
    }
}

#[test]
fn whose_tokens_a_client_may_revoke_is_a_trusted_issuer_by_its_name() {
    let read = |names: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: login, issuer: 'https://login.example' }}, \
             {{ name: mesh, preset: spiffe, issuer: 'spiffe://prod.example', jwks-file: bundle.json }}], \
             clients: [{{ client-id: gate, client-secret: x, may-revoke: [{names}] }}] }} }}"
        );
        let nothing: [(&str, &str); 0] = [];
        let loader = Loader::new("hallpass")
            .text("test.yaml", text)
            .environment(nothing);
        let loaded = loader.load::<IssuerSettings>();
        loaded
            .map(|it| it.into_settings())
            .map_err(|problems| problems.to_string())
    };
    let settings = read("login").unwrap();
    assert_eq!(settings.clients[0].may_revoke, ["login"]);
    assert!(read("").unwrap().clients[0].may_revoke.is_empty());
    for (names, what) in [
        ("logon", "is not the `name` of one of `trusted-issuers`"),
        ("'https://login.example'", "is not the `name` of one of"),
        ("login, mesh", "is a trust domain"),
    ] {
        let problems = read(names).unwrap_err();
        let key = problems.contains("issuer.clients[0].may-revoke");
        assert!(key && problems.contains(what), "{names}: {problems}");
    }
}
