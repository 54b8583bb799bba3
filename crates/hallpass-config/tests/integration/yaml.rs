//! What YAML allows, and what it is taken for here.

use hallpass_config::Loader;

use crate::{Settings, TOKEN, load, problems};

#[test]
fn a_source_that_is_no_yaml_is_told_alone_and_without_an_excerpt() {
    let broken = [
        "hallpass:\n  service: [x\n",
        "hallpass:\n\tservice: x\n",
        "hallpass: { service: x }}\n",
        "hallpass:\n  internal-token:\n    client-secret: 'x\n",
        "hallpass: *unknown\n",
        "? [a]\n: b\n",
        "hallpass: \"\\q\"\n",
    ];
    for text in broken {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    }
    assert_eq!(
        problems(broken[1]),
        ["2:2: is not valid YAML: tabs disallowed within this context (block indentation)"]
    );
}

#[test]
fn problems_of_all_unreadable_sources_are_told() {
    let problems = Loader::new("hallpass")
        .text("a.yaml", "a: [")
        .file("/nonexistent/b.yaml")
        .text("c.yaml", "hallpass: { service: 1 }")
        .load::<Settings>()
        .unwrap_err();
    let origins: Vec<_> = problems
        .iter()
        .map(|problem| problem.origin.as_str())
        .collect();
    assert_eq!(origins, ["a.yaml", "/nonexistent/b.yaml"]);
}

#[test]
fn a_document_must_be_a_mapping() {
    for text in ["x", "[hallpass]", "--- |\n  hallpass: {}\n"] {
        assert!(
            problems(text)[0].ends_with("must be a mapping of keys to values"),
            "{text}"
        );
    }
    assert_eq!(
        problems("hallpass: x"),
        ["1:11: hallpass: must be a mapping of keys to values"]
    );
    for nothing in [
        "",
        "# nothing\n",
        "---\n",
        "hallpass:\n",
        "hallpass: ~",
        "null",
    ] {
        assert!(load(nothing).internal_token.is_none(), "{nothing}");
    }
}

#[test]
fn two_documents_in_a_file_may_not_both_be_ours() {
    let ours = "hallpass: { service.name: a }\n";
    assert_eq!(
        load(&format!("spring: x\n---\n{ours}"))
            .service
            .name
            .as_deref(),
        Some("a")
    );
    assert_eq!(
        problems(&format!("{ours}---\n{ours}")),
        [
            "3:1: hallpass: stands in a second YAML document of the same file; write it into one, or under a profile \
             (spring.config.activate.on-profile)"
        ]
    );
}

#[test]
fn anchors_and_merge_keys_are_written_out() {
    let text = "\
defaults: &defaults { client-id: caller, client-secret: s3cret, scope: low }
hallpass:
  internal-token:
    <<: *defaults
    scope: &scope high
    audience: *scope
    token-url: lb://service-auth/oauth2/token
";
    let credential = load(text).internal_token.unwrap().credential;
    assert_eq!(
        (credential.client_id.as_str(), credential.scope.as_str()),
        ("caller", "high")
    );
    assert_eq!(credential.audience.as_deref(), Some("high"));
}

#[test]
fn values_are_what_was_written_whatever_yaml_might_make_of_them() {
    let text = TOKEN.replace("s3cret", "0123").replace("caller", "1e3")
        + "    audience: yes\n    scope: 'null'\n";
    let credential = load(&text).internal_token.unwrap().credential;
    assert_eq!(credential.client_secret.expose(), "0123");
    assert_eq!(credential.client_id, "1e3");
    assert_eq!(
        (credential.audience.as_deref(), credential.scope.as_str()),
        (Some("yes"), "null")
    );
}

#[test]
fn null_counts_as_absent() {
    for null in ["", "~", "null", "Null", "NULL", "${X:}"] {
        let settings = load(&format!(
            "{TOKEN}    audience: {null}\n    grant-type: {null}\n"
        ));
        assert_eq!(
            settings.internal_token.unwrap().credential.audience,
            None,
            "{null}"
        );
    }
}

#[test]
fn flags_may_be_written_as_yaml_and_spring_have_them() {
    for (word, value) in [
        ("true", true),
        ("YES", true),
        ("on", true),
        ("False", false),
        ("no", false),
        ("off", false),
    ] {
        let settings = load(&format!(
            "hallpass: {{ feign: {{ defaults: {{ breaker: {{ enabled: {word} }} }} }} }}"
        ));
        assert_eq!(settings.feign.defaults.has_breaker, value, "{word}");
    }
}

#[test]
fn any_prefix_will_do() {
    for (prefix, text) in [
        ("my-app", "my-app: { service.name: a }"),
        (
            "com.example",
            "com: { example: { service.name: a }, other: b }\ncom.more: c",
        ),
        ("com.example", "com.example.service.name: a"),
    ] {
        let settings = Loader::new(prefix)
            .text("t", text)
            .load::<Settings>()
            .unwrap()
            .into_settings();
        assert_eq!(settings.service.name.as_deref(), Some("a"), "{text}");
    }
    for name in ["MY_APP_SERVICE_NAME", "MYAPP_SERVICE_NAME"] {
        let settings = Loader::new("my-app")
            .environment([(name, "a")])
            .load::<Settings>()
            .unwrap()
            .into_settings();
        assert_eq!(settings.service.name.as_deref(), Some("a"), "{name}");
    }
}
