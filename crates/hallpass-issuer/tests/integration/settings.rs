//! What the section `issuer` means once it is read.

use std::time::Duration;

use hallpass_config::{Loader, Problems};
use hallpass_issuer::{ClientSecret, IssuerSettings, SecretKind};
use hallpass_tls::ClientAuth;
use hallpass_token::{Algorithm, UnixTime};

fn everything() -> IssuerSettings {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/issuer.yaml");
    let loader = Loader::new("hallpass")
        .file(path)
        .environment([("KEY", "k")]);
    loader.load().unwrap().into_settings()
}

/// A loader for `text`, with an empty environment.
pub(crate) fn loader(text: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing)
}

pub(crate) fn load(text: &str) -> IssuerSettings {
    loader(text).load().unwrap().into_settings()
}

/// What is wrong with `text`, one problem a line, without the file's name.
pub(crate) fn problems(text: &str) -> Vec<String> {
    lines(&loader(text).load::<IssuerSettings>().unwrap_err())
}

fn lines(problems: &Problems) -> Vec<String> {
    let lines = problems.iter().map(ToString::to_string);
    lines
        .map(|line| line.replace("test.yaml:", "").replace("hallpass.", ""))
        .collect()
}

#[test]
fn the_issuer_knows_its_clients() {
    let issuer = everything();
    assert_eq!(issuer.base_url.unwrap().as_str(), "https://issuer.example/");
    assert!(issuer.store.ends_with("tests/data/data/hallpass.db"));
    assert_eq!(issuer.key_encryption_key.unwrap().expose(), "k");
    assert_eq!(issuer.algorithm, Algorithm::EdDsa);
    let [internal, batch, gateway] = &issuer.clients[..] else {
        panic!("three clients")
    };
    let [internal_secrets, batch_secrets, secrets] =
        [internal, batch, gateway].map(|client| client.authentication.secrets().unwrap());
    assert!(matches!(secrets.current, ClientSecret::Digest(_)));
    let previous = secrets.previous.as_ref().unwrap();
    assert!(matches!(previous.secret, ClientSecret::Digest(_)));
    assert_eq!(internal_secrets.kind, SecretKind::Chosen);
    assert_eq!(internal.audiences, ["service-system", "service-billing"]);
    assert_eq!(
        (internal.token_life, batch.token_life),
        (None, Some(Duration::from_secs(60)))
    );
    assert_eq!(
        (batch_secrets.kind, batch.scope.is_empty()),
        (SecretKind::Generated, true)
    );
}

#[test]
fn an_issuer_that_could_not_work_is_a_problem() {
    let text = "\
hallpass:
  issuer:
    name: http://issuer.example
    base-url: https://a:b@issuer.example
    clients:
      - { client-id: a, client-secret: x }
      - { client-id: a, client-secret: x, secret-kind: generated, grant-types: [password] }
      - {}
";
    assert_eq!(
        problems(text),
        [
            "3:11: issuer.name: must be an https URL, or http to a loopback address",
            "4:15: issuer.base-url: must not hold a user name or password",
            "7:22: issuer.clients[1].client-id: is the same as in an entry before",
            "7:56: issuer.clients[1].secret-kind: is `generated`, but a secret has fewer than 32 characters",
            "7:81: issuer.clients[1].grant-types[0]: must be `client_credentials` or `urn:ietf:params:oauth:grant-type:token-exchange` or `refresh_token` or `urn:ietf:params:oauth:grant-type:jwt-bearer`",
            "8:9: issuer.clients[2].client-id: is required",
            "8:9: issuer.clients[2].client-secret: is required",
        ]
    );
}

#[test]
fn a_client_has_a_previous_secret_with_an_end_or_none() {
    let one = |keys: &str| {
        format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: a, client-secret: x, {keys} }}] }} }}"
        )
    };
    let until = "previous-client-secret-until: 2027-01-15T08:00:00Z";
    let read = load(&one(&format!("previous-client-secret: old, {until}")));
    let secrets = read.clients[0].authentication.secrets().unwrap();
    let previous = secrets.previous.clone().unwrap();
    assert!(matches!(previous.secret, ClientSecret::Clear(old) if old.expose() == "old"));
    assert_eq!(previous.until, UnixTime::from_secs(1_800_000_000));
    let without = load(&one(""));
    let secrets = without.clients[0].authentication.secrets().unwrap();
    assert!(secrets.previous.is_none());
    for (keys, problem) in [
        (
            "previous-client-secret: old",
            "is required with a previous secret",
        ),
        (until, "is the end of no secret"),
        (
            "previous-client-secret: old, previous-client-secret-until: tomorrow",
            "must be a moment in UTC",
        ),
    ] {
        let found = problems(&one(keys));
        assert!(
            found.len() == 1
                && found[0].contains("previous-client-secret-until")
                && found[0].contains(problem),
            "{found:?}"
        );
    }
}

