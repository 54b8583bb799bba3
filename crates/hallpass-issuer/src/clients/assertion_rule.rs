//! Which tokens of trusted issuers prove that somebody is a client (RFC 7523 section 2.2): rules over their claims.

use hallpass_token::{Issuer, TokenClaims};
use serde_json::Value;

/// One way for a token of a trusted issuer to be a client's proof: all of its conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionRule {
    /// Who has issued the token (`iss`, or the trust domain of a SPIFFE one).
    pub issuer: Issuer,
    /// What its `sub` must be.
    pub subject: Option<ClaimPattern>,
    /// What further claims must be. A rule without subject and claims fits nothing.
    pub claims: Vec<ClaimCondition>,
}

/// What one claim must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimCondition {
    /// The name of the claim, and of members within it.
    pub path: Vec<String>,
    /// What its text must be. A claim that is no text, number or truth value fits nothing.
    pub value: ClaimPattern,
}

/// A text, or one whose last segment may be any.
///
/// A segment ends with `/` or `:`, and `*` stands for exactly one that is not empty: `spiffe://prod.example/ns/shop/*` is neither
/// `spiffe://prod.example/ns/shop-test/a`, nor `.../ns/shop/`, nor `.../ns/shop/a/b`. Letters must be the same letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPattern {
    text: String,
    is_open: bool,
}

/// The text has a `*` that does not stand for its last segment, or is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a text, where `*` may stand for all of the last segment, after `/` or `:`")]
pub struct InvalidClaimPattern;

const SEPARATORS: [char; 2] = ['/', ':'];

impl std::str::FromStr for ClaimPattern {
    type Err = InvalidClaimPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let open = text
            .strip_suffix('*')
            .filter(|before| before.ends_with(SEPARATORS));
        let fixed = open.unwrap_or(text);
        if fixed.is_empty() || fixed.contains('*') {
            return Err(InvalidClaimPattern);
        }
        Ok(Self {
            text: fixed.to_owned(),
            is_open: open.is_some(),
        })
    }
}

impl ClaimPattern {
    /// Whether `value` is such a text.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        if !self.is_open {
            return value == self.text;
        }
        let segment = value.strip_prefix(&self.text);
        segment.is_some_and(|segment| !segment.is_empty() && !segment.contains(SEPARATORS))
    }
}

impl AssertionRule {
    /// Whether a token of its issuer with these claims is the proof. `claims` are `all` of them as JSON.
    pub(crate) fn fits(&self, claims: &TokenClaims, all: &Value) -> bool {
        let subject = self.subject.as_ref();
        let has_conditions = subject.is_some() || !self.claims.is_empty();
        has_conditions
            && subject.is_none_or(|pattern| pattern.fits(claims.subject.as_str()))
            && self.claims.iter().all(|condition| condition.fits(all))
    }
}

impl ClaimCondition {
    fn fits(&self, all: &Value) -> bool {
        let found = self
            .path
            .iter()
            .try_fold(all, |value, name| value.as_object()?.get(name));
        match found {
            Some(Value::String(text)) => self.value.fits(text),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => {
                self.value.fits(&value.to_string())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::UnixTime;
    use serde_json::json;

    use super::*;

    fn pattern(text: &str) -> ClaimPattern {
        text.parse().unwrap()
    }

    #[test]
    fn an_open_segment_is_one_whole_segment_and_never_the_begin_of_a_longer_name() {
        let shop = pattern("spiffe://prod.example/ns/shop/*");
        for id in [
            "spiffe://prod.example/ns/shop/a",
            "spiffe://prod.example/ns/shop/a.b-c_1",
        ] {
            assert!(shop.fits(id), "{id}");
        }
        for id in [
            "spiffe://prod.example/ns/shop",
            "spiffe://prod.example/ns/shop/",
            "spiffe://prod.example/ns/shop/a/b",
            "spiffe://prod.example/ns/shop-test/a",
            "spiffe://prod.example/ns/shop//a",
            "spiffe://prod.example.evil/ns/shop/a",
            "spiffe://PROD.example/ns/shop/a",
            "spiffe://prod.example/ns/Shop/a",
            "x spiffe://prod.example/ns/shop/a",
            "spiffe://prod.example/ns/shop/a:b",
        ] {
            assert!(!shop.fits(id), "{id}");
        }
        let account = pattern("system:serviceaccount:shop:*");
        assert!(account.fits("system:serviceaccount:shop:orders"));
        for other in [
            "system:serviceaccount:shop-test:orders",
            "system:serviceaccount:shop:a:b",
        ] {
            assert!(!account.fits(other), "{other}");
        }
        let exact = pattern("system:serviceaccount:shop:orders");
        assert!(exact.fits("system:serviceaccount:shop:orders"));
        for other in [
            "system:serviceaccount:shop:orders2",
            "system:serviceaccount:shop:order",
            "",
        ] {
            assert!(!exact.fits(other), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_a_last_segment_or_for_nothing() {
        for wrong in [
            "", "*", "a*", "a/b*", "a/*/b", "*/a", "a/**", "a/*/*", "a*/*",
        ] {
            assert_eq!(
                wrong.parse::<ClaimPattern>(),
                Err(InvalidClaimPattern),
                "{wrong}"
            );
        }
        assert!("a/*".parse::<ClaimPattern>().is_ok());
    }

    #[test]
    fn every_condition_must_hold_and_none_is_no_rule() {
        let end = UnixTime::from_secs(1);
        let issuer: Issuer = "https://a.example".parse().unwrap();
        let subject = "system:serviceaccount:shop:orders".parse().unwrap();
        let claims = TokenClaims::new(issuer.clone(), subject, "b".parse().unwrap(), end);
        let all = json!({
            "kubernetes.io": { "serviceaccount": { "uid": "7" }, "pod": [] },
            "https://sts.amazonaws.com/": { "aws_account": "12" },
            "repository_id": 42, "ref_protected": true, "groups": ["7"],
        });
        let rule = |subject: Option<&str>, conditions: &[(&[&str], &str)]| AssertionRule {
            issuer: issuer.clone(),
            subject: subject.map(pattern),
            claims: conditions
                .iter()
                .map(|(path, value)| ClaimCondition {
                    path: path.iter().map(|name| (*name).to_owned()).collect(),
                    value: pattern(value),
                })
                .collect(),
        };
        let (right, uid) = (
            "system:serviceaccount:shop:*",
            &["kubernetes.io", "serviceaccount", "uid"],
        );
        for good in [
            rule(Some(right), &[]),
            rule(None, &[(uid, "7")]),
            rule(
                Some(right),
                &[
                    (uid, "7"),
                    (&["repository_id"], "42"),
                    (&["ref_protected"], "true"),
                ],
            ),
            rule(
                None,
                &[(&["https://sts.amazonaws.com/", "aws_account"], "12")],
            ),
        ] {
            assert!(good.fits(&claims, &all), "{good:?}");
        }
        for bad in [
            rule(None, &[]),
            rule(Some("system:serviceaccount:other:*"), &[(uid, "7")]),
            rule(Some(right), &[(uid, "8")]),
            rule(Some(right), &[(&["kubernetes.io", "serviceaccount"], "7")]),
            rule(Some(right), &[(&["kubernetes.io", "pod", "uid"], "7")]),
            rule(Some(right), &[(&["absent"], "7")]),
            rule(Some(right), &[(&["groups"], "7")]),
            rule(Some(right), &[(&["repository_id"], "4")]),
        ] {
            assert!(!bad.fits(&claims, &all), "{bad:?}");
        }
    }
}
