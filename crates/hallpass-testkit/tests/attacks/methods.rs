//! Methods that no rule is for, and hosts that are none, or two.

use crate::case::{Case, Expected, request, with_token};
use crate::rig::Rig;

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let good = rig.forge.good();
    let narrow = Expected::Refused(403, "insufficient_scope");
    let missing = Expected::Refused(401, "missing_token");
    let mut cases = Vec::new();
    for method in [
        "get", "Get", "gET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FOO", "GETS",
        "QUERY", "PROPFIND", "LOCK", "PURGE", "TRACK", "DEBUG", "PRI",
    ] {
        cases.push(Case::new(
            method,
            with_token(&format!("{method} /orders/7"), &good),
            narrow,
        ));
    }
    for method in ["GET", "POST", "PUT", "OPTIONS", "TRACE", "PATCH", "DELETE"] {
        cases.push(Case::new(
            format!("{method} without a token"),
            request(&format!("{method} /orders/7"), ""),
            missing,
        ));
    }
    // The response to HEAD has no body that could say more.
    cases.push(Case::new(
        "HEAD without a token",
        request("HEAD /orders/7", ""),
        Expected::NoRequest(401),
    ));
    for (name, line) in [
        ("CONNECT", "CONNECT shop:80"),
        ("CONNECT of another", "CONNECT evil.example:443"),
        ("CONNECT with a path", "CONNECT /orders/7"),
        ("OPTIONS *", "OPTIONS *"),
        ("a tab behind the method", "GET\t/orders/7"),
        ("two spaces", "GET  /orders/7"),
        ("no method", " /orders/7"),
        ("a method of signs", "G@T /orders/7"),
        ("a method with a NUL", "G\0T /orders/7"),
        ("a long method", &"G".repeat(70_000)),
    ] {
        cases.push(Case::new(
            name,
            with_token(line, &good),
            Expected::AnyRefusal,
        ));
    }
    cases.extend(hosts(&good));
    cases
}

pub(crate) fn hosts(good: &str) -> Vec<Case> {
    let no_request = Expected::NoRequest(400);
    let mut cases = Vec::new();
    for (name, target, hosts) in [
        ("none", "/orders/7", ""),
        ("two", "/orders/7", "host: shop\r\nhost: evil.example\r\n"),
        (
            "two of the same",
            "/orders/7",
            "host: shop\r\nhost: shop\r\n",
        ),
        (
            "two spellings",
            "/orders/7",
            "host: shop\r\nHOST: evil.example\r\n",
        ),
        ("a list", "/orders/7", "host: shop, evil.example\r\n"),
        ("a path", "/orders/7", "host: shop/open\r\n"),
        ("a query", "/orders/7", "host: shop?open\r\n"),
        ("a fragment", "/orders/7", "host: shop#open\r\n"),
        ("a user", "/orders/7", "host: alice@shop\r\n"),
        ("a space", "/orders/7", "host: shop evil.example\r\n"),
        ("a port that is none", "/orders/7", "host: shop:port\r\n"),
        ("half an IPv6 address", "/orders/7", "host: [::1\r\n"),
        (
            "another than the target's",
            "http://evil.example/orders/7",
            "host: shop\r\n",
        ),
        (
            "another port than the target's",
            "http://shop:81/orders/7",
            "host: shop\r\n",
        ),
        (
            "a user in the target",
            "http://alice@shop/orders/7",
            "host: shop\r\n",
        ),
        ("none beside a target", "http://shop/orders/7", ""),
    ] {
        let text = format!(
            "GET {target} HTTP/1.1\r\n{hosts}connection: close\r\nauthorization: Bearer {good}\r\n\r\n"
        );
        cases.push(Case::new(format!("host: {name}"), text, no_request));
    }
    cases
}
