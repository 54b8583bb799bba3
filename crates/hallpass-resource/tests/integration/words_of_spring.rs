//! What people write into `security` who come from Spring Security, and what they are told.

use crate::sections::problems;

#[test]
fn words_of_springs_resource_server_are_answered_with_ours() {
    let found = problems(
        "hallpass: { service.name: a, security.internal-jwt: { issuer-uri: 'https://a', jws-algorithms: RS256, opaquetoken: {}, \
         enabled: true, authorities-claim-name: roles, clock-skew: 5s, internal-only: { urls: [/internal/**] }, \
         issuers: [{ name: a, issuer: a, jwks-url: 'https://a/jwks', publicKeyLocation: a.pem, principalClaimName: x, \
         authorityPrefix: '', authoritiesClaimDelimiter: ',', opaquetoken: {} }] } }",
    );
    let expected = [
        ("issuer-uri", "here they are two: `issuer`"),
        ("jws-algorithms", "here they are `algorithms` of an entry"),
        ("opaquetoken", "here it is `introspection`"),
        ("enabled", "here it is `mode`"),
        ("authorities-claim-name", "here it is `authority-claims`"),
        ("clock-skew", "here it is `leeway-seconds`"),
        ("urls", "here it is `paths`"),
        ("publicKeyLocation", "here it is `jwks-file`"),
        ("principalClaimName", "the user is always `sub` here"),
        ("authorityPrefix", "scopes are `SCOPE_...`"),
        ("authoritiesClaimDelimiter", "a claim with several roles"),
        ("opaquetoken", "here it is `introspection`"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (key, advice) in expected {
        let is_it = format!("{key}: is not a known key; {advice}");
        assert!(
            found.iter().any(|problem| problem.contains(&is_it)),
            "{is_it}: {found:#?}"
        );
    }
}

#[test]
fn words_of_springs_rules_are_answered_with_ours() {
    let mut wanted = Vec::new();
    let mut text = "hallpass.security.internal-jwt.routes:\n".to_owned();
    for (entry, advice) in [
        (
            "rule: permitAll",
            "rule: must be one of `anonymous`, `authenticated`, `internal-only`, `scopes`; `permitAll` is `anonymous` here",
        ),
        ("rule: permit-all", "`permitAll` is `anonymous` here"),
        ("rule: denyAll()", "leave the entry out"),
        (
            "rule: \"hasRole('ADMIN')\"",
            "with `roles` or `any-role` beside it, without `ROLE_`",
        ),
        (
            "rule: hasAnyAuthority",
            "with `authorities` or `any-authority`",
        ),
        ("rule: hasScope", "here it is `rule: scopes`"),
        ("rule: fullyAuthenticated", "here it is `authenticated`"),
        ("rule: internalOnly", "did you mean `internal-only`?"),
        (
            "rule: authenticated, hasAnyRole: [A]",
            "hasAnyRole: is not a known key; here it is `roles`",
        ),
        (
            "rule: authenticated, hasAnyAuthority: [a]",
            "here it is `authorities` or `any-authority`",
        ),
        (
            "rule: scopes, any: a, scopes: [a]",
            "here it is `all` or `any`, beside `rule: scopes`",
        ),
        (
            "rule: scopes, all: [SCOPE_orders]",
            "all[0]: scopes stand here as they do in tokens, without `SCOPE_`",
        ),
        (
            "rule: anonymous, permit-all: true",
            "here it is `rule: anonymous`",
        ),
        (
            "rule: anonymous, pattern: /a",
            "here it is `path`, one in each entry",
        ),
        (
            "rule: anonymous, paths: [/a]",
            "here it is `path`, one in each entry",
        ),
    ] {
        let line = format!("  - {{ path: /{}, {entry} }}\n", wanted.len());
        text.push_str(&line);
        wanted.push(advice);
    }
    let found = problems(&text);
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (problem, advice) in found.iter().zip(wanted) {
        assert!(problem.contains(advice), "{advice}: {problem}");
    }
}
