use http::Request;

use super::*;

/// One that takes a user's token, one that may go without, one that takes none; a host beside them, and one for tunnels.
fn services() -> Services {
    let known = [
        ("logistics-service", Takes::User),
        (
            "stock-service",
            Takes::UserOr("stock-service.without-user".into()),
        ),
        ("service-system", Takes::Nothing),
    ];
    let hosts = |hosts: &[&str]| hosts.iter().map(|it| it.parse().unwrap()).collect();
    Services {
        services: known.map(|(name, takes)| (name.into(), takes)).into(),
        outside: hosts(&["metrics.example:9090", "old.example:80", "[2001:db8::1]:80"]),
        tunnels: hosts(&["hooks.example:443"]),
    }
}

fn take(target: &str, of_port: Option<&str>, headers: &[(&str, &str)]) -> Result<Parts, NotLocal> {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let taken = services().take(&mut parts, of_port, None);
    assert!(taken.as_ref().is_ok_and(|way| *way != Way::Outside) || taken.is_err());
    taken.map(|_| parts)
}

#[test]
fn a_web_page_cannot_speak_as_the_service() {
    let port = Some("service-system");
    for headers in [
        &[("host", "localhost:1"), ("origin", "https://evil.example")][..],
        &[("host", "localhost:1"), ("origin", "null")],
        &[("host", "localhost:1"), ("origin", "http://localhost:1")],
        &[("host", "localhost:1"), ("sec-fetch-site", "cross-site")],
        &[("host", "localhost:1"), ("sec-fetch-site", "same-site")],
        // Its name is resolved to this machine.
        &[
            ("host", "evil.example:1"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[("host", "evil.example")],
        &[("host", "127.0.0.1.evil.example")],
        &[("host", "localhost.evil.example")],
        &[("host", "logistics-service")],
    ] {
        let refused = take("/a", port, headers).map(drop);
        assert_eq!(refused, Err(NotLocal::WebPage), "{headers:?}");
    }
    for headers in [
        &[("host", "evil.example")][..],
        &[("host", "localhost:15001")],
        &[("host", "service-system"), ("host", "service-system")],
        &[],
    ] {
        let refused = take("/a", None, headers).map(drop);
        assert_eq!(refused, Err(NotLocal::UnknownService), "{headers:?}");
    }
    let page = [("host", "service-system"), ("origin", "https://a.example")];
    let refused = take("http://service-system/a", None, &page).map(drop);
    assert_eq!(refused, Err(NotLocal::WebPage));
}

#[test]
fn a_call_goes_to_the_service_of_its_port_or_of_its_host() {
    for host in [
        "127.0.0.1:15002",
        "localhost:15002",
        "[::1]:15002",
        "service-system",
    ] {
        let parts = take("/a?b", Some("service-system"), &[("host", host)]).unwrap();
        assert_eq!(parts.headers[HOST], "service-system");
        assert_eq!(parts.uri, "/a?b");
    }
    let target = "http://127.0.0.1:15002/a";
    let parts = take(
        target,
        Some("service-system"),
        &[("host", "127.0.0.1:15002")],
    )
    .unwrap();
    assert_eq!(parts.uri, "http://service-system/a");
    let target = "http://logistics-service/a";
    let parts = take(target, None, &[("host", "logistics-service")]).unwrap();
    assert_eq!(parts.uri, target);
}

#[test]
fn what_the_program_sends_of_its_own_counts_only_where_a_users_token_does() {
    let headers = [
        ("host", "service-system"),
        ("authorization", "Bearer mine"),
        ("dpop", "x"),
    ];
    let parts = take("http://service-system/", None, &headers).unwrap();
    assert!(!parts.headers.contains_key(AUTHORIZATION) && !parts.headers.contains_key("dpop"));
    let headers = [
        ("host", "logistics-service"),
        ("authorization", "Bearer hers"),
    ];
    let parts = take("http://logistics-service/", None, &headers).unwrap();
    assert_eq!(parts.headers[AUTHORIZATION], "Bearer hers");
}

/// The way of a request, and what is left of it.
fn way(request: http::request::Builder, of_port: Option<&str>) -> (Result<Way, NotLocal>, Parts) {
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let way = services().take(&mut parts, of_port, None);
    (way, parts)
}

#[test]
fn what_passes_by_goes_to_the_host_and_port_that_are_named_and_bears_nobodys_word() {
    for (target, host, expected) in [
        (
            "http://metrics.example:9090/a",
            "metrics.example:9090",
            "metrics.example:9090",
        ),
        (
            "http://Metrics.Example.:9090/a",
            "Metrics.Example.:9090",
            "metrics.example:9090",
        ),
        ("http://old.example/a", "old.example", "old.example:80"),
        (
            "http://[2001:DB8::0:1]/a",
            "[2001:DB8::0:1]",
            "[2001:db8::1]:80",
        ),
        ("/a", "metrics.example:9090", "metrics.example:9090"),
    ] {
        let request = Request::get(target)
            .header("host", host)
            .header("authorization", "Bearer hers")
            .header("dpop", "x")
            .header("x-hallpass-context", "0")
            .header("x_hallpass_context", "0");
        let (way, parts) = way(request, None);
        assert_eq!(way, Ok(Way::Outside), "{target}");
        assert_eq!(parts.headers[HOST], expected);
        assert_eq!(parts.headers.len(), 1, "{:?}", parts.headers);
        let named = parts.uri.authority().map(Authority::as_str);
        assert!(named.is_none_or(|it| it == expected), "{named:?}");
        assert_eq!(parts.uri.path(), "/a");
    }
}

#[test]
fn no_spelling_of_a_target_gets_to_another_host_or_port() {
    for target in [
        "http://metrics.example/",
        "http://metrics.example:80/",
        "http://metrics.example:9091/",
        "http://a.metrics.example:9090/",
        "http://metrics.example.evil.example:9090/",
        "http://old.example:8080/",
        "https://old.example/",
        "https://metrics.example:9090/",
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://localhost/",
        "http://[2001:db8::1]:81/",
        "http://hooks.example:443/",
        "http://stock-service.without-user/",
    ] {
        let host = target.parse::<Uri>().unwrap();
        let host = host.authority().unwrap().as_str().to_owned();
        let (way, _) = way(Request::get(target).header("host", host), None);
        assert_eq!(way, Err(NotLocal::UnknownService), "{target}");
    }
    // Nor is a port of a service the proxy.
    let (way, _) = way(
        Request::get("/").header("host", "metrics.example:9090"),
        Some("service-system"),
    );
    assert_eq!(way, Err(NotLocal::WebPage));
}

#[test]
fn a_tunnel_goes_where_the_settings_say_and_everything_else_is_told_what_to_do() {
    let connect = |target: &str| Request::connect(target).header("host", target);
    let (found, _) = way(connect("hooks.example:443"), None);
    assert_eq!(found, Ok(Way::Tunnel("hooks.example:443".parse().unwrap())));
    for target in [
        "hooks.example:80",
        "hooks.example:4430",
        "evil.example:443",
        "metrics.example:9090",
        "stock-service:443",
        "169.254.169.254:443",
        "[::ffff:169.254.169.254]:443",
        "127.0.0.1:443",
        "localhost:22",
    ] {
        let (refused, _) = way(connect(target), None);
        assert_eq!(refused, Err(NotLocal::Tunnel), "{target}");
    }
    let (refused, _) = way(connect("hooks.example:443"), Some("service-system"));
    assert_eq!(refused, Err(NotLocal::Tunnel));
    let (refused, _) = way(connect("hooks.example:443").version(Version::HTTP_2), None);
    assert_eq!(refused, Err(NotLocal::Tunnel));
    for (name, value) in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        let (refused, _) = way(connect("hooks.example:443").header(name, value), None);
        assert_eq!(refused, Err(NotLocal::Body), "{name}");
    }
    let page = connect("hooks.example:443").header("origin", "https://evil.example");
    assert_eq!(way(page, None).0, Err(NotLocal::WebPage));
    let response = NotLocal::Tunnel.response();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.body().windows(7).any(|it| it == b"http://"));
}

