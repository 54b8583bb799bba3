use super::*;

fn matches(pattern: &str, path: &str) -> bool {
    pattern
        .parse::<PathPattern>()
        .unwrap()
        .matches(&NormalPath::parse(path).unwrap())
}

#[test]
fn a_pattern_matches_exactly_what_the_table_says() {
    let cases = [
        ("/", "/", true),
        ("/", "/x", false),
        ("/orders", "/orders", true),
        ("/orders", "/orders/", false),
        ("/orders", "/Orders", false),
        ("/orders/", "/orders/", true),
        ("/orders/{id}", "/orders/7", true),
        ("/orders/{id}", "/orders/", false),
        ("/orders/{id}", "/orders/7/items", false),
        ("/orders/{order_id7}", "/orders/7", true),
        ("/orders/*", "/orders/7", true),
        ("/orders/*/items", "/orders/7/items", true),
        ("/files/{*rest}", "/files", false),
        ("/files/{*rest}", "/files/", false),
        ("/files/{*rest}", "/files/a/b", true),
        ("/internal/**", "/internal", true),
        ("/internal/**", "/internal/", true),
        ("/internal/**", "/internal/a/b/", true),
        ("/internal/**", "/internals", false),
        ("/**", "/", true),
        ("/订单/{id}", "/%E8%AE%A2%E5%8D%95/7", true),
        ("/a%20b", "/a%20b", true),
    ];
    for (pattern, path, expected) in cases {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn a_text_that_cannot_match_is_refused() {
    let fault = |text: &str| text.parse::<PathPattern>().expect_err(text);
    assert_eq!(fault("orders"), PatternFault::Path(PathFault::NotAbsolute));
    assert_eq!(fault("/a/../b"), PatternFault::Path(PathFault::DotSegment));
    assert_eq!(fault("/a//b"), PatternFault::Path(PathFault::EmptySegment));
    assert_eq!(fault("/a;b"), PatternFault::Path(PathFault::Parameter));
    assert_eq!(fault("/**/b"), PatternFault::TailNotLast);
    assert_eq!(fault("/{*rest}/b"), PatternFault::TailNotLast);
    assert_eq!(fault("/{}"), PatternFault::BadSegment);
    assert_eq!(fault("/{order-id}"), PatternFault::BadSegment);
    assert_eq!(fault("/{id:[0-9]+}"), PatternFault::BadSegment);
    assert_eq!(fault("/a{id}"), PatternFault::BadSegment);
    assert_eq!(fault("/*.html"), PatternFault::BadSegment);
}

#[test]
fn the_more_specific_pattern_comes_first() {
    let ordered = [
        "/a/b/c",
        "/a/b",
        "/a/b/{*r}",
        "/a/{x}",
        "/a/**",
        "/{x}/b",
        "/{x}",
        "/{*r}",
        "/**",
    ];
    let key = |text: &str| text.parse::<PathPattern>().unwrap().specificity();
    for pair in ordered.windows(2) {
        assert!(
            key(pair[0]) < key(pair[1]),
            "{} before {}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn what_stands_for_a_name_is_what_was_written() {
    for (pattern, path, expected) in [
        ("/orders/{id}", "/orders/a%20b", &[("id", "a%20b")][..]),
        (
            "/{tenant}/files/{*rest}",
            "/x/files/a/b/",
            &[("tenant", "x"), ("rest", "a/b/")],
        ),
        ("/a/*/c/**", "/a/b/c", &[("*", "b"), ("**", "")]),
        ("/a/**", "/a/", &[("**", "")]),
        ("/**", "/", &[("**", "")]),
        ("/a", "/a", &[]),
    ] {
        let pattern: PathPattern = pattern.parse().unwrap();
        let path = NormalPath::parse(path).unwrap();
        let captures = pattern.captures(&path).unwrap();
        assert_eq!(captures.iter().collect::<Vec<_>>(), expected, "{pattern}");
        for (name, text) in expected {
            assert_eq!(captures.get(name), Some(*text));
        }
        assert_eq!(captures.get("other"), None);
    }
    let orders: PathPattern = "/orders/{id}".parse().unwrap();
    assert_eq!(orders.captures(&NormalPath::parse("/a").unwrap()), None);
}

#[test]
fn a_pattern_says_when_it_matches_by_one_reading_alone() {
    let admin: PathPattern = "/admin".parse().unwrap();
    let reading = |path| admin.reading(&NormalPath::parse(path).unwrap());
    assert_eq!(reading("/admin"), PathReading::Every);
    assert_eq!(reading("/orders"), PathReading::None);
    assert_eq!(reading("/%61dmin"), PathReading::Differ);
    assert_eq!(reading("/%61dmins"), PathReading::None);
    let allowed = crate::EncodedCharacters {
        slash: true,
        ..crate::EncodedCharacters::default()
    };
    let below: PathPattern = "/a/b".parse().unwrap();
    let hidden = NormalPath::parse_allowing("/a%2Fb", allowed).unwrap();
    assert_eq!(below.reading(&hidden), PathReading::Differ);
}

#[test]
fn patterns_meet_where_a_path_fits_both() {
    let pattern = |text: &str| text.parse::<PathPattern>().unwrap();
    for (one, other, meet) in [
        ("/a", "/a", true),
        ("/a", "/b", false),
        ("/a", "/a/b", false),
        ("/a", "/a/**", true),
        ("/a", "/a/{*rest}", false),
        ("/a/b", "/a/{*rest}", true),
        ("/{x}/b", "/a/*", true),
        ("/{x}/b", "/a/c", false),
        ("/**", "/a/c", true),
        ("/a/**", "/b/**", false),
        ("/%61", "/a", true),
    ] {
        assert_eq!(
            pattern(one).may_meet(&pattern(other)),
            meet,
            "{one} {other}"
        );
        assert_eq!(
            pattern(other).may_meet(&pattern(one)),
            meet,
            "{other} {one}"
        );
    }
}
