use std::fs;

use super::*;

/// What no message may hold.
const PLANTED: &str = "InternalSecret123!";
/// Every section, and every key at least once.
const EVERYTHING: &str = include_str!("../../tests/data/everything.yaml");

fn loader_of(text: &str) -> Loader {
    Loader::new("hallpass").text("test.yaml", text)
}

fn detected(text: &str) -> Option<&'static str> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    detect(file.path())
}

#[test]
fn the_prefix_is_read_off_the_file() {
    assert_eq!(detected("scccy:\n  internal-token:\n"), Some("scccy"));
    assert_eq!(
        detected("other: {}\nhallpass:\n  scccy: 1\nscccy:\n"),
        Some("hallpass")
    );
    assert_eq!(detected("scccyx: 1\n"), None);
    assert_eq!(detect(Path::new("/nowhere")), None);
}

#[test]
fn the_tree_of_all_sections_reads_like_the_file_it_came_from() {
    let loaded = loader_of(EVERYTHING)
        .environment([("KEY", "a key of thirty-two characters..")])
        .load::<Everything>();
    let tree = loaded.unwrap().effective();
    insta::assert_snapshot!(tree);
}

#[test]
fn a_secret_in_any_position_of_the_file_is_not_repeated() {
    let everything = EVERYTHING;
    for line in everything.lines().filter(|line| line.contains(": ")) {
        let (key, value) = line.split_once(": ").unwrap();
        let value = value.trim_end();
        let indent = " ".repeat(line.len() - line.trim_start().len());
        for instead in [
            format!("{key}: {PLANTED}"),
            format!("{key}: [{PLANTED}]"),
            format!("{key}: {{ {PLANTED}: {PLANTED} }}"),
            format!("{key}: '{PLANTED}"),
            format!("{key}: \"{PLANTED}"),
            format!("{key}: ${{{PLANTED}}}"),
            format!("{key}: ${{{PLANTED}"),
            format!("{key}: ${{A_VARIABLE}}"),
            format!("{key}: ${{NONE:${{{PLANTED}:x}}}}"),
            format!("{key}: &{PLANTED} {value}"),
            format!("{key}: *{PLANTED}"),
            format!("{key}: !{PLANTED} {value}"),
            format!("{key}: http://{PLANTED}@host/{PLANTED}?{PLANTED}#{PLANTED}"),
            format!("{key}: /nonexistent/{PLANTED}"),
            format!("{indent}{PLANTED}"),
            format!("{indent}{PLANTED}: {value}"),
            format!("{indent}- {PLANTED}"),
            format!("{key}:{PLANTED}"),
        ] {
            // What is read as another value is shown in the effective tree; problems show nothing.
            assert_problems_hide(&everything.replace(line, &instead));
        }
    }
}

fn assert_problems_hide(text: &str) {
    if let Err(problems) = loader_of(text)
        .environment([("A_VARIABLE", PLANTED)])
        .load::<Everything>()
    {
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains(PLANTED), "{text}\n{problems}");
    }
}