#[test]
fn a_call_without_a_user_goes_as_the_settings_say_and_one_of_a_user_who_is_gone_does_not() {
    let call = |name: &'static str| Request::get(format!("http://{name}/")).header("host", name);
    let (found, parts) = way(call("stock-service"), None);
    assert_eq!(found, Ok(Way::Service));
    assert_eq!(parts.headers[HOST], "stock-service.without-user");
    assert_eq!(parts.uri, "http://stock-service.without-user/");
    // By its port too.
    let (_, parts) = way(
        Request::get("/").header("host", "127.0.0.1:1"),
        Some("stock-service"),
    );
    assert_eq!(parts.headers[HOST], "stock-service.without-user");
    // Whatever the program says of its caller, it is verified.
    for word in ["Bearer hers", "Basic x", ""] {
        let (_, parts) = way(call("stock-service").header("authorization", word), None);
        assert_eq!(parts.headers[HOST], "stock-service", "{word}");
    }
    for name in ["stock-service", "logistics-service"] {
        let stale = call(name).header("x-hallpass-context", "0");
        assert_eq!(way(stale, None).0, Err(NotLocal::EndedContext), "{name}");
    }
    // Where nobody's word counts, a handle is of no meaning.
    let (found, parts) = way(
        call("service-system").header("x-hallpass-context", "0"),
        None,
    );
    assert_eq!(found, Ok(Way::Service));
    assert_eq!(parts.headers.len(), 1);
    let response = NotLocal::EndedContext.response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(WWW_AUTHENTICATE));
}
