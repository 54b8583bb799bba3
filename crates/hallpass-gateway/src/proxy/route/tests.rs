use hallpass_config::Loader;
use hallpass_resource::NormalPath;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::settings::gateway::GatewaySettings;

/// Routes that are told apart by their names.
fn routes(entries: &str) -> Routes<String> {
    let text = format!("hallpass: {{ gateway: {{ routes: [{entries}] }} }}");
    let settings = Loader::new("hallpass").text("t", text).load();
    let settings: GatewaySettings = settings.unwrap().into_settings();
    let named = settings.routes.iter().map(|it| (it, it.name.clone()));
    Routes::new(named)
}

fn entry(name: &str, keys: &str) -> String {
    format!("{{ name: {name}, to: lb://{name}, identity: relay, {keys} }}")
}

fn found(
    routes: &Routes<String>,
    asked: (&str, Option<&str>, &str),
    headers: &[(&str, &str)],
) -> Result<Option<String>, TwoReadings> {
    found_for(routes, asked, headers, false)
}

fn found_for(
    routes: &Routes<String>,
    (method, host, path): (&str, Option<&str>, &str),
    headers: &[(&str, &str)],
    is_asked_about: bool,
) -> Result<Option<String>, TwoReadings> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let head = Head {
        host,
        path: &NormalPath::parse(path).unwrap(),
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        headers: &headers,
        is_asked_about,
    };
    routes.find(&head).map(|it| it.cloned())
}

#[test]
fn a_host_a_verb_a_path_and_a_header_choose_the_first_route_that_fits() {
    let table = routes(
        &[
            entry("api", "path: /orders/**, hosts: [api.shop.example]"),
            entry("below", "path: /orders/**, hosts: ['*.shop.example']"),
            entry("write", "path: /orders/**, methods: [POST, PUT]"),
            entry("new", "path: /orders/**, headers: { X-Version: [2, 3] }"),
            entry("traced", "path: /orders/**, headers: { X-Trace: '*' }"),
            entry("read", "path: '/orders/{id}', methods: [GET]"),
            entry("rest", "path: /orders/**"),
        ]
        .join(", "),
    );
    let host = |name| Some(name);
    for (asked, headers, expected) in [
        (
            ("GET", host("api.shop.example"), "/orders/1"),
            &[][..],
            "api",
        ),
        (("GET", host("web.shop.example"), "/orders/1"), &[], "below"),
        (("GET", host("shop.example"), "/orders/1"), &[], "read"),
        (("GET", None, "/orders/1"), &[], "read"),
        (("HEAD", None, "/orders/1"), &[], "read"),
        (("POST", None, "/orders/1"), &[("x-version", "2")], "write"),
        (("GET", None, "/orders/1"), &[("x-version", "2")], "new"),
        (("GET", None, "/orders/1"), &[("x-version", "3")], "new"),
        (("GET", None, "/orders/1"), &[("x-version", "4")], "read"),
        (
            ("GET", None, "/orders/1"),
            &[("x-version", "2"), ("x-version", "4")],
            "read",
        ),
        (("GET", None, "/orders/1"), &[("x-trace", "")], "traced"),
        (("DELETE", None, "/orders/1"), &[], "rest"),
        (("GET", None, "/orders"), &[], "rest"),
    ] {
        let found = found(&table, asked, headers);
        assert_eq!(
            found,
            Ok(Some(expected.to_owned())),
            "{asked:?} {headers:?}"
        );
    }
    assert_eq!(found(&table, ("GET", None, "/other"), &[]), Ok(None));
    assert!(table.asks_for_host());
}

#[test]
fn a_host_is_matched_whole() {
    let table = routes(&entry(
        "a",
        "path: /**, hosts: ['*.shop.example', shop.example]",
    ));
    for (host, fits) in [
        ("shop.example", true),
        ("a.shop.example", true),
        ("evilshop.example", false),
        ("shop.example.evil", false),
        (".shop.example", false),
        ("shop.exampl", false),
    ] {
        let found = found(&table, ("GET", Some(host), "/"), &[]).unwrap();
        assert_eq!(found.is_some(), fits, "{host}");
    }
}

