use hallpass_token::{TokenClaims, UnixTime};

use super::*;

const RECHECK: Duration = Duration::from_millis(500);

fn claims(token_id: Option<&str>) -> TokenClaims {
    let (issuer, subject, audience) = ("users", "alice", "shop");
    let mut claims = TokenClaims::new(
        issuer.parse().unwrap(),
        subject.parse().unwrap(),
        audience.parse().unwrap(),
        UnixTime::from_secs(u64::MAX),
    );
    claims.token_id = token_id.map(|it| it.parse().unwrap());
    claims
}

#[test]
fn what_was_read_is_taken_for_a_moment_and_passed_by_for_as_long_again() {
    let at = Duration::from_millis(7);
    let known = |is_listed: bool, age: u64| {
        let now = at + Duration::from_millis(age);
        Read::new(is_listed, at).known(now, RECHECK)
    };
    let clear = [0, 499, 500, 999, 1_000].map(|age| known(false, age));
    use Known::{Ageing, Clear, Listed, Nothing};
    assert_eq!(clear, [Clear, Clear, Ageing, Ageing, Nothing]);
    // Nobody passes by a token that was listed.
    let listed = [0, 499, 500, 999, 1_000].map(|age| known(true, age));
    assert_eq!(listed, [Listed, Listed, Nothing, Nothing, Nothing]);
}

#[test]
fn a_token_of_which_nothing_was_read_is_neither_listed_nor_clear() {
    for now in [Duration::ZERO, Duration::from_secs(9)] {
        assert_eq!(Read::NOTHING.known(now, RECHECK), Known::Nothing);
    }
    assert_ne!(Read::new(false, Duration::ZERO), Read::NOTHING);
}

#[test]
fn each_call_asks_where_nothing_is_to_be_remembered() {
    let at = Duration::from_secs(1);
    assert_eq!(
        Read::new(false, at).known(at, Duration::ZERO),
        Known::Nothing
    );
}

#[test]
fn a_name_that_could_be_another_key_is_none() {
    let long = "a".repeat(200);
    for fit in ["a", "7d9c-4e.Z_~", "urn:uuid:1*?[x]", &long] {
        assert_eq!(&*Asked::new(&claims(Some(fit))).unwrap().token_id, fit);
    }
    let longer = "a".repeat(201);
    let unfit = [
        "a b", "a{b", "a}b", "a\"b", "a\\b", "a\tb", "a\u{7f}b", "\u{e9}", &longer,
    ];
    for unfit in unfit {
        let Ok(token_id) = unfit.parse() else {
            continue;
        };
        let mut claims = claims(None);
        claims.token_id = Some(token_id);
        let fault = Asked::new(&claims).map(|_| unfit).unwrap_err();
        assert_eq!(fault, BlacklistFault::Unnamed);
    }
    assert!(Asked::new(&claims(None)).is_err());
}
