//! Marks: what is in a token of one kind, and in no other.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::claims::ClaimsOf;

/// Most bytes of a mark.
const MAX_MARK_BYTES: usize = 512;

/// Conditions on claims that must all hold, joined by ` and `: `gty=client-credentials and !scope`.
///
/// | condition | holds when |
/// |---|---|
/// | `claim` | the claim is there |
/// | `!claim` | it is not |
/// | `claim=text` | it is this text, or a list with this text in it |
/// | `claim!=text` | it is not so, which includes that it is absent |
///
/// An object, and a list of anything but texts, is there, but is neither a text nor another one.
///
/// In a text, `*` stands for anything, `{client}` for the client that the token names, and `{name}` for the claim
/// `name`. A condition with a name in braces that the token does not have holds in no case. `scope` and `scp` are one
/// claim; an empty one counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    conditions: Vec<Condition>,
    text: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    claim: Box<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Present,
    Absent,
    Is(Vec<Piece>),
    IsNot(Vec<Piece>),
}

/// A piece of the text that a claim is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Anything,
    Client,
    Claim(Box<str>),
}

/// The text is not a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "is not a mark of a token: conditions such as `gty`, `!gty`, `gty=text`, `gty!=text`, joined by ` and `, where a \
     text may hold `*`, `{{client}}` and `{{claim}}`"
)]
pub struct MarkFault;

impl Mark {
    /// Whether all conditions hold.
    pub(super) fn is_in(&self, token: &ClaimsOf<'_>) -> bool {
        self.conditions.iter().all(|it| it.holds(token))
    }
}

impl Condition {
    fn holds(&self, token: &ClaimsOf<'_>) -> bool {
        let texts = token.texts(&self.claim);
        let (pieces, wanted) = match &self.test {
            Test::Present => return texts.is_some(),
            Test::Absent => return texts.is_none(),
            Test::Is(pieces) => (pieces, true),
            Test::IsNot(pieces) => (pieces, false),
        };
        // What is no text, and what is compared with nothing, is neither equal nor different.
        if token.is_odd(&self.claim) {
            return false;
        }
        let Some(pattern) = fill(pieces, token) else {
            return false;
        };
        let texts = texts.unwrap_or_default();
        texts.iter().any(|text| fits(text, &pattern)) == wanted
    }
}

/// The texts between the places where anything may stand; `None` when a name in braces is not in the token.
fn fill(pieces: &[Piece], token: &ClaimsOf<'_>) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    for piece in pieces {
        let filled = match piece {
            Piece::Anything => {
                parts.push(String::new());
                continue;
            }
            Piece::Text(text) => text.to_string(),
            Piece::Client => token.client?.to_owned(),
            Piece::Claim(name) => token.one_text(name).ok()??.into_owned(),
        };
        if let Some(last) = parts.last_mut() {
            last.push_str(&filled);
        }
    }
    Some(parts)
}

/// Whether `text` is these parts, with anything between one and the next.
fn fits(text: &str, parts: &[String]) -> bool {
    match parts {
        [] => false,
        [only] => text == only,
        [first, middle @ .., last] => {
            let Some(mut rest) = text.strip_prefix(&**first) else {
                return false;
            };
            for part in middle {
                let Some((_, after)) = rest.split_once(&**part) else {
                    return false;
                };
                rest = after;
            }
            rest.ends_with(&**last)
        }
    }
}

impl FromStr for Mark {
    type Err = MarkFault;

    fn from_str(text: &str) -> Result<Self, MarkFault> {
        if text.len() > MAX_MARK_BYTES {
            return Err(MarkFault);
        }
        let conditions: Result<_, _> = text.split(" and ").map(condition).collect();
        Ok(Self {
            conditions: conditions?,
            text: text.into(),
        })
    }
}

fn condition(text: &str) -> Result<Condition, MarkFault> {
    let text = text.trim();
    let (claim, test) = if let Some((claim, pattern)) = text.split_once('=') {
        match claim.strip_suffix('!') {
            Some(claim) => (claim, Test::IsNot(pieces(pattern)?)),
            None => (claim, Test::Is(pieces(pattern)?)),
        }
    } else if let Some(claim) = text.strip_prefix('!') {
        (claim, Test::Absent)
    } else {
        (text, Test::Present)
    };
    let claim = claim_name(claim.trim())?;
    Ok(Condition { claim, test })
}

/// A claim's name, such as `sub` or `https://example.org/kind`.
fn claim_name(name: &str) -> Result<Box<str>, MarkFault> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '!' | '*' | '{' | '}');
    if name.is_empty() || name.contains(odd) {
        return Err(MarkFault);
    }
    Ok(name.into())
}

fn pieces(pattern: &str) -> Result<Vec<Piece>, MarkFault> {
    let mut rest = pattern.trim();
    if rest.is_empty() {
        return Err(MarkFault);
    }
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (plain, special) = rest.split_at(rest.find(['*', '{', '}']).unwrap_or(rest.len()));
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        rest = match special.strip_prefix('*') {
            _ if special.is_empty() => "",
            Some(after) => {
                pieces.push(Piece::Anything);
                after
            }
            None => {
                let inner = special.strip_prefix('{').ok_or(MarkFault)?;
                let (name, after) = inner.split_once('}').ok_or(MarkFault)?;
                pieces.push(match name {
                    "client" => Piece::Client,
                    name => Piece::Claim(claim_name(name)?),
                });
                after
            }
        };
    }
    Ok(pieces)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_mark_is_refused() {
        for text in [
            "",
            " ",
            "!",
            "=a",
            "a=",
            "a!=",
            "a=}",
            "a={",
            "a={}",
            "a b",
            "a and ",
            "a=1 and !",
            "{sub}=a",
            "*",
        ] {
            assert_eq!(text.parse::<Mark>(), Err(MarkFault), "{text:?}");
        }
        let mark: Mark = "gty=text and !scope".parse().unwrap();
        assert_eq!(mark.to_string(), "gty=text and !scope");
        assert!("x".repeat(512).parse::<Mark>().is_ok());
        assert_eq!("x".repeat(513).parse::<Mark>(), Err(MarkFault));
    }

    #[test]
    fn a_star_stands_for_anything_and_texts_keep_their_order() {
        let are = |text: &str, pattern: &[&str]| {
            let parts: Vec<_> = pattern.iter().map(|part| (*part).to_owned()).collect();
            fits(text, &parts)
        };
        assert!(are("auth0|7", &["", "|", ""]) && are("|", &["", "|", ""]));
        assert!(!are("auth0", &["", "|", ""]));
        assert!(are("svc", &["svc"]) && !are("svc2", &["svc"]));
        assert!(are("a-b-c", &["a", "c"]) && !are("ab", &["ab", "b"]));
        assert!(!are("b-a", &["", "a", "b", ""]));
    }
}