#[test]
fn a_path_that_two_readers_take_for_two_routes_is_for_none() {
    let table = routes(&[entry("admin", "path: /admin/**"), entry("all", "path: /**")].join(", "));
    let of = |path| found(&table, ("GET", None, path), &[]);
    assert_eq!(of("/admin/a%20b"), Ok(Some("admin".to_owned())));
    assert_eq!(of("/%61dmin/x"), Err(TwoReadings));
    assert_eq!(of("/a%64min"), Err(TwoReadings));
    assert_eq!(of("/b%20c"), Ok(Some("all".to_owned())));
    // What does not fit by its host is nobody's other reading.
    let hosted = routes(
        &[
            entry("admin", "path: /admin/**, hosts: [admin.example]"),
            entry("all", "path: /**"),
        ]
        .join(", "),
    );
    let asked = ("GET", Some("shop.example"), "/%61dmin/x");
    assert_eq!(found(&hosted, asked, &[]), Ok(Some("all".to_owned())));
}

#[test]
fn many_routes_are_found_as_few_are() {
    let mut entries: Vec<_> = (0..60)
        .map(|it| entry(&format!("r{it}"), &format!("path: /r{it}/**")))
        .collect();
    entries.insert(20, entry("any", "path: '/{one}/special'"));
    entries.insert(41, entry("late", "path: /r59/**, methods: [GET]"));
    entries.push(entry("late-r3", "path: /r3/**"));
    entries.push(entry("rest", "path: /**"));
    let (few, many) = entries.split_at(FEW);
    let many_routes = routes(&entries.join(", "));
    assert!(many.len() > FEW && few.len() == FEW);
    for (method, path, expected) in [
        ("GET", "/r0/x", "r0"),
        ("GET", "/r3/x", "r3"),
        ("GET", "/r3/special", "r3"),
        ("GET", "/r30/special", "any"),
        ("GET", "/r59/x", "late"),
        ("POST", "/r59/x", "r59"),
        ("GET", "/r59/special", "any"),
        ("GET", "/unknown/special", "any"),
        ("GET", "/unknown", "rest"),
        ("GET", "/", "rest"),
        ("GET", "/r7", "r7"),
    ] {
        let found = found(&many_routes, (method, None, path), &[]);
        assert_eq!(found, Ok(Some(expected.to_owned())), "{method} {path}");
    }
}

#[test]
fn a_browser_asks_about_the_first_route_that_the_request_may_take() {
    let table = routes(
        &[
            entry("new", "path: /orders/**, headers: { X-Version: [2, 3] }"),
            entry(
                "both",
                "path: /orders/**, headers: { X-One: '*', X-Two: '*' }",
            ),
            entry("typed", "path: /typed, headers: { Accept-Language: de }"),
            entry(
                "page",
                "path: /page, headers: { Origin: 'https://shop.example' }",
            ),
            entry("rest", "path: /orders/**"),
        ]
        .join(", "),
    );
    let asked = "access-control-request-headers";
    for (path, headers, expected) in [
        ("/orders/1", &[][..], Some("rest")),
        ("/orders/1", &[(asked, "x-version")], Some("new")),
        ("/orders/1", &[(asked, "a, X-Version ,b")], Some("new")),
        ("/orders/1", &[(asked, "x-versions")], Some("rest")),
        ("/orders/1", &[(asked, "x-one")], Some("rest")),
        ("/orders/1", &[(asked, "x-one,x-two")], Some("both")),
        ("/typed", &[], Some("typed")),
        ("/page", &[("origin", "https://shop.example")], Some("page")),
        ("/page", &[("origin", "https://evil.example")], None),
    ] {
        let question = ("GET", None, path);
        let found = found_for(&table, question, headers, true).unwrap();
        assert_eq!(found.as_deref(), expected, "{path} {headers:?}");
        // Of a request itself its own fields count, and nothing that it asks.
        let found = found_for(&table, question, &[(asked, "x-version")], false);
        assert_ne!(found.unwrap().as_deref(), Some("new"));
    }
}
