//! What the section `issuer` says to who writes words of Spring, or nearly the right name.

use hallpass_issuer::IssuerSettings;

use crate::settings::{loader, problems};

#[test]
fn words_of_spring_authorization_server_are_answered_with_ours() {
    let found = problems(
        "hallpass: { issuer: { issuer: 'https://a', clients: [{ client-id: c, client-secret: 0123456789abcdef, audiences: a, \
         clientAuthenticationMethods: client_secret_basic, authorization-grant-types: client_credentials, \
         access-token-time-to-live: 5m, refresh-token-time-to-live: 1h, reuse-refresh-tokens: true, \
         redirect-uris: ['http://127.0.0.1/x'], x509CertificateSubjectDN: CN=a, \
         x509CertificateBoundAccessTokens: true, token: { access-token-format: self-contained } }] } }",
    );
    let expected = [
        ("issuer.issuer", "here it is `name`"),
        (
            "clientAuthenticationMethods",
            "here it is `token-endpoint-auth-method`",
        ),
        (
            "authorization-grant-types",
            "here it is `grant-types`, with the same values",
        ),
        (
            "access-token-time-to-live",
            "here it is `token-life-seconds`",
        ),
        (
            "refresh-token-time-to-live",
            "here it is `refresh-token-life-seconds`",
        ),
        (
            "reuse-refresh-tokens",
            "here each use of a refresh token brings another one",
        ),
        ("redirect-uris", "nobody logs in here"),
        (
            "x509CertificateSubjectDN",
            "here it is `tls-client-auth-subject-dn`",
        ),
        (
            "x509CertificateBoundAccessTokens",
            "here it is `tls-client-certificate-bound-access-tokens`",
        ),
        ("token", "its keys stand beside `client-id` here"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, (key, advice)) in found.iter().zip(expected) {
        let is_it = format!("{key}: is not a known key; {advice}");
        assert!(problem.contains(&is_it), "{problem}");
    }
    // What Spring calls it is not what a slip was meant to be.
    let slip = problems("hallpass: { issuer: { clients: [{ client-id: c, redirect-urs: x }] } }");
    assert!(
        slip.iter().all(|it| !it.contains("redirect-uris")),
        "{slip:?}"
    );
}

#[test]
fn services_with_spaces_between_them_are_no_service() {
    let found = problems(
        "hallpass: { issuer: { clients: [{ client-id: c, client-secret: 0123456789abcdef, audiences: 'a b', \
         scopes: 'a b', grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange', \
         exchange: [{ subject-kinds: user, targets: ['a b', c], subject-audiences: 'd, e' }] }] } }",
    );
    let [audience, target] = &found[..] else {
        panic!("{found:#?}");
    };
    assert!(
        audience.contains("clients[0].audiences[0]: must be one name"),
        "{audience}"
    );
    assert!(
        target.contains("exchange[0].targets[0]: must be one name"),
        "{target}"
    );
}

#[test]
fn a_target_that_is_nearly_a_service_that_is_described_is_a_warning() {
    let loaded = loader(
        "hallpass: { issuer: { audiences: [{ name: billing-service }], clients: [\
         { client-id: order-service, client-secret: 0123456789abcdef, \
           grant-types: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange'], \
           audiences: [order-servcie, billing-service, somebody-else], \
           exchange: [{ subject-kinds: user, targets: [biling-service, order-service] }] }] } }",
    );
    let loaded = loaded.load::<IssuerSettings>().unwrap();
    let [first, second] = loaded.warnings() else {
        panic!("{:?}", loaded.warnings());
    };
    assert!(
        first.contains("clients[0].audiences[0]: is the name of no client"),
        "{first}"
    );
    assert!(first.ends_with("did you mean `order-service`?"), "{first}");
    assert!(
        second.contains("clients[0].exchange[0].targets[0]: is the name"),
        "{second}"
    );
    assert!(
        second.ends_with("did you mean `billing-service`?"),
        "{second}"
    );
}
