//! Files that were written for Spring Boot mean here what they mean there.

use std::time::Duration;

use hallpass_config::Loader;

use crate::{Settings, TOKEN, load, loader, problems};

/// The value of a key in effect, without its origin.
pub(crate) fn value(loader: &Loader, key: &str) -> String {
    let effective = loader.load::<Settings>().unwrap().effective();
    let line = effective.lines().find_map(|line| {
        let (shown, _origin) = line.split_once(" # ")?;
        shown.trim().strip_prefix(&format!("{key}: "))
    });
    line.unwrap().trim().to_owned()
}

#[test]
fn a_placeholder_may_name_a_key_of_the_same_configuration() {
    let text = "\
spring.application.name: order-service
eureka: { instance: { hostname: \"${HOST:${spring.application.name}.example}\" } }
app.names: [first, second]
hallpass:
  service: { name: '${spring.application.name:fallback}' }
  internal-token: { clientId: '${app.names[1]}', client-secret: '${hallpass.own.secret:x}', token-url: 'https://${eureka.instance.hostname}/t' }
---
spring: { config.activate.on-profile: other, application.name: not-this-one }
";
    let loader = || loader(text);
    assert_eq!(value(&loader(), "name"), "order-service");
    assert_eq!(value(&loader(), "client-id"), "second");
    assert_eq!(
        value(&loader(), "token-url"),
        "https://order-service.example/t"
    );
    // The environment goes before files, as in Spring.
    let renamed = loader().environment([("SPRING_APPLICATION_NAME", "renamed"), ("HOST", "h")]);
    assert_eq!(value(&renamed, "name"), "renamed");
    assert_eq!(value(&renamed, "token-url"), "https://h/t");
}

#[test]
fn a_placeholder_may_name_a_key_below_our_own_root_with_what_lies_over_it() {
    let text =
        "hallpass: { service: { name: '${hallpass.shared.name}' }, shared: { name: from-file } }";
    assert_eq!(value(&loader(text), "name"), "from-file");
    let text = "hallpass: { service: { name: a }, feign: { clients: { '${x}': {} } }, internal-token: { audience: '${hallpass.service.name}' } }";
    let variables = [
        ("HALLPASS_SERVICE_NAME", "b"),
        ("HALLPASS_INTERNALTOKEN_ENABLED", "false"),
    ];
    let problems = loader(text).environment(variables).load::<Settings>();
    assert_eq!(problems.unwrap_err().len(), 1, "a key has no placeholders");
    let text = text.replace("'${x}'", "y");
    assert_eq!(value(&loader(&text).environment(variables), "name"), "b");
}

/// `value != null ? value : ""` is what Spring's reader of YAML makes of a key.
#[test]
fn a_key_without_a_value_is_empty_text_for_a_placeholder_and_takes_no_default() {
    for empty in ["", "\"\"", "''", "~", "null"] {
        let text = format!(
            "other: {{ key: {empty} }}\nthird.key: '${{other.key:lost}}'\nhallpass: {{ app: {{ empty: {empty} }}, \
             service: {{ name: 'a${{other.key:b}}${{third.key:c}}${{hallpass.app.empty:d}}' }} }}\n"
        );
        assert_eq!(value(&loader(&text), "name"), "a", "{empty:?}");
        let absent = text.replace("other.key:", "other.no-key:");
        assert_eq!(value(&loader(&absent), "name"), "ablost", "{empty:?}");
    }
    // Alone it makes its own key one without a value, which then has its default.
    let text =
        "other.key:\nhallpass: { service.name: a, security.permit-all: '${other.key:true}' }\n";
    assert_eq!(value(&loader(text), "permit-all"), "false");
}

#[test]
fn a_placeholder_without_an_answer_is_a_problem() {
    let name = |reference: &str| {
        problems(&format!(
            "a: '${{b}}'\nb: '${{a}}'\nmap: {{ x: y }}\nhallpass.service.name: '{reference}'\n"
        ))
    };
    for (reference, message) in [
        (
            "${spring.application.name}",
            "names neither an environment variable nor a key",
        ),
        ("${map}", "names neither an environment variable nor a key"),
        ("${a}", "levels deep, or in a circle"),
        ("${random.uuid}", "a random value"),
        ("${random.uuid:x}", "a random value"),
    ] {
        let found = name(reference);
        assert_eq!(found.len(), 1, "{reference}");
        assert!(found[0].contains(message), "{reference}: {found:?}");
    }
}

#[test]
fn references_cannot_make_a_small_file_a_large_one() {
    let level = |at: usize| format!("k{at}: '{}'\n", format!("${{k{}}}", at + 1).repeat(40));
    let text: String = (0..7).map(level).collect();
    let found = problems(&format!(
        "{text}k7: xxxxxxxx\nhallpass.service.name: '${{k0}}'\n"
    ));
    assert!(found[0].contains("is longer than"), "{found:?}");
}

#[test]
fn a_key_may_be_spelled_in_each_of_springs_ways() {
    for (id, secret) in [
        ("client-id", "client-secret"),
        ("clientId", "clientSecret"),
        ("client_id", "client_secret"),
        ("CLIENT_ID", "CLIENT_SECRET"),
        ("clientid", "clientsecret"),
    ] {
        for section in ["internal-token", "internalToken", "internal_token"] {
            let text = TOKEN
                .replace("client-id", id)
                .replace("client-secret", secret);
            let text = text.replace("internal-token", section);
            let token = load(&text).internal_token.unwrap();
            assert_eq!(token.credential.client_id, "caller", "{section}.{id}");
        }
    }
    let clients =
        format!("{TOKEN}    clients: [{{ name: b, clientId: other, cacheExpireSeconds: 60 }}]\n");
    assert_eq!(
        load(&clients).internal_token.unwrap().clients[0]
            .credential
            .client_id,
        "other"
    );
    let named = "hallpass: { feign: { clients: { maps: { deadlineMs: 7, breaker.openMs: 3 } } } }";
    assert_eq!(value(&loader(named), "deadline-ms"), "7");
    let flag = loader(TOKEN).flag("internalToken.clientId", "by-flag");
    assert_eq!(value(&flag, "client-id"), "by-flag");
    let upper = loader(TOKEN).text("b.yaml", "hallpass.internalToken.clientId: upper");
    assert_eq!(value(&upper, "client-id"), "upper");
}

#[test]
fn two_spellings_of_one_key_in_one_file_are_the_same_key_twice() {
    let text = format!("{TOKEN}    clientId: other\n");
    assert_eq!(
        problems(&text),
        ["6:15: internal-token.client-id: is given twice"]
    );
}

#[test]
fn keys_of_others_below_our_root_are_left_alone_and_slips_are_not() {
    let estate = |text: &str| {
        Loader::new("scccy")
            .text("test.yaml", text.to_owned())
            .environment([("A", "b")])
    };
    let text = "\
scccy:
  redis-cache: { host: '${NOT_SET}', ttl: 5 }
  stage: blue
  security: { ignore-urls: [/a, '${NOT_SET}'], jwt-header: X }
";
    let loaded = estate(text).load::<Settings>().unwrap();
    assert_eq!(
        loaded.left_alone(),
        [
            "test.yaml:2: scccy.redis-cache: is not a key of Hallpass",
            "test.yaml:3: scccy.stage: is not a key of Hallpass",
            "test.yaml:4: scccy.security.ignore-urls: is not a key of Hallpass",
            "test.yaml:4: scccy.security.jwt-header: is not a key of Hallpass",
        ]
    );
    for (slip, meant) in [
        ("securty: { permit-all: true }", "security"),
        ("security: { permit-al: true }", "permit-all"),
        ("security: { internal-jwts: { mode: off } }", "internal-jwt"),
        ("internal-tokens: {}", "internal-token"),
    ] {
        let found = estate(&format!("scccy: {{ {slip} }}"))
            .load::<Settings>()
            .unwrap_err();
        assert!(
            found
                .to_string()
                .contains(&format!("did you mean `{meant}`?")),
            "{slip}: {found}"
        );
    }
    // Where nobody else has a place, a key that is not known is a problem as before.
    for ours in [
        "internal-token: { enabled: false, redis: {} }",
        "security: { internal-jwt: { shadow: {} } }",
    ] {
        assert!(
            estate(&format!("scccy: {{ {ours} }}"))
                .load::<Settings>()
                .is_err(),
            "{ours}"
        );
    }
    assert_eq!(
        problems("hallpass: { colour: blue }"),
        ["1:13: colour: is not a known key"]
    );
    assert!(
        loader("hallpass: { redis-cache: { host: x } }")
            .load::<Settings>()
            .is_ok()
    );
}

#[test]
fn a_single_value_in_place_of_a_section_is_its_main_key() {
    let jwt = |text: &str| loader(&format!("hallpass: {{ security: {{ {text} }} }}"));
    assert_eq!(value(&jwt("internal-jwt: true"), "mode"), "true");
    assert_eq!(value(&jwt("internalJwt: '${X:off}'"), "mode"), "off");
    let over =
        jwt("internal-jwt: { mode: enforce }").text("b", "hallpass.security.internal-jwt: false");
    assert_eq!(value(&over, "mode"), "false");
    let variable = jwt("permit-all: false").environment([("HALLPASS_SECURITY_INTERNALJWT", "off")]);
    assert_eq!(value(&variable, "mode"), "off");
}

#[test]
fn a_variable_that_is_nearly_a_key_is_a_warning() {
    let warnings = |name: &str| {
        let loaded = loader(TOKEN)
            .environment([(name, "InternalSecret123!")])
            .load::<Settings>();
        loaded.unwrap().warnings().join("\n")
    };
    for (name, meant) in [
        (
            "HALLPASS_INTERNAL_TOKEN_SCOPES",
            "HALLPASS_INTERNAL_TOKEN_SCOPE",
        ),
        (
            "hallpass_internal_token_scope",
            "HALLPASS_INTERNAL_TOKEN_SCOPE",
        ),
        (
            "hallpass.internal-token.scope",
            "HALLPASS_INTERNAL_TOKEN_SCOPE",
        ),
        ("HALLPAS_SERVICE_NAME", "HALLPASS_SERVICE_NAME"),
        ("HALLPASS_SERVICE_NAMME", "HALLPASS_SERVICE_NAME"),
        (
            "HALLPASS_SECURITY_PERMITALLL",
            "HALLPASS_SECURITY_PERMIT_ALL",
        ),
        (
            "HALLPASS_INTERNAL_TOKEN_CLIENTS_3_CLIENT_SECERT",
            "HALLPASS_INTERNAL_TOKEN_CLIENTS_0_CLIENT_SECRET",
        ),
    ] {
        let warning = warnings(name);
        let end = format!("names no key and has no effect; did you mean {meant}?");
        assert!(warning.ends_with(&end), "{name}: {warning}");
        assert!(!warning.contains("InternalSecret123!"));
    }
    for right in [
        "HALLPASS_INTERNAL_TOKEN_SCOPE",
        "HALLPASS_LOG",
        "HALLPASS_ENV",
        "HALLPASS_SERVICE_HOST",
        "HALLPASS_SERVICE_PORT",
        "PATH",
    ] {
        assert_eq!(warnings(right), "", "{right}");
    }
}

#[test]
fn a_span_is_written_as_spring_writes_durations() {
    let expiry = |text: &str| {
        let yaml = format!("{TOKEN}    cache-expire-seconds: {text}\n");
        let settings = loader(&yaml).load::<Settings>().unwrap().into_settings();
        settings.internal_token.unwrap().credential.cache_expire
    };
    for text in ["540", "540s", "9m", "PT9M", "'540000ms'"] {
        assert_eq!(expiry(text), Duration::from_secs(540), "{text}");
    }
    let said = problems("hallpass: { issuer: { token-life-seconds: 9x } }").concat();
    assert!(said.contains("such as 90s, 9m or PT9M"), "{said}");
}

#[test]
fn a_file_of_properties_is_refused_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application.properties");
    // Taken for YAML it would be one long text, with a secret in it.
    std::fs::write(&file, "scccy.internal-token.client-secret=s3cret\n").unwrap();
    let refused = Loader::new("scccy").file(&file).load::<Settings>();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("files are YAML here"), "{refused}");
    assert!(!refused.contains("s3cret"), "{refused}");
}

#[test]
fn a_place_as_spring_writes_it_is_no_name_of_a_file() {
    for place in ["file:/run/secrets/client", "classpath:client.secret"] {
        let text = TOKEN.replace(
            "client-secret: s3cret",
            &format!("client-secret-file: '{place}'"),
        );
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("client-secret-file: begins with `file:` or `classpath:`"),
            "{found:?}"
        );
    }
}
