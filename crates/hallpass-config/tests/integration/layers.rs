//! Files, environment and flags, one over the other.

use std::time::Duration;

use hallpass_config::Loader;

use crate::{Settings, TOKEN, lines, loader};

fn scope_of(loader: &Loader) -> String {
    let settings = loader.load::<Settings>().unwrap().into_settings();
    settings.internal_token.unwrap().credential.scope
}

#[test]
fn later_files_win_key_by_key_then_the_environment_then_flags() {
    let files = || loader(TOKEN).text("b.yaml", "hallpass.internal-token: { scope: file }");
    assert_eq!(scope_of(&files()), "file");
    let environment = || files().environment([("HALLPASS_INTERNAL_TOKEN_SCOPE", "environment")]);
    assert_eq!(scope_of(&environment()), "environment");
    assert_eq!(
        scope_of(&environment().flag("internal-token.scope", "flag")),
        "flag"
    );
    assert_eq!(
        scope_of(
            &environment()
                .flag("internal-token.scope", "a")
                .flag("internal-token.scope", "b")
        ),
        "b"
    );
}

#[test]
fn both_relaxed_spellings_of_a_variable_are_understood() {
    for name in [
        "HALLPASS_INTERNALTOKEN_SCOPE",
        "HALLPASS_INTERNAL_TOKEN_SCOPE",
    ] {
        assert_eq!(
            scope_of(&loader(TOKEN).environment([(name, "x")])),
            "x",
            "{name}"
        );
    }
    let both = loader(TOKEN).environment([
        ("HALLPASS_INTERNALTOKEN_SCOPE", "x"),
        ("HALLPASS_INTERNAL_TOKEN_SCOPE", "y"),
    ]);
    assert_eq!(
        lines(&both.load::<Settings>().unwrap_err()),
        [
            "environment HALLPASS_INTERNAL_TOKEN_SCOPE: internal-token.scope: is given by two variables"
        ]
    );
}

#[test]
fn variables_that_mean_no_key_or_nothing_are_ignored() {
    let variables = [
        ("HALLPASS_LOG", "debug"),
        ("HALLPASS_ENV", "test"),
        ("HALLPASS_INTERNAL_TOKEN", "x"),
        ("HALLPASS_INTERNAL_TOKEN_SCOPES", "x"),
        ("hallpass_internal_token_scope", "x"),
        ("INTERNAL_TOKEN_SCOPE", "x"),
        ("HALLPASS_INTERNAL_TOKEN_SCOPE", ""),
    ];
    assert_eq!(scope_of(&loader(TOKEN).environment(variables)), "");
}

#[test]
fn variables_reach_into_lists() {
    let clients = "    clients: [{name: one, audience: a}, {name: two, audience: b}]\n";
    let text = format!("{TOKEN}    audience: c\n{clients}");
    let settings = loader(&text)
        .environment([
            ("HALLPASS_INTERNALTOKEN_CLIENTS_1_CLIENTSECRET", "second"),
            ("HALLPASS_INTERNAL_TOKEN_CLIENTS_2_NAME", "three"),
        ])
        .load::<Settings>()
        .unwrap()
        .into_settings();
    let clients = settings.internal_token.unwrap().clients;
    let secret = |at: usize| clients[at].credential.client_secret.expose();
    assert_eq!(
        (clients.len(), secret(0), secret(1)),
        (3, "s3cret", "second")
    );
    assert_eq!(clients[2].name, "three");
}

#[test]
fn a_list_made_of_variables_is_in_the_order_of_its_numbers() {
    let variables = (0..12).flat_map(|at| {
        let variable = |key| format!("HALLPASS_INTERNALTOKEN_CLIENTS_{at}_{key}");
        [
            (variable("NAME"), format!("name-{at}")),
            (variable("AUDIENCE"), format!("audience-{at}")),
        ]
    });
    let settings = loader(TOKEN)
        .environment(variables)
        .load::<Settings>()
        .unwrap()
        .into_settings();
    let clients = settings.internal_token.unwrap().clients;
    assert_eq!(clients.len(), 12);
    assert_eq!(clients[10].name, "name-10");
}

#[test]
fn elements_of_a_list_may_be_written_in_any_order() {
    let text = format!(
        "{TOKEN}    clients[1].name: two
    clients[0].name: one
    clients[1].audience: b
    clients[0].audience: a
hallpass.feign.clients.x.deadline-ms: 800
hallpass.internal-token.clients[2].name: three
hallpass.internal-token.clients[2].audience: c
"
    );
    let settings = loader(&text).load::<Settings>().unwrap().into_settings();
    let clients = settings.internal_token.unwrap().clients;
    let names: Vec<_> = clients.iter().map(|client| &client.name).collect();
    assert_eq!(names, ["one", "two", "three"]);
    let gap = format!("{TOKEN}    clients[2].name: two\n    clients[0].name: one\n");
    assert_eq!(
        lines(&loader(&gap).load::<Settings>().unwrap_err()),
        [
            "6:5: internal-token.clients[2]: has no element before it: lists are counted from 0 without gaps"
        ]
    );
}

#[test]
fn a_gap_in_a_list_is_a_problem() {
    let gap = loader(TOKEN).environment([("HALLPASS_INTERNALTOKEN_CLIENTS_1_NAME", "x")]);
    assert_eq!(
        lines(&gap.load::<Settings>().unwrap_err()),
        [
            "environment HALLPASS_INTERNALTOKEN_CLIENTS_1_NAME: internal-token.clients[1]: \
          has no element before it: lists are counted from 0 without gaps"
        ]
    );
}

