use super::*;

#[test]
fn what_people_write_who_come_from_spring_gets_advice() {
    let found = problems(
        "{ default-filters: [], globalcors: {}, routes: [{ id: a, uri: lb://a, predicates: [], filters: [], order: 1, name: a, \
         path: /a, to: lb://a, identity: relay }], rates: [{ name: a, by: route, count: 1, replenish-rate: 1, include-headers: true }], cors: { origins: '*', allowed-origins: '*' } }",
    );
    for about in [
        "default-filters: is not a known key; what holds for all routes",
        "globalcors: is not a known key; here it is `cors`",
        "routes[0].id: is not a known key; here it is `name`",
        "routes[0].uri: is not a known key; here it is `to`",
        "routes[0].predicates: ",
        "routes[0].filters: ",
        "routes[0].order: ",
        "rates[0].replenish-rate: ",
        "rates[0].include-headers: is not a known key; responses always bear `RateLimit-Limit`",
        "cors.allowed-origins: ",
    ] {
        assert!(
            found.iter().any(|line| line.contains(about)),
            "{about}\n{found:#?}"
        );
    }
    let text = "hallpass: { gateway: {} }\nspring: { cloud: { gateway: { routes: [] } } }";
    let loaded = load(text).unwrap();
    let said: Vec<_> = loaded.warnings().iter().map(ToString::to_string).collect();
    assert!(said[0].contains("migration-from-spring"), "{said:?}");
}

#[test]
fn the_words_of_single_predicates_and_filters_get_advice() {
    let found = problems(&route(
        ", Query: green, RemoteAddr: 10.0.0.0/8, SetPath: /b, CircuitBreaker: x, AddRequestHeader: x, retry: { retries: 3 }",
    ));
    for about in [
        "Query: is not a known key; there is none here: whoever sends a request",
        "RemoteAddr: is not a known key; there is none here: who may call",
        "SetPath: is not a known key; here it is `rewrite` of the route",
        "CircuitBreaker: is not a known key; here it is `gateway.services.NAME.breaker`",
        "AddRequestHeader: is not a known key; here it is `set-headers` of the route",
        "retry.retries: is not a known key; here it is `max-attempts`",
    ] {
        assert!(
            found.iter().any(|line| line.contains(about)),
            "{about}\n{found:#?}"
        );
    }
    let found = problems("{ defaults: { identity: relay, StripPrefix: 1, TokenRelay: '' } }");
    for about in [
        "defaults.identity: is not a known key; each route says it for itself",
        "defaults.StripPrefix: is not a known key; each route says it for itself",
        "defaults.TokenRelay: is not a known key; here it is `identity: relay` of the route",
    ] {
        assert!(
            found.iter().any(|line| line.contains(about)),
            "{about}\n{found:#?}"
        );
    }
}

#[test]
fn a_target_of_spring_is_told_what_stands_in_its_place() {
    for (to, about) in [
        ("lb:ws://chat", "routes[0].to: must be `lb://service`"),
        ("ws://chat", "routes[0].to: must be `lb://service` or"),
        ("forward:/fallback", "routes[0].to: must lead to a service"),
        ("no://op", "routes[0].to: must lead to a service"),
    ] {
        let yaml = format!("{{ routes: [{{ name: a, path: /a, to: '{to}', identity: relay }}] }}");
        let found = problems(&yaml);
        assert!(found[0].contains(about), "{to} {found:?}");
    }
}
