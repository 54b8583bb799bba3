//! What the section `internal-token` means once it is read.

use hallpass_client::{ClientAuthentication, InternalTokenSettings, TargetParameter};
use hallpass_config::{Loader, Problems};

/// The smallest section that is complete; lines may be added to it.
const TOKEN: &str = "\
hallpass:
  internal-token:
    client-id: caller
    client-secret: s3cret
    token-url: lb://service-auth/oauth2/token
";

fn everything() -> InternalTokenSettings {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/internal-token.yaml"
    );
    let loader = Loader::new("hallpass").file(path);
    loader.load().unwrap().into_settings()
}

/// A loader for `text`, with an empty environment.
fn loader(text: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing)
}

fn load(text: &str) -> InternalTokenSettings {
    loader(text).load().unwrap().into_settings()
}

/// What is wrong with `text`, one problem a line, without the file's name.
fn problems(text: &str) -> Vec<String> {
    lines(&loader(text).load::<InternalTokenSettings>().unwrap_err())
}

fn lines(problems: &Problems) -> Vec<String> {
    let lines = problems.iter().map(ToString::to_string);
    lines
        .map(|line| line.replace("test.yaml:", "").replace("hallpass.", ""))
        .collect()
}

#[test]
fn credentials_inherit_what_they_leave_out() {
    let token = everything().token_service.unwrap();
    let [billing] = &token.clients[..] else {
        panic!("one client")
    };
    assert_eq!(billing.name, "billing");
    let credential = &billing.credential;
    assert_eq!(credential.client_id, "billing-caller");
    assert_eq!(credential.client_secret.expose(), "InternalSecret123!");
    assert_eq!(
        (
            credential.scope.as_str(),
            credential.audience.as_ref().map(|it| it.as_str())
        ),
        ("", Some("service-billing"))
    );
    assert_eq!(credential.client_authentication, ClientAuthentication::Post);
    assert_eq!(credential.target_parameter, TargetParameter::Resource);
    assert_eq!(token.memory_cache.max_entries, 500);
}

#[test]
fn further_credentials_have_names_of_their_own() {
    let clients =
        "    clients: [{name: a, audience: x}, {name: a, audience: y}, {audience: z}, {name: b}]\n";
    assert_eq!(
        problems(&format!("{TOKEN}{clients}")),
        [
            "6:46: internal-token.clients[1].name: is the same as in an entry before",
            "6:63: internal-token.clients[2].name: is required",
        ]
    );
}

