use proptest::prelude::*;

use super::*;

fn fault(path: &str) -> PathFault {
    NormalPath::parse(path).expect_err(path)
}

#[test]
fn plain_paths_are_taken_as_they_are() {
    for path in [
        "/",
        "/orders",
        "/orders/",
        "/orders/7/items",
        "/a.b/c..d/...",
        "/~joe/x:y@z",
        "/a%20b",
        "/100%25",
    ] {
        assert_eq!(NormalPath::parse(path).unwrap().as_str(), path);
    }
    assert_eq!(
        NormalPath::parse("/%E8%AE%A2%E5%8D%95").unwrap().decoded(),
        "/订单"
    );
}

#[test]
fn each_trick_is_refused_by_its_name() {
    let cases = [
        ("", PathFault::NotAbsolute),
        ("*", PathFault::NotAbsolute),
        ("orders", PathFault::NotAbsolute),
        ("//orders", PathFault::EmptySegment),
        ("/orders//7", PathFault::EmptySegment),
        ("/orders//", PathFault::EmptySegment),
        ("/.", PathFault::DotSegment),
        ("/public/../admin", PathFault::DotSegment),
        ("/public/./admin", PathFault::DotSegment),
        ("/public/..", PathFault::DotSegment),
        ("/public/%2e%2E/admin", PathFault::DotSegment),
        ("/public/.%2e/admin", PathFault::DotSegment),
        ("/public%2Fadmin", PathFault::HiddenSeparator),
        ("/public%2fadmin", PathFault::HiddenSeparator),
        ("/public%5Cadmin", PathFault::HiddenSeparator),
        ("/public\\admin", PathFault::HiddenSeparator),
        ("/admin;x=1", PathFault::Parameter),
        ("/public/..;/admin", PathFault::Parameter),
        ("/admin%3Bx", PathFault::Parameter),
        ("/admin%00", PathFault::ControlCharacter),
        ("/admin\0", PathFault::ControlCharacter),
        ("/admin%0d%0a", PathFault::ControlCharacter),
        ("/admin\t", PathFault::ControlCharacter),
        ("/admin%7F", PathFault::ControlCharacter),
        ("/admin%", PathFault::BrokenEscape),
        ("/admin%2", PathFault::BrokenEscape),
        ("/admin%zz", PathFault::BrokenEscape),
        ("/public/%252e%252e/admin", PathFault::DoubleEscape),
        ("/public%25%32%46admin", PathFault::DoubleEscape),
        ("/%C0%AE%C0%AE/admin", PathFault::NotUtf8),
        ("/%FF", PathFault::NotUtf8),
        ("/订单", PathFault::NotUtf8),
    ];
    for (path, expected) in cases {
        assert_eq!(fault(path), expected, "{path:?}");
    }
    assert_eq!(
        fault(&format!("/{}", "a".repeat(MAX_PATH_BYTES))),
        PathFault::TooLong
    );
    assert!(NormalPath::parse(&format!("/{}", "a".repeat(MAX_PATH_BYTES - 1))).is_ok());
}

#[test]
fn an_allowed_escape_stays_what_it_is() {
    let allowed = EncodedCharacters {
        slash: true,
        backslash: true,
        semicolon: true,
        percent: true,
    };
    for (path, decoded) in [
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/a%3bb", "/a%3Bb"),
        ("/a%2541", "/a%41"),
    ] {
        let path = NormalPath::parse_allowing(path, allowed).unwrap();
        assert_eq!(path.decoded(), decoded);
    }
}

proptest! {
    #[test]
    fn no_input_panics_and_what_passes_has_one_meaning(path in "[/a.%25ef;\\\\\\x00é0-9]{0,40}|\\PC{0,40}") {
        if let Ok(normal) = NormalPath::parse(&path) {
            let decoded = normal.decoded();
            prop_assert!(decoded.starts_with('/'));
            prop_assert_eq!(decoded.split('/').count(), path.split('/').count());
            prop_assert!(!decoded.contains("//") && !decoded.contains('\\') && !decoded.contains(';'));
            prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert!(!decoded.chars().any(|c| c.is_ascii_control()));
            // A second reading of what a decoding program would pass on finds the same path.
            if decoded.is_ascii() && !decoded.contains('%') {
                let second = NormalPath::parse(decoded).unwrap();
                prop_assert_eq!(second.decoded(), decoded);
            }
        }
    }
}

#[test]
fn a_path_that_is_taken_at_a_glance_has_nothing_to_look_at() {
    let signs = [
        '/', 'a', 'Z', '9', '-', '_', '.', '%', ';', '\\', '\u{1}', 'é',
    ];
    let mut paths = vec![String::from("/")];
    for _ in 0..4 {
        let longer = paths.iter().flat_map(|path| {
            let longer = |sign| format!("{path}{sign}");
            signs.map(longer)
        });
        paths = longer.chain(paths.iter().cloned()).collect();
    }
    let mut usual = 0;
    for path in paths.iter().filter(|path| is_usual(path)) {
        usual += 1;
        assert!(path.bytes().all(|byte| check_byte(byte).is_ok()), "{path}");
        assert!(path.is_ascii() && !path.contains('%'), "{path}");
        assert_eq!(check_segments(path), Ok(()), "{path}");
    }
    assert!(usual > 500, "{usual}");
    assert!(is_usual("/orders/7/items_of-all/"));
}
