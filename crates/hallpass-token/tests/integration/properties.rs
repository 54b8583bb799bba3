//! What holds for every token, not for chosen ones.

use std::sync::LazyLock;
use std::time::Duration;

use hallpass_token::{
    Actor, Algorithm, Confirmation, JwkSet, Scope, SigningKey, Thumbprint, TokenClaims, UnixTime,
    UnverifiedToken, VerifiedClaims, VerifyPolicy, parse_bearer, sign_within, verify,
};
use proptest::prelude::*;

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    Algorithm::EVERY
        .into_iter()
        .map(|algorithm| SigningKey::generate(algorithm).unwrap())
        .collect()
});
static SET: LazyLock<JwkSet> =
    LazyLock::new(|| JwkSet::new(KEYS.iter().map(SigningKey::public_jwk)));

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn name() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,40}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[!#-\\[\\]-~]{1,8}", 0..6)
}

fn scope() -> impl Strategy<Value = Scope> {
    words().prop_map(|words| Scope::from_words(words.iter().map(String::as_str)).unwrap())
}

fn actor() -> impl Strategy<Value = Option<Actor>> {
    prop::collection::vec((name(), prop::option::of(name())), 0..4).prop_map(|chain| {
        chain.into_iter().fold(None, |inner, (subject, client)| {
            let mut actor = Actor::new(subject.parse().unwrap());
            actor.client_id = client.map(|client| client.parse().unwrap());
            actor.actor = inner.map(Box::new);
            Some(actor)
        })
    })
}

fn confirmation() -> impl Strategy<Value = Option<Confirmation>> {
    prop::option::of(
        (any::<Option<[u8; 32]>>(), any::<Option<[u8; 32]>>()).prop_map(|(certificate, key)| {
            Confirmation {
                x5t_s256: certificate.map(Thumbprint),
                jkt: key.map(Thumbprint),
                ..Confirmation::default()
            }
        }),
    )
}

fn extra() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
    let value = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        prop::collection::vec(any::<String>(), 0..3).prop_map(serde_json::Value::from),
    ];
    // `scp` is read as scope where there is no `scope`, so it is none of the others.
    let free = |name: &String| !TokenClaims::is_reserved(name) && name != "scp";
    prop::collection::btree_map(any::<String>().prop_filter("free", free), value, 0..4)
        .prop_map(|members| members.into_iter().collect())
}

prop_compose! {
    fn claims()(
        names in (name(), name(), name()),
        optional in (prop::option::of(name()), prop::option::of(name())),
        scope in scope(), actor in actor(), confirmation in confirmation(), extra in extra(),
        life in 1..100_000_u64, begin in any::<bool>(),
    ) -> TokenClaims {
        let end = NOW.saturating_add(Duration::from_secs(life));
        let mut claims =
            TokenClaims::new(names.0.parse().unwrap(), names.1.parse().unwrap(), names.2.parse().unwrap(), end);
        claims.client_id = optional.0.map(|client| client.parse().unwrap());
        claims.token_id = optional.1.map(|id| id.parse().unwrap());
        claims.not_before = begin.then_some(NOW);
        claims.issued_at = begin.then_some(NOW);
        (claims.scope, claims.actor, claims.confirmation, claims.extra) = (scope, actor, confirmation, extra);
        claims
    }
}

fn policy_for(claims: &TokenClaims) -> VerifyPolicy {
    VerifyPolicy::new(claims.issuer.clone(), claims.audience[0].clone())
        .with_max_token_bytes(1 << 20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_comes_back_with_every_algorithm(claims in claims()) {
        for key in KEYS.iter() {
            let token = sign_within(&claims, key, NOW, 1 << 20).unwrap();
            prop_assert_eq!(verify(token.expose(), &SET, &policy_for(&claims), NOW).map(VerifiedClaims::into_claims), Ok(claims.clone()));
        }
    }

    #[test]
    fn a_token_with_a_changed_byte_never_verifies(claims in claims(), at in any::<prop::sample::Index>(), by in 1..128_u8) {
        for key in KEYS.iter() {
            let token = sign_within(&claims, key, NOW, 1 << 20).unwrap();
            let mut bytes = token.expose().as_bytes().to_vec();
            let index = at.index(bytes.len());
            bytes[index] ^= by;
            let forged = String::from_utf8(bytes).unwrap();
            prop_assert!(verify(&forged, &SET, &policy_for(&claims), NOW).is_err(), "{}", forged);
        }
    }

    #[test]
    fn a_token_that_is_cut_or_extended_never_verifies(claims in claims(), at in any::<prop::sample::Index>(), more in "[A-Za-z0-9_-]{1,9}") {
        let token = sign_within(&claims, &KEYS[0], NOW, 1 << 20).unwrap();
        let text = token.expose();
        let cut = &text[..at.index(text.len())];
        for forged in [cut.to_owned(), format!("{text}{more}"), format!("{more}{text}")] {
            prop_assert!(verify(&forged, &SET, &policy_for(&claims), NOW).is_err(), "{}", forged);
        }
    }

    #[test]
    fn a_signature_belongs_to_one_key(claims in claims()) {
        for (key, other) in KEYS.iter().zip(KEYS.iter().cycle().skip(1)) {
            let token = sign_within(&claims, key, NOW, 1 << 20).unwrap();
            let set = JwkSet::new([other.public_jwk()]);
            prop_assert!(verify(token.expose(), &set, &policy_for(&claims), NOW).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_read_makes_a_panic(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = UnverifiedToken::parse(&text, 8192).map(|token| token.unverified_claims());
        let _ = JwkSet::parse(&bytes);
        let _ = parse_bearer(&bytes);
        let _ = SigningKey::from_pem(&text);
        let _ = text.parse::<Scope>();
    }

    #[test]
    fn json_of_the_right_kind_makes_no_panic(header in "\\{(\"(alg|kid|typ|crit|x)\":(\"ES256\"|\"\"|1|\\[\\]|\\{\\}),?){0,5}\\}", claims in "\\{(\"(iss|aud|exp|act|cnf|scope)\":(\"a\"|-1|1e5|\\[\"a\"\\]|\\{\"sub\":\"a\"\\}),?){0,6}\\}") {
        let token = format!("{}.{}.AAAA", crate::forge::encode(header.as_bytes()), crate::forge::encode(claims.as_bytes()));
        if let Ok(token) = UnverifiedToken::parse(&token, 8192) {
            let _ = (token.unverified_issuer(), token.unverified_claims());
        }
    }

    #[test]
    fn scopes_are_sets(a in words(), b in words()) {
        let of = |words: &[String]| Scope::from_words(words.iter().map(String::as_str)).unwrap();
        let (left, right) = (of(&a), of(&b));
        let both = left.intersection(&right);
        prop_assert_eq!(&both, &right.intersection(&left));
        prop_assert!(left.contains_all(&both) && right.contains_all(&both));
        prop_assert_eq!(left.contains_any(&right), !both.is_empty());
        prop_assert_eq!(left.contains_all(&right), both == right);
        prop_assert_eq!(left.intersection(&left), left.clone());
        prop_assert_eq!(left.to_string().parse::<Scope>(), Ok(left.clone()));
        let mut reversed = a.clone();
        reversed.reverse();
        prop_assert_eq!(of(&reversed), left.clone());
        prop_assert!(a.iter().all(|word| left.contains(word)));
        prop_assert_eq!(left.iter().count(), a.iter().collect::<std::collections::BTreeSet<_>>().len());
    }
}
