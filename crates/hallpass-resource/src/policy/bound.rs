//! Whether a token must be bound to its sender.

use std::fmt;

use hallpass_token::Confirmation;

/// What a token must be bound to. Nothing by default: a bound token needs its proof in any case, and one that is bound to nothing
/// passes beside it.
///
/// It only says what must be there: that the sender holds the key, or shows the certificate, is checked with every bound token,
/// whatever the rules say.
///
/// ```
/// use hallpass_resource::{Bound, RouteRule, Rule};
///
/// // Nobody pays with a token that was found in a log.
/// let rule = RouteRule::new("/payments/**".parse()?, Rule::Authenticated).bound(Bound::Any);
/// # let _ = rule;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bound {
    /// `no`: to nothing.
    #[default]
    No,
    /// `any`: to a key or to a certificate.
    Any,
    /// `key`: to a key (DPoP, RFC 9449; `cnf.jkt`).
    Key,
    /// `certificate`: to a certificate (RFC 8705 section 3; `cnf.x5t#S256`).
    Certificate,
    /// `both`: to a key and to a certificate.
    Both,
}

impl Bound {
    /// All of them, in the words of the configuration.
    pub(crate) const NAMES: &[&str] = &["no", "any", "key", "certificate", "both"];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::No,
            Self::Any,
            Self::Key,
            Self::Certificate,
            Self::Both,
        ];
        all.into_iter().find(|it| it.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Any => "any",
            Self::Key => "key",
            Self::Certificate => "certificate",
            Self::Both => "both",
        }
    }

    /// What demands both of it.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, it) | (it, Self::No) => it,
            (Self::Any, it) | (it, Self::Any) => it,
            (one, another) if one == another => one,
            _ => Self::Both,
        }
    }

    /// Whether a token that says this of its sender is bound so.
    pub(crate) fn is_met_by(self, confirmation: Option<&Confirmation>) -> bool {
        let key = confirmation.is_some_and(|it| it.jkt.is_some());
        let certificate = confirmation.is_some_and(|it| it.x5t_s256.is_some());
        match self {
            Self::No => true,
            Self::Any => key || certificate,
            Self::Key => key,
            Self::Certificate => certificate,
            Self::Both => key && certificate,
        }
    }

    /// Whether a client may come with a proof of a key.
    pub(crate) const fn takes_key(self) -> bool {
        !matches!(self, Self::Certificate)
    }

    /// Whether a client may come with the scheme `Bearer`: with a token that is bound to its certificate alone.
    pub(crate) const fn takes_certificate_alone(self) -> bool {
        matches!(self, Self::No | Self::Any | Self::Certificate)
    }

    /// What a client has to do (`error_description` of the challenge, RFC 6750 section 3).
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Any => {
                "ask for a token that is bound to a key (DPoP) or to the certificate of the connection"
            }
            Self::Key => "ask for a token with a proof of a key (DPoP), and prove the key here",
            Self::Certificate => {
                "ask for a token over a connection with a certificate, and show that certificate here"
            }
            Self::Both => {
                "ask for a token with a proof of a key (DPoP) over a connection with a certificate, and show both here"
            }
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::Thumbprint;

    use super::*;

    const ALL: [Bound; 5] = [
        Bound::No,
        Bound::Any,
        Bound::Key,
        Bound::Certificate,
        Bound::Both,
    ];

    #[test]
    fn what_demands_two_things_is_met_by_nothing_less() {
        let member = |is: bool| is.then_some(Thumbprint([1; 32]));
        for (one, other) in ALL
            .into_iter()
            .flat_map(|one| ALL.map(|other| (one, other)))
        {
            for (key, certificate) in [(false, false), (true, false), (false, true), (true, true)] {
                let confirmation = Confirmation {
                    jkt: member(key),
                    x5t_s256: member(certificate),
                    ..Confirmation::default()
                };
                let confirmation = (key || certificate).then_some(&confirmation);
                let both = one.is_met_by(confirmation) && other.is_met_by(confirmation);
                assert_eq!(
                    one.and(other).is_met_by(confirmation),
                    both,
                    "{one} {other}"
                );
            }
        }
    }

    #[test]
    fn each_is_known_by_its_name() {
        assert_eq!(ALL.map(Bound::name), Bound::NAMES);
        for bound in ALL {
            assert_eq!(Bound::named(bound.name()), Some(bound));
        }
        assert_eq!(Bound::named("yes"), None);
    }
}