#[test]
fn a_client_id_outside_the_grammar_is_a_problem() {
    for id in ["caf\u{e9}", "服务", "'a\u{a0}b'"] {
        let text = format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: {id}, client-secret: x }}] }} }}"
        );
        let found = problems(&text);
        assert!(
            found.len() == 1 && found[0].contains("RFC 6749 appendix A.1"),
            "{found:?}"
        );
    }
}

#[test]
fn scopes_are_words_or_a_list_and_nothing_else() {
    for scopes in ["read write", "'write, read'", "[read, write]"] {
        let text = format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: a, client-secret: x, scopes: {scopes} }}] }} }}"
        );
        assert_eq!(
            load(&text).clients[0].scope.as_str(),
            "read write",
            "{scopes}"
        );
    }
}

#[test]
fn what_is_absent_has_its_default() {
    for text in ["", "hallpass: { issuer: {} }"] {
        let default = IssuerSettings::default();
        assert_eq!(format!("{:?}", load(text)), format!("{default:?}"));
    }
}

#[test]
fn a_listener_with_a_certificate_knows_its_files_and_whom_it_asks() {
    let text = "hallpass: { issuer: { tls: { certificate-file: a.crt, private-key-file: a.key, client-auth: need, client-ca-file: ca.crt } } }";
    let tls = load(text).tls.unwrap();
    assert!(tls.key_pair.certificate_file.ends_with("a.crt"));
    assert!(tls.key_pair.private_key_file.ends_with("a.key"));
    assert!(matches!(tls.client_auth, ClientAuth::Need { ca_file } if ca_file.ends_with("ca.crt")));
    assert!(load("hallpass: { issuer: {} }").tls.is_none());
}

#[test]
fn a_tls_section_that_could_not_work_is_a_problem_and_never_plain_http() {
    let of = |keys: &str| {
        let problems = problems(&format!("hallpass: {{ issuer: {{ {keys} }} }}"));
        let without_place = |line: &String| line.split_once(": ").unwrap().1.to_owned();
        problems.iter().map(without_place).collect::<Vec<_>>()
    };
    let pair = "certificate-file: a, private-key-file: b";
    assert_eq!(
        of("tls: { private-key-file: b }"),
        ["issuer.tls.certificate-file: is required"]
    );
    assert_eq!(
        of(&format!("tls: {{ {pair}, client-auth: need }}")),
        ["issuer.tls.client-ca-file: is required with `client-auth`"]
    );
    assert_eq!(
        of(&format!("tls: {{ {pair}, client-ca-file: c }}")),
        [
            "issuer.tls.client-ca-file: has no effect without `client-auth: need`, `want` or `any`; say which is meant"
        ]
    );
    let message = "must be an https URL, since the section `tls` is given";
    assert_eq!(
        of(&format!(
            "base-url: 'http://127.0.0.1:1', tls: {{ {pair} }}"
        )),
        [format!("issuer.base-url: {message}")]
    );
    assert_eq!(
        of(&format!("name: 'http://127.0.0.1:1', tls: {{ {pair} }}")),
        [format!("issuer.name: {message}")]
    );
}

#[test]
fn an_audience_has_the_shape_of_its_profile_unless_it_says_otherwise() {
    use hallpass_issuer::AudienceSettings;
    use hallpass_token::TokenType;
    let text = "\
hallpass:
  issuer:
    audiences:
      - { name: a, profile: spring }
      - { name: b, profile: spring, algorithm: ES256 }
      - name: c
        typ: JWT
        claims: [{ name: tenant, value: 'acme, inc' }, { name: roles, values: [x] }, { name: none, values: [] }]
";
    let audiences = load(text).audiences;
    let mut c = AudienceSettings::new("c");
    c.token_type = TokenType::Jwt;
    c.claims.insert("tenant".to_owned(), "acme, inc".into());
    c.claims.insert("roles".to_owned(), ["x"].as_slice().into());
    c.claims
        .insert("none".to_owned(), serde_json::Value::Array(Vec::new()));
    let mut b = AudienceSettings::spring("b");
    b.algorithm = Some(Algorithm::Es256);
    assert_eq!(audiences, [AudienceSettings::spring("a"), b, c]);
}

#[test]
fn an_audience_that_could_not_work_is_a_problem() {
    let text = "\
hallpass:
  issuer:
    audiences:
      - { name: a, typ: jose, algorithm: HS256, profile: old }
      - { name: a, claims: [{ name: sub, value: x }, { name: y }, { name: z, value: x, values: [x] }] }
      - {}
";
    insta::assert_debug_snapshot!(problems(text));
}

#[test]
fn keys_are_made_for_nothing_that_is_only_verified() {
    for algorithm in ["ES384", "PS256"] {
        let problems = problems(&format!(
            "hallpass: {{ issuer: {{ algorithm: {algorithm} }} }}"
        ));
        assert!(
            problems[0].starts_with("1:34: issuer.algorithm: "),
            "{problems:?}"
        );
    }
}