#[test]
fn words_of_springs_client_are_answered_with_ours() {
    let words = "    issuer-uri: https://a\n    registration: { a: { client-id: b } }\n    provider: { a: {} }\n";
    let found = problems(&format!(
        "{TOKEN}{words}    clients: [{{ name: a, issuerUri: https://a }}]\n"
    ));
    let expected = [
        ("issuer-uri", "here it is `token-url`"),
        ("registration", "the keys of a registration"),
        ("provider", "the keys of a registration"),
        ("issuerUri", "here it is `token-url`"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, (key, advice)) in found.iter().zip(expected) {
        let is_it = format!("{key}: is not a known key; {advice}");
        assert!(problem.contains(&is_it), "{problem}");
    }
}

#[test]
fn a_second_credential_for_one_audience_is_a_problem_because_no_call_would_find_it() {
    let clients = "    audience: x\n    clients: [{name: a}, {name: b, audience: y}, {name: c, audience: y}, {name: d}]\n";
    assert_eq!(
        problems(&format!("{TOKEN}{clients}")),
        ["7:70: internal-token.clients[2].audience: is the same as in an entry before"]
    );
}

#[test]
fn a_credential_without_an_audience_of_its_own_is_for_calls_that_name_it() {
    let clients = "    audience: x\n    clients: [{name: a}, {name: b, audience: y}]\n";
    let text = format!("{TOKEN}{clients}");
    let shown = loader(&text)
        .load::<InternalTokenSettings>()
        .unwrap()
        .effective();
    let shown: Vec<_> = shown
        .lines()
        .filter(|line| line.contains(" audience:"))
        .collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    let settings = load(&text);
    let tokens = settings.token_service.unwrap();
    assert_eq!(tokens.credential.audience.unwrap(), "x");
    assert!(tokens.clients[0].credential.audience.is_none());
    let known = settings.feign.credentials.unwrap();
    let named = |name: &str| known[name].as_ref().map(|it| it.to_string());
    assert_eq!((named("a"), named("b")), (None, Some("y".to_owned())));
}

#[test]
fn refresh_ahead_must_leave_time_to_use_the_token() {
    let with = |lines: &str| problems(&format!("{TOKEN}{lines}"));
    assert_eq!(
        with("    cache-expire-seconds: 60\n    refresh-ahead-seconds: 60\n"),
        [
            "7:28: internal-token.refresh-ahead-seconds: must be below cache-expire-seconds, which is 60"
        ]
    );
    assert_eq!(
        with("    cache-expire-seconds: 30\n"),
        [
            "6:27: internal-token.cache-expire-seconds: must be above refresh-ahead-seconds, which is 60"
        ]
    );
    assert_eq!(
        with("    audience: a\n    clients: [{name: b, refresh-ahead-seconds: 540}]\n"),
        [
            "7:48: internal-token.clients[0].refresh-ahead-seconds: must be below cache-expire-seconds, \
          which is 540"
        ]
    );
}

#[test]
fn a_section_that_is_switched_off_needs_nothing_but_lies_about_nothing() {
    let off = "hallpass: { internal-token: { enabled: false } }";
    assert!(
        loader(off)
            .load::<InternalTokenSettings>()
            .unwrap()
            .settings()
            .token_service
            .is_none()
    );

    let wrong = "hallpass: { internal-token: { enabled: false, token-url: 'ftp://x/y', scop: x } }";
    assert_eq!(problems(wrong).len(), 2);
}

#[test]
fn clients_to_skip_are_known_where_tokens_are_switched_off() {
    let text =
        "hallpass: { internal-token: { enabled: false, feign: { skip-clients: [weather] } } }";
    let settings = load(text);
    assert!(settings.token_service.is_none());
    assert_eq!(settings.feign.skip_clients, ["weather"]);
}

#[test]
fn scopes_are_words_or_a_list_and_a_comma_parts_them_as_in_spring() {
    let scope = |value: &str| {
        let text = format!(
            "hallpass: {{ internal-token: {{ client-id: a, client-secret: b, token-url: 'lb://c/d', scope: {value} }} }}"
        );
        let settings = loader(&text).load::<InternalTokenSettings>();
        settings.map(|loaded| {
            loaded
                .into_settings()
                .token_service
                .unwrap()
                .credential
                .scope
        })
    };
    for value in [
        "'orders internal'",
        "'orders,internal'",
        "'orders, internal'",
        "[orders, internal]",
    ] {
        assert_eq!(scope(value).unwrap().as_str(), "internal orders", "{value}");
    }
    for value in ["''", "[]", "' , '"] {
        assert!(scope(value).unwrap().is_empty(), "{value}");
    }
    assert_eq!(
        lines(&scope("['orders,internal']").unwrap_err()),
        [
            "1:94: internal-token.scope[0]: must not hold a comma: write each word as an element of its own"
        ]
    );
}

#[test]
fn tokens_are_bound_to_a_key_where_that_is_asked_for_and_a_bad_key_is_a_problem() {
    use hallpass_client::TokenBinding;
    use hallpass_token::DpopKey;

    // RFC 8037 appendix A.1.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n-----END PRIVATE KEY-----\\n";
    let binding = |lines: &str| {
        let settings = load(&format!("{TOKEN}{lines}"));
        settings.token_service.unwrap().credential.binding
    };
    assert_eq!(binding(""), TokenBinding::None);
    assert_eq!(binding("    dpop: true\n"), TokenBinding::OwnKey);
    let key = format!("    dpop-key: \"{KEY}\"\n");
    assert_eq!(
        binding(&key),
        TokenBinding::None,
        "given, and not asked for"
    );
    let expected = DpopKey::from_pem(&KEY.replace("\\n", "\n")).unwrap();
    let given = binding(&format!("    dpop: true\n{key}"));
    assert_eq!(given, TokenBinding::Key(expected));
    assert!(!format!("{given:?}").contains("MC4CAQ"));

    let clients =
        "    dpop: true\n    clients: [{ name: a, audience: b }, { name: c, dpop: false }]\n";
    let settings = load(&format!("{TOKEN}{clients}")).token_service.unwrap();
    let inherited: Vec<_> = settings
        .clients
        .iter()
        .map(|it| &it.credential.binding)
        .collect();
    assert_eq!(inherited, [&TokenBinding::OwnKey, &TokenBinding::None]);

    let bad = problems(&format!("{TOKEN}    dpop: true\n    dpop-key: not a key\n"));
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(
        bad[0].contains("internal-token.dpop-key: no private key"),
        "{bad:?}"
    );
    assert!(!bad[0].contains("not a key"), "{bad:?}");
}
