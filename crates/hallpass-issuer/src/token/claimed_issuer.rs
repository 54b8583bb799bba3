//! Who a refused token says has issued it, for the log: one slash too many costs an operator an hour.

use hallpass_token::{DEFAULT_MAX_VERIFY_BYTES, Issuer, UnverifiedToken};

use crate::token::credentials::Credentials;
use crate::token::refusal::{GrantAssertionFault, Refusal};
use crate::token::request::TokenRequest;
use crate::trusted_issuers::TrustedIssuers;

/// Most characters of it that go into an event.
const MAX_CHARS: usize = 200;

/// `iss` of a token that nobody believes.
#[derive(Debug)]
pub(crate) struct ClaimedIssuer {
    /// Cut to a length that is safe in a log.
    pub(crate) unverified_name: String,
    /// What an operator should look at.
    pub(crate) hint: Option<&'static str>,
    /// The one that is meant, probably.
    pub(crate) known: Option<Issuer>,
}

impl ClaimedIssuer {
    /// That of the token for which `request` was refused, where it matters who has issued it.
    pub(crate) fn of(
        refusal: Refusal,
        request: &TokenRequest<'_>,
        trusted: &TrustedIssuers,
        own: &Issuer,
    ) -> Option<Self> {
        let token = match (refusal, &request.credentials) {
            (Refusal::UntrustedSubjectIssuer, _) => request.exchange.subject_token.as_deref(),
            (Refusal::GrantAssertion(GrantAssertionFault::UntrustedIssuer), _) => {
                request.assertion.as_deref()
            }
            (
                Refusal::Assertion(_) | Refusal::BadCredentials,
                Credentials::Assertion(credentials),
            ) => Some(&*credentials.assertion),
            _ => None,
        };
        let token = UnverifiedToken::parse(token?, DEFAULT_MAX_VERIFY_BYTES).ok()?;
        Some(Self::named(token.unverified_issuer()?, trusted, own))
    }

    fn named(name: &str, trusted: &TrustedIssuers, own: &Issuer) -> Self {
        let known = trusted.names().chain([own]);
        let like = known.filter_map(|known| Some((likeness(name, known.as_str())?, known)));
        let nearest = like.min_by_key(|(likeness, _)| *likeness);
        Self {
            unverified_name: name.chars().take(MAX_CHARS).map(harmless).collect(),
            hint: nearest.map(|(likeness, _)| likeness.hint()),
            known: nearest.map(|(_, known)| known.clone()),
        }
    }
}

/// What moves a terminal or begins a line is not written, whatever writes the log.
fn harmless(c: char) -> char {
    match c.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    }
}

/// How a name is like that of an issuer that is known; the most alike first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Same,
    Slash,
    Case,
    SlashAndCase,
}

fn likeness(name: &str, known: &str) -> Option<Likeness> {
    let [bare_name, bare_known] = [name, known].map(|it| it.trim_end_matches('/'));
    if name == known {
        Some(Likeness::Same)
    } else if bare_name == bare_known {
        Some(Likeness::Slash)
    } else if name.eq_ignore_ascii_case(known) {
        Some(Likeness::Case)
    } else if bare_name.eq_ignore_ascii_case(bare_known) {
        Some(Likeness::SlashAndCase)
    } else {
        None
    }
}

impl Likeness {
    const fn hint(self) -> &'static str {
        match self {
            Self::Same => {
                "this issuer is known, but no rule of the client is about such tokens of it"
            }
            Self::Slash => "differs from a known issuer by a slash at its end",
            Self::Case => "differs from a known issuer by upper and lower case",
            Self::SlashAndCase => {
                "differs from a known issuer by a slash at its end and by upper and lower case"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_a_slash_or_by_case_is_near_and_nothing_else() {
        let known = "https://login.example/realms/a";
        for (name, expected) in [
            (known, Some(Likeness::Same)),
            ("https://login.example/realms/a/", Some(Likeness::Slash)),
            ("https://Login.example/realms/a", Some(Likeness::Case)),
            (
                "https://login.example/Realms/A//",
                Some(Likeness::SlashAndCase),
            ),
            ("https://login.example/realms", None),
            ("https://login.example.evil/realms/a", None),
            ("", None),
        ] {
            assert_eq!(likeness(name, known), expected, "{name}");
            assert_eq!(likeness(known, name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_cut_and_moves_nothing() {
        let own = Issuer::internal();
        let long = "a\n\u{1b}x".repeat(5_000);
        let claimed = ClaimedIssuer::named(&long, &TrustedIssuers::default(), &own);
        let expected = "a\u{fffd}\u{fffd}x".repeat(MAX_CHARS / 4);
        assert_eq!(claimed.unverified_name, expected);
        assert!(claimed.hint.is_none() && claimed.known.is_none());
    }
}
