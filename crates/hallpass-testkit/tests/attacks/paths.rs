//! Paths that two programs read differently, each with a token that would do for the plain one.

use crate::case::{Case, Expected, request, with_token};
use crate::forge::Forge;
use crate::rig::Rig;

const AMBIGUOUS: Expected = Expected::Refused(400, "ambiguous_path");
const MISSING: Expected = Expected::Refused(401, "missing_token");

const AMBIGUOUS_PATHS: &[&str] = &[
    "//orders/7",
    "/orders//7",
    "///orders/7",
    "/./orders/7",
    "/orders/./7",
    "/orders/7/.",
    "/orders/../orders/7",
    "/orders/7/..",
    "/../orders/7",
    "/%2e/orders/7",
    "/orders/%2e/7",
    "/orders/%2e%2e/orders/7",
    "/orders/%2E%2E/orders/7",
    "/orders/.%2e/orders/7",
    "/orders/%2e./orders/7",
    "/orders%2f7",
    "/orders%2F7",
    "/orders/7%2f",
    "/%2forders/7",
    "/orders\\7",
    "/orders%5c7",
    "/orders%5C7",
    "/orders/..%5c7",
    "/orders/..\\7",
    "/orders;/7",
    "/orders;a=b/7",
    "/orders/7;jsessionid=1",
    "/orders/..;/orders/7",
    "/orders/7%3b",
    "/orders/7%3Ba=b",
    "/orders/7%00",
    "/orders/%007",
    "/orders/7%0a",
    "/orders/7%0d%0a",
    "/orders/7%09",
    "/orders/7%1f",
    "/orders/7%7f",
    "/orders/7%",
    "/orders/7%2",
    "/orders/7%zz",
    "/orders/7%u0041",
    "/orders/%252e%252e/7",
    "/orders%252f7",
    "/orders/%2541",
    "/orders/%c0%af7",
    "/orders/%c0%ae%c0%ae/7",
    "/orders/%e0%80%af7",
    "/orders/%ff",
    "/orders/%c3%28",
    "/orders/%ed%a0%80",
    "/orders/%f4%90%80%80",
    "/orders//",
    "//",
    "/orders/7//",
];

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let mut cases = ambiguous(&rig.forge);
    cases.extend(around_open_routes());
    cases.extend(other_spellings(&rig.forge));
    cases
}

pub(crate) fn ambiguous(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let mut cases = Vec::new();
    for path in AMBIGUOUS_PATHS {
        cases.push(Case::new(
            *path,
            with_token(&format!("GET {path}"), &good),
            AMBIGUOUS,
        ));
    }
    let long = format!("/orders/{}", "7".repeat(5_000));
    cases.push(Case::new(
        "5,000 bytes",
        with_token(&format!("GET {long}"), &good),
        AMBIGUOUS,
    ));
    cases
}

/// Without a token: the way to a closed route through an open one.
pub(crate) fn around_open_routes() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in [
        "/open/../orders/7",
        "/open/%2e%2e/orders/7",
        "/open/..%2forders%2f7",
        "/open/..;/orders/7",
        "/open;/../orders/7",
        "/open//../orders/7",
        "/open/./../orders/7",
        "/open\\..\\orders\\7",
        "/open/%2e%2e%2forders/7",
        "/open%2f..%2forders/7",
        "/open/%252e%252e/orders/7",
        "/open/..%00/orders/7",
        "/open/..%c0%aforders/7",
        "//open/7",
        "/open/..",
        "/internal/../open",
        "/internal/%2e%2e/open",
        "/open/%2f",
        "/open/a%2fb",
    ] {
        cases.push(Case::new(
            path,
            request(&format!("GET {path}"), ""),
            AMBIGUOUS,
        ));
    }
    // Parts of an address that are no path: they must not be read as one.
    for target in [
        "/orders/7?/open",
        "/orders/7?x=/../open",
        "/orders/7?path=/open",
        "/orders/7?%2f..%2fopen",
        "/orders/7#/open",
        "/orders/7?#/open",
        "/internal/report?/open",
        "/whoami?open",
        "/openly",
        "/open/a/b",
        "/open.",
        "/open ",
        "/OPEN",
        "/Open",
        "/open/",
        "/orders/open",
        "/openapi",
        "/open-7",
        "/open%20",
        "/%20open",
        "/open$",
        "/open~",
    ] {
        let expected = if target == "/open " {
            Expected::AnyRefusal
        } else {
            MISSING
        };
        cases.push(Case::new(
            target,
            request(&format!("GET {target}"), ""),
            expected,
        ));
    }
    cases
}

/// With a good token: another path, for which no rule is.
pub(crate) fn other_spellings(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let narrow = Expected::Refused(403, "insufficient_scope");
    let mut cases = Vec::new();
    for path in [
        "/Orders/7",
        "/ORDERS/7",
        "/orders/7/",
        "/orders/7/items",
        "/orders/",
        "/order/7",
        "/orderss/7",
        "/orders.json/7",
        "/",
        "/orders%20/7",
        "/%C3%B6rders/7",
        "/%EF%BC%8Forders/7",
        "/orders/7/%20",
    ] {
        cases.push(Case::new(
            path,
            with_token(&format!("GET {path}"), &good),
            narrow,
        ));
    }
    for target in [
        "orders/7",
        "",
        "*",
        "?x",
        "7",
        "\\orders\\7",
        "/orders/\u{e9}",
        "/orders/7\u{7f}",
        "shop:80",
    ] {
        let bytes = with_token(&format!("GET {target}"), &good);
        cases.push(Case::new(
            format!("target {target:?}"),
            bytes,
            Expected::AnyRefusal,
        ));
    }
    cases
}
