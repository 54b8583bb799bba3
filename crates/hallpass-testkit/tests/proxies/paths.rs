//! Paths that programs read in different ways.

/// Targets as a client may write them.
pub(crate) const TRICKS: [&str; 55] = [
    "/orders/7",
    "/health",
    "/orders/7?a=%2F..%2Fadmin;b",
    "/orders/7?/../../admin/x",
    "/orders/a%20b",
    "/orders/../admin/x",
    "/orders/./7",
    "/orders/%2e%2e/admin/x",
    "/orders/.%2E/admin/x",
    "/orders/..%2fadmin/x",
    "/orders/..%2Fadmin%2Fx",
    "/orders%2f..%2fadmin/x",
    "//admin/x",
    "/orders//7",
    "/orders//../admin/x",
    "///admin/x",
    "/orders/..;/admin/x",
    "/orders/..;a=b/admin/x",
    "/orders;/../admin/x",
    "/orders;x=1/7",
    "/orders/7;x=1",
    "/orders/%3b/..%3b/admin/x",
    "/orders/..\\admin\\x",
    "/orders/..%5cadmin/x",
    "/orders/%5c../admin",
    "/%61dmin/x",
    "/%6frders/7",
    "/orders/%252e%252e/admin/x",
    "/orders/%25252e%25252e/admin/x",
    "/orders/%2e%2e%2fadmin",
    "/orders/7%00/admin",
    "/orders/%0a/../admin",
    "/orders/%zz",
    "/orders/%",
    "/orders/\u{e9}",
    "/orders/%c0%ae%c0%ae/admin",
    "/orders/#/../../admin/x",
    "/orders/7#/../../admin",
    "/orders/7%23/../../admin",
    "/orders/..%3F/admin",
    "/Admin/x",
    "/ORDERS/7",
    // From what the caller may not have to what she may: who resolves more than the service does judges the wrong path.
    "/admin/x?/../../../orders/7",
    "/admin/x?/../../orders/7",
    "/admin/x#/../../../orders/7",
    "/admin/../orders/7",
    "/admin/x/%2e%2e/%2e%2e/orders/7",
    "/admin/x/..%2f..%2forders/7",
    "/admin;/../orders/7",
    "/admin\\..\\..\\orders\\7",
    "/admin%3F/../orders/7",
    "/health/../orders/7",
    "/health;/../orders/7",
    "/health%2f..%2forders/7",
    "http://other.example/orders/7",
];

/// The loosest reading of a target: everything decoded until nothing is left to decode, `\` as `/`, parameters cut off, dot
/// segments resolved, in lower case. The query is cut off where it is written as one.
pub(crate) fn loosest(target: &str) -> String {
    let target = target.strip_prefix("http://").map_or(target, |rest| {
        rest.find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/")
    });
    let mut path = target.split('?').next().unwrap_or_default().to_lowercase();
    loop {
        let decoded = decode(&path);
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments = Vec::new();
    for segment in path.replace('\\', "/").split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment.to_owned()),
        }
    }
    format!("/{}", segments.join("/"))
}

fn decode(path: &str) -> String {
    let mut decoded = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded += before;
        let byte = after
            .get(..2)
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        if let Some(byte) = byte {
            decoded.push(char::from(byte));
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push('%');
            rest = after;
        }
    }
    decoded + rest
}

#[test]
fn the_loosest_reading_finds_what_is_hidden() {
    for target in [
        "/orders/%252e%252e/admin/x",
        "/orders/..;a=b/ADMIN/x",
        "//admin//x",
        "/orders\\..%5cadmin/x?y",
        "http://h/admin/x",
    ] {
        assert_eq!(loosest(target), "/admin/x", "{target}");
    }
}