#[test]
fn the_profile_spring_refuses_the_algorithm_that_spring_security_does_not_know() {
    let of = |audience: &str| {
        problems(&format!(
            "hallpass:\n  issuer:\n    audiences:\n      - {audience}\n"
        ))
    };
    for name in ["EdDSA", "Ed25519"] {
        let found = of(&format!(
            "{{ name: a, profile: spring, algorithm: {name} }}"
        ));
        let [problem] = &found[..] else {
            panic!("{found:?}")
        };
        assert!(
            problem.contains("issuer.audiences[0].algorithm: "),
            "{problem}"
        );
        assert!(problem.contains("`RS256` or `ES256`"), "{problem}");
    }
    // Another verifier may know it.
    let text = "{ name: a, typ: JWT, algorithm: EdDSA }";
    let text = format!("hallpass:\n  issuer:\n    audiences:\n      - {text}\n");
    assert_eq!(load(&text).audiences[0].algorithm, Some(Algorithm::EdDsa));
}

#[test]
fn the_block_of_the_guide_for_spring_resource_servers_is_what_the_real_one_was_tried_with() {
    use hallpass_issuer::AudienceSettings;
    let guide = include_str!("../../../../docs/migration-from-spring.md");
    let heading = "## A Spring resource server that accepts tokens of `hallpass issuer`";
    let (_, section) = guide.split_once(heading).unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let loader = Loader::new("hallpass").text("guide", block);
    let loaded = loader
        .environment([("ORDER_SERVICE_SECRET", "s")])
        .load::<IssuerSettings>();
    let settings = loaded.unwrap().into_settings();
    let mut es256 = AudienceSettings::spring("service-billing");
    es256.algorithm = Some(Algorithm::Es256);
    let rs256 = AudienceSettings::spring("service-system");
    assert_eq!(settings.audiences, [rs256, es256]);
    assert_eq!(settings.clients[0].audiences.len(), 2);
}

#[test]
fn what_a_client_may_exchange_is_read_and_what_could_not_work_is_a_problem() {
    use hallpass_issuer::SubjectKind;

    let text = "\
hallpass:
  issuer:
    clients:
      - client-id: order
        client-secret: x
        grant-types: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange']
        exchange:
          - { subject-kinds: user, targets: [logistics], scopes: a b, claims: [roles] }
          - { subject-issuer: internal, subject-kinds: [user, service], subject-audiences: gate, targets: billing }
";
    let settings = load(text);
    let [first, second] = &settings.clients[0].exchange[..] else {
        panic!("two rules")
    };
    assert_eq!(first.subject_kinds, [SubjectKind::User]);
    assert_eq!(
        (first.scope.as_str(), &first.claims[..]),
        ("a b", &["roles".to_owned()][..])
    );
    assert!(!first.dangerous_subjects_of_unknown_origin && first.subject_issuer.is_none());
    assert_eq!(second.subject_audiences, ["gate"]);
    assert!(second.scope.is_empty() && second.subject_issuer.is_some());

    let text = "\
hallpass:
  issuer:
    clients:
      - client-id: a
        client-secret: x
        exchange:
          - { subject-kinds: [], targets: [] }
          - { subject-issuer: https://idp.example, subject-kinds: robot, targets: b, claims: [act, may_act] }
          - {}
      - { client-id: b, client-secret: x, grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange' }
";
    insta::assert_snapshot!(problems(text).join("\n"));
}

#[test]
fn bound_tokens_are_off_by_default_and_read_where_they_are_not() {
    let defaults =
        load("hallpass:\n  issuer:\n    clients: [{ client-id: a, client-secret: x }]\n");
    assert_eq!(defaults.dpop, hallpass_issuer::DpopSettings::default());
    assert!(!defaults.clients[0].dpop_bound_access_tokens);

    let text = "\
hallpass:
  issuer:
    dpop: { nonce: required, further-base-urls: ['https://10.0.0.7:9000', 'http://127.0.0.1:9000/a'] }
    clients: [{ client-id: a, client-secret: x, dpop-bound-access-tokens: true }]
";
    let settings = load(text);
    assert!(settings.dpop.requires_nonce && settings.clients[0].dpop_bound_access_tokens);
    let further = settings.dpop.further_base_urls.iter();
    let further: Vec<_> = further.map(|url| url.as_str()).collect();
    assert_eq!(
        further,
        ["https://10.0.0.7:9000/", "http://127.0.0.1:9000/a"]
    );

    let text = "\
hallpass:
  issuer:
    dpop: { nonce: sometimes, further-base-urls: 'http://10.0.0.7:9000' }
";
    let problems = problems(text);
    assert_eq!(problems.len(), 2, "{problems:?}");
}