/// What is said of these sections, with `gateway` below.
fn said(others: &str, gateway: &str) -> Vec<String> {
    let text = match others.contains("discovery:") {
        true => format!("hallpass:\n{others}\n  gateway: {gateway}\n"),
        false => format!(
            "hallpass:\n{others}\n  discovery: {{ static: {{ a: ['127.0.0.1:1'] }} }}\n  gateway: {gateway}\n"
        ),
    };
    match loader_of(&text).load::<Everything>() {
        Ok(loaded) => loaded.warnings().iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_a_gateway_says_of_redis_means_nothing_without_it() {
    let rates = "rates: [{ name: here, by: caller, count: 1 }, { name: all, by: caller, count: 1, across: redis }]";
    let routes = "routes: [{ name: a, path: /a, to: lb://a, identity: relay, rule: authenticated, rates: [here, all] }]";
    let gateway = format!("{{ {rates}, {routes}, logout: {{ report-to: both }} }}");
    let redis = "  redis: { host: localhost }";
    let list = "  service: { name: edge }\n  security: { internal-jwt: { jwks-url: 'https://a.example/jwks', blacklist: { redis-key: 'jwt:blacklist:{jti}' } } }";
    let without = said("", &gateway);
    let expected = [
        "hallpass.gateway.rates[1].across: needs a section `redis`",
        "hallpass.gateway.logout.report-to: needs a section `redis`",
        "hallpass.gateway.logout.report-to: needs `security.internal-jwt.blacklist`",
    ];
    assert_eq!(without.len(), expected.len(), "{without:?}");
    for about in expected {
        assert!(
            without.iter().any(|it| it.contains(about)),
            "{about} {without:?}"
        );
    }
    let off = said(&format!("  redis: {{ enabled: false }}\n{list}"), &gateway);
    assert_eq!(off.len(), 2, "{off:?}");
    assert!(
        off.iter()
            .all(|it| it.contains("does nothing: `redis` is switched off")),
        "{off:?}"
    );
    assert_eq!(said(&format!("{redis}\n{list}"), &gateway), [""; 0]);
    // A secret that cannot be read hides nothing else.
    let unreadable =
        "  nacos: { server-addr: '127.0.0.1:8848', username: a, password-file: /nowhere/secret }";
    let all = said(unreadable, &gateway);
    for about in [
        "nacos.password-file: the file cannot be read",
        "rates[1].across: needs a section `redis`",
        "logout.report-to: needs a section `redis`",
    ] {
        assert!(all.iter().any(|it| it.contains(about)), "{about} {all:?}");
    }
}

#[test]
fn a_route_that_no_rule_is_for_is_a_warning() {
    let route = |more: &str| {
        format!(
            "{{ routes: [{{ name: a, path: '/a/{{id}}', to: lb://a, identity: relay{more} }}] }}"
        )
    };
    let closed = said("", &route(""));
    assert_eq!(closed.len(), 1, "{closed:?}");
    assert!(
        closed[0].contains("hallpass.gateway.routes[0].path: no rule is for this route"),
        "{closed:?}"
    );
    assert_eq!(said("", &route(", rule: authenticated")), [""; 0]);
    let rules = |path: &str| {
        format!(
            "  security: {{ internal-jwt: {{ routes: [{{ path: '{path}', rule: authenticated }}] }} }}"
        )
    };
    assert_eq!(said(&rules("/a/**"), &route("")), [""; 0]);
    assert_eq!(said(&rules("/b/**"), &route("")).len(), 1);
}

#[test]
fn a_route_to_a_service_that_nobody_knows_is_a_warning() {
    let gateway = "{ routes: [{ name: a, path: /a, to: lb://A, identity: relay, rule: authenticated }, \
        { name: b, path: /b, to: 'lb://no-such', identity: relay, rule: authenticated }, \
        { name: c, path: /c, to: 'https://c.example', identity: relay, rule: authenticated }] }";
    let listed = "static: { a: ['127.0.0.1:1'] }";
    let unknown = said(&format!("  discovery: {{ {listed} }}"), gateway);
    let [one] = unknown.as_slice() else {
        panic!("{unknown:?}")
    };
    let about =
        "hallpass.gateway.routes[1].to: names a service that `discovery.static` does not have";
    assert!(one.contains(about), "{one}");
    // Somebody else may know it.
    for others in [
        format!("  discovery: {{ {listed}, dns: true }}"),
        format!(
            "  nacos: {{ server-addr: '127.0.0.1:8848' }}\n  discovery: {{ {listed}, nacos: true }}"
        ),
        format!("  nacos: {{ server-addr: '127.0.0.1:8848' }}\n  discovery: {{ {listed} }}"),
    ] {
        let said = said(&others, gateway);
        assert!(
            !said
                .iter()
                .any(|it| it.contains("no-such") || it.contains("names a service")),
            "{said:?}"
        );
    }
}