#[test]
fn lists_of_texts_come_with_commas() {
    let settings = loader(TOKEN)
        .environment([("HALLPASS_INTERNALTOKEN_FEIGN_SKIPCLIENTS", "weather, maps,")])
        .load::<Settings>()
        .unwrap()
        .into_settings();
    assert_eq!(settings.token_feign.skip_clients, ["weather", "maps"]);
}

#[test]
fn variables_find_names_that_the_user_chose() {
    let text = "hallpass: { feign: { clients: { logistics-service: {}, weather: {} } } }";
    let settings = loader(text)
        .environment([
            ("HALLPASS_FEIGN_CLIENTS_LOGISTICSSERVICE_DEADLINEMS", "800"),
            (
                "HALLPASS_FEIGN_CLIENTS_LOGISTICS_SERVICE_RETRY_MAX_ATTEMPTS",
                "1",
            ),
            ("HALLPASS_FEIGN_CLIENTS_NEW_ONE_BREAKER_ENABLED", "false"),
            (
                "HALLPASS_DISCOVERY_STATIC_SERVICE_AUTH",
                "127.0.0.1:1,127.0.0.1:2",
            ),
        ])
        .load::<Settings>()
        .unwrap()
        .into_settings();
    let logistics = settings.feign.client("logistics-service");
    assert_eq!(logistics.deadline, Some(Duration::from_millis(800)));
    assert_eq!(logistics.max_attempts, 1);
    assert!(!settings.feign.client("new-one").has_breaker);
    assert_eq!(settings.discovery.instances["service-auth"].len(), 2);
}

#[test]
fn a_flag_with_an_unknown_key_is_a_problem() {
    let problems = loader(TOKEN)
        .flag("internal-token.scop", "x")
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(
        lines(&problems),
        ["flag: internal-token.scop: is not a known key; did you mean `scope`?"]
    );
}

#[test]
fn an_upper_layer_mends_what_is_wrong_below() {
    let text = TOKEN.replace("s3cret", "${NOT_SET}");
    let mended = loader(&text).environment([("HALLPASS_INTERNALTOKEN_CLIENTSECRET", "x")]);
    assert!(mended.load::<Settings>().is_ok());
}

#[test]
fn lists_of_a_later_file_replace_the_earlier_ones() {
    let lower = "hallpass: { discovery: { static: { a: ['h:1', 'h:2'], b: ['h:3'] } } }";
    let loaded = loader(lower).text(
        "b.yaml",
        "hallpass: { discovery: { static: { a: ['h:9'], b: } } }",
    );
    let instances = loaded
        .load::<Settings>()
        .unwrap()
        .into_settings()
        .discovery
        .instances;
    assert_eq!(instances["a"].len(), 1);
    assert_eq!(instances["b"].len(), 1);
}

#[test]
fn placeholders_are_filled_in_from_the_environment_of_the_loader() {
    let text = TOKEN
        .replace("s3cret", "${SECRET}")
        .replace("service-auth", "${HOST:service-auth}")
        + "    scope: ${SCOPE:}\n    audience: ${AUDIENCE:}\n    cache-expire-seconds: ${EXPIRE:300}\n";
    let settings = loader(&text)
        .environment([("SECRET", "${NOT_AGAIN}"), ("SCOPE", "a b")])
        .load::<Settings>()
        .unwrap()
        .into_settings();
    let credential = settings.internal_token.unwrap().credential;
    assert_eq!(credential.client_secret.expose(), "${NOT_AGAIN}");
    assert_eq!(
        credential.token_url.to_string(),
        "lb://service-auth/oauth2/token"
    );
    assert_eq!(
        (credential.scope.as_str(), credential.audience),
        ("a b", None)
    );
    assert_eq!(credential.cache_expire, Duration::from_secs(300));
}

#[test]
fn every_placeholder_that_is_not_set_is_named() {
    let text = TOKEN
        .replace("caller", "${ID}")
        .replace("s3cret", "${SECRET}");
    assert_eq!(
        crate::problems(&text),
        [
            "3:16: internal-token.client-id: needs the environment variable ID, which is not set and has no \
             default",
            "4:20: internal-token.client-secret: needs the environment variable SECRET, which is not set and \
             has no default",
        ]
    );
}

#[test]
fn values_of_the_environment_and_of_flags_are_taken_literally() {
    let loaded = loader(TOKEN)
        .environment([
            ("HALLPASS_INTERNALTOKEN_CLIENTSECRET", "a${b}"),
            ("HALLPASS_INTERNALTOKEN_CLIENTID", "${c}"),
        ])
        .flag("internal-token.audience", "${d}");
    let credential = loaded
        .load::<Settings>()
        .unwrap()
        .into_settings()
        .internal_token
        .unwrap()
        .credential;
    assert_eq!(credential.client_secret.expose(), "a${b}");
    assert_eq!(
        (
            credential.client_id.as_str(),
            credential.audience.as_deref()
        ),
        ("${c}", Some("${d}"))
    );
}

#[test]
fn the_environment_of_the_process_can_be_a_source() {
    // cargo tells each test the name of its package.
    let loader = Loader::new("hallpass").text("t", "hallpass.service.name: ${CARGO_PKG_NAME}");
    let settings = loader
        .process_environment()
        .load::<Settings>()
        .unwrap()
        .into_settings();
    assert_eq!(settings.service.name.as_deref(), Some("hallpass-config"));
}
