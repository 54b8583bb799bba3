//! Which 401 counts.

/// Which 401 makes a call renew its service token and repeat itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenewOn {
    /// `invalid-token`: one that says so in a `Bearer` challenge, as RFC 6750 section 3.1 wants it, or for a bound token in one of `DPoP`.
    #[default]
    InvalidToken,
    /// `any-401`: every one, for callees that give no reason, or another one.
    AnyUnauthorized,
}

impl RenewOn {
    /// The names in configuration.
    pub const NAMES: &'static [&'static str] = &["invalid-token", "any-401"];

    /// The one with that name in configuration; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "invalid-token" => Some(Self::InvalidToken),
            "any-401" => Some(Self::AnyUnauthorized),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_what_renews_a_token_is_known_and_no_other() {
        let named = [RenewOn::InvalidToken, RenewOn::AnyUnauthorized].map(Some);
        let found: Vec<_> = RenewOn::NAMES.iter().map(|it| RenewOn::named(it)).collect();
        assert_eq!(found, named);
        assert_eq!(RenewOn::named("any"), None);
    }
}
