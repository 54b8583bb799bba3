//! What products write.

use super::{CallerMapping, Mark};

/// A product whose tokens are known. Each is a [`CallerMapping`]; `docs/interop.md` says what it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IssuerPreset {
    /// Hallpass, and issuers after RFC 9068: a service's `sub` is its `client_id`, and a user's is not. Tokens with the
    /// claims of another product (`azp`, `appid`, `cid`, `gty`, `idtyp`) are neither.
    #[default]
    Hallpass,
    /// Spring Authorization Server: no `client_id`, and `aud` is the client.
    Spring,
    /// Keycloak: a service's `sub` is a user id, `client_id` is written for services alone.
    Keycloak,
    /// Microsoft Entra ID (Azure AD), v1 and v2: `appid` or `azp`, `idtyp`, `oid`.
    Entra,
    /// Auth0: `gty`, and a service's `sub` is `CLIENT@clients`.
    Auth0,
    /// Okta: `cid`, and `uid` for users alone.
    Okta,
}

impl IssuerPreset {
    /// The names that configuration knows.
    pub const NAMES: &'static [&'static str] =
        &["hallpass", "spring", "keycloak", "entra", "auth0", "okta"];

    /// The product of this name in the configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hallpass" => Some(Self::Hallpass),
            "spring" => Some(Self::Spring),
            "keycloak" => Some(Self::Keycloak),
            "entra" => Some(Self::Entra),
            "auth0" => Some(Self::Auth0),
            "okta" => Some(Self::Okta),
            _ => None,
        }
    }

    fn client_claims(self) -> &'static [&'static str] {
        match self {
            Self::Hallpass => &["client_id"],
            Self::Spring => &["client_id", "azp", "aud"],
            Self::Keycloak => &["azp", "client_id", "clientId"],
            Self::Entra => &["azp", "appid"],
            Self::Auth0 => &["azp", "client_id"],
            Self::Okta => &["cid"],
        }
    }

    fn role_claims(self) -> &'static [&'static str] {
        match self {
            Self::Hallpass | Self::Spring | Self::Entra | Self::Auth0 => &["roles"],
            Self::Keycloak => &["realm_access.roles", "resource_access.{aud}.roles"],
            Self::Okta => &["groups"],
        }
    }

    fn authority_claims(self) -> &'static [&'static str] {
        match self {
            Self::Auth0 => &["permissions"],
            Self::Hallpass | Self::Spring | Self::Keycloak | Self::Entra | Self::Okta => {
                &["authorities"]
            }
        }
    }

    fn service_when(self) -> &'static [&'static str] {
        match self {
            Self::Hallpass => &["sub={client} and !azp and !appid and !cid and !gty and !idtyp"],
            Self::Spring => &["sub={client}"],
            // `clientId` is what versions before 24 wrote. A person may be called `service-account-x`, but a person
            // has logged in.
            Self::Keycloak => &[
                "client_id={client}",
                "clientId={client}",
                "preferred_username=service-account-{client} and !sid and !session_state and !auth_time",
            ],
            Self::Entra => &["idtyp=app", "!idtyp and !scp and oid={sub}"],
            Self::Auth0 => &["sub={client}@clients"],
            Self::Okta => &["sub={client} and !uid"],
        }
    }

    fn user_when(self) -> &'static [&'static str] {
        match self {
            Self::Hallpass => &["sub!={client} and !azp and !appid and !cid and !gty and !idtyp"],
            Self::Spring => &["sub!={client}"],
            Self::Keycloak => &[
                "preferred_username and preferred_username!=service-account-* and typ!=ID",
                "sid and preferred_username!=service-account-* and typ!=ID",
            ],
            Self::Entra => &["idtyp=user", "!idtyp and scp"],
            Self::Auth0 => &["sub=*|* and gty!=client-credentials"],
            Self::Okta => &["uid and sub!={client}"],
        }
    }
}

impl From<IssuerPreset> for CallerMapping {
    fn from(preset: IssuerPreset) -> Self {
        Self {
            client_claims: names(preset.client_claims()),
            service_when: marks(preset.service_when()),
            user_when: marks(preset.user_when()),
            not_clients: Vec::new(),
            demands_subject: preset == IssuerPreset::Hallpass,
            role_claims: names(preset.role_claims()),
            authority_claims: names(preset.authority_claims()),
        }
    }
}

impl Default for CallerMapping {
    /// That of [`IssuerPreset::Hallpass`].
    fn default() -> Self {
        IssuerPreset::default().into()
    }
}

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().copied().map(Box::from).collect()
}

/// A text that is not a mark would be left out, and fewer tokens would be known; a test holds that all are.
fn marks(texts: &[&str]) -> Vec<Mark> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_name_and_marks_that_can_be_read() {
        for name in IssuerPreset::NAMES {
            let preset = IssuerPreset::named(name).unwrap();
            let mapping = CallerMapping::from(preset);
            assert_eq!(mapping.service_when.len(), preset.service_when().len());
            assert_eq!(mapping.user_when.len(), preset.user_when().len());
        }
    }
}
