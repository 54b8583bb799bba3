use hallpass_config::Loader;
use hallpass_resource::SecuritySettings;

use super::*;

fn load(yaml: &str) -> SidecarSettings {
    let yaml = format!("hallpass: {{ sidecar: {yaml} }}");
    let loaded = Loader::new("hallpass").text("test", &yaml).load();
    loaded
        .unwrap_or_else(|error| panic!("{yaml}: {error}"))
        .into_settings()
}

fn problems(yaml: &str) -> String {
    let yaml = format!("hallpass: {{ sidecar: {yaml} }}");
    let loaded = Loader::new("hallpass").text("test", &yaml);
    loaded.load::<SidecarSettings>().unwrap_err().to_string()
}

#[test]
fn what_is_left_out_is_the_safe_choice() {
    let settings = load(
        "{ inbound: { forward-to: 'http://127.0.0.1:8000' }, outbound: { listen: '127.0.0.1:15001', services: [{ name: Logistics, identity: exchange }] } }",
    );
    let inbound = settings.inbound.unwrap();
    assert!(inbound.listen.ip().is_loopback() && inbound.relays && !inbound.lends_context);
    let outbound = settings.outbound.unwrap();
    assert!(!outbound.dangerous_listen_anywhere);
    let service = &outbound.services[0];
    assert_eq!(service.name, "logistics");
    assert_eq!(service.audience.as_str(), "Logistics");
    assert_eq!(service.when_absent, WhenAbsent::Fail);
    assert!(outbound.pass_through.is_empty() && outbound.connect.is_empty());
}

#[test]
fn nobody_but_this_machine_is_listened_to_unless_it_is_said_loudly() {
    let services = |more: &str| {
        format!(
            "{{ outbound: {{ listen: '0.0.0.0:15001', services: [{{ name: a, identity: service, listen: '10.0.0.1:2' }}]{more} }} }}"
        )
    };
    let said = problems(&services(""));
    assert_eq!(said.matches("must be loopback").count(), 2, "{said}");
    let anywhere = load(&services(", dangerous-listen-anywhere: true"));
    assert!(anywhere.outbound.unwrap().dangerous_listen_anywhere);
    let said = problems("{ inbound: { forward-to: 'https://elsewhere.example' } }");
    assert!(said.contains("dangerous-forward-elsewhere"), "{said}");
    let said = problems("{ inbound: { forward-to: 'http://10.0.0.1:80' } }");
    assert!(said.contains("forward-to"), "{said}");
}

#[test]
fn a_sidecar_has_something_to_do() {
    for yaml in [
        "{ }",
        "{ outbound: { listen: '127.0.0.1:1', services: [] } }",
        "{ outbound: { services: [{ name: a, identity: service }] } }",
        "{ outbound: { listen: '127.0.0.1:1', services: [{ name: inbound, identity: service }] } }",
        "{ outbound: { listen: '127.0.0.1:1', services: [{ name: tunnel, identity: service }] } }",
        "{ outbound: { listen: '127.0.0.1:1', services: [{ name: a.without-user, identity: service }] } }",
        "{ outbound: { listen: '127.0.0.1:1', services: [{ name: a, identity: service }, { name: a, identity: none }] } }",
    ] {
        assert!(!problems(yaml).is_empty());
    }
}

#[test]
fn what_the_program_passes_on_is_verified_by_rules_of_its_own() {
    let settings = load(
        "{ outbound: { listen: '127.0.0.1:1', services: [{ name: a, identity: exchange }, { name: b, identity: exchange, when-absent: none }, { name: c, identity: service }], pass-through: ['metrics.example:80'] } }",
    );
    let mut of_service = SecuritySettings {
        permit_all: true,
        ..SecuritySettings::default()
    };
    of_service.internal_jwt.mode = hallpass_resource::Mode::Off;
    let security = settings.outbound.unwrap().security(&of_service);
    assert!(!security.permit_all);
    let rules: Vec<_> = security
        .internal_jwt
        .routes
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    let with = |words: [&str; 2]| {
        let rules = rules.iter();
        rules
            .filter(|it| words.iter().all(|word| it.contains(word)))
            .count()
    };
    // A token of a user is verified whether there must be one or not.
    assert_eq!(with(["Authenticated", "\"a\""]), 1, "{rules:?}");
    assert_eq!(with(["Authenticated", "\"b\""]), 1, "{rules:?}");
    assert_eq!(with(["Anonymous", "\"b.without-user\""]), 1, "{rules:?}");
    assert_eq!(with(["Anonymous", "\"c\""]), 1, "{rules:?}");
    assert_eq!(with(["Anonymous", "\"metrics.example\""]), 1, "{rules:?}");
    assert_eq!(rules.len(), 5);
}

#[test]
fn hosts_outside_are_written_out_and_are_no_services() {
    let outside = |more: &str| {
        format!(
            "{{ outbound: {{ listen: '127.0.0.1:1', services: [{{ name: a, identity: service }}], {more} }} }}"
        )
    };
    let settings = load(&outside(
        "pass-through: ['Metrics.example:9090'], connect: 'hooks.example:443, [2001:db8::1]:443'",
    ));
    let outbound = settings.outbound.unwrap();
    let shown =
        |hosts: &[OutsideAddress]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&outbound.pass_through), ["metrics.example:9090"]);
    assert_eq!(
        shown(&outbound.connect),
        ["hooks.example:443", "[2001:db8::1]:443"]
    );
    for (more, said) in [
        ("pass-through: [metrics.example]", "a host and a port"),
        ("pass-through: ['*.example:80']", "a host and a port"),
        ("pass-through: ['localhost:80']", "127.0.0.1"),
        ("pass-through: ['169.254.169.254:80']", "link-local"),
        ("connect: ['169.254.169.254:80']", "link-local"),
        ("connect: ['[::ffff:169.254.169.254]:80']", "link-local"),
        ("pass-through: ['a:80']", "a host of `services`"),
        ("connect: ['A.:443']", "a host of `services`"),
    ] {
        let problems = problems(&outside(more));
        assert!(problems.contains(said), "{more}: {problems}");
    }
    // They are called by the proxy, and not by the port of a service.
    let without = "{ outbound: { services: [{ name: a, identity: service, listen: '127.0.0.1:2' }], connect: ['a.example:443'] } }";
    assert!(problems(without).contains("outbound.listen"));
    let alone = load("{ outbound: { listen: '127.0.0.1:1', pass-through: ['a.example:80'] } }");
    assert!(alone.outbound.unwrap().services.is_empty());
}
