//! `gateway.identity-headers`: which headers name the verified caller.

use hallpass_config::{Key, Kind, Section};
use http::HeaderName;

use super::header;

/// `identity-headers`: the headers that name the verified caller to upstreams. Each of them is removed from every request, in every
/// spelling, and written anew where there is something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaderSettings {
    /// `user-id`: bears `sub`; not written when `None`.
    pub user_id: Option<HeaderName>,
    /// `username`: bears the claim `username`, else `preferred_username`.
    pub username: Option<HeaderName>,
    /// `authorities`: bears the claim `authorities`, else each scope as `SCOPE_...`.
    pub authorities: Option<HeaderName>,
    /// `client-id`: bears the client that the token was issued to.
    pub client_id: Option<HeaderName>,
    /// `claims`: further headers, and the claim that each bears.
    pub claims: Vec<(HeaderName, String)>,
    /// `strip`: headers that are removed and never written.
    pub strip: Vec<HeaderName>,
}

impl Default for IdentityHeaderSettings {
    fn default() -> Self {
        Self {
            user_id: Some(HeaderName::from_static("x-user-id")),
            username: Some(HeaderName::from_static("x-username")),
            authorities: Some(HeaderName::from_static("x-authorities")),
            client_id: Some(HeaderName::from_static("x-client-id")),
            claims: Vec::new(),
            strip: Vec::new(),
        }
    }
}

impl IdentityHeaderSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new("user-id", Kind::Text { what: NAME }, "Bears `sub`.").or("X-User-Id"),
        Key::new(
            "username",
            Kind::Text { what: NAME },
            "Bears the claim `username`, else `preferred_username`.",
        )
        .or("X-Username"),
        Key::new(
            "authorities",
            Kind::Text { what: NAME },
            "Bears the claim `authorities`, else each scope as `SCOPE_...`.",
        )
        .or("X-Authorities"),
        Key::new(
            "client-id",
            Kind::Text { what: NAME },
            "Bears the client that the token was issued to.",
        )
        .or("X-Client-Id"),
        Key::new(
            "claims",
            Kind::NamedTexts {
                what: "the name of a claim",
            },
            "Further headers, and the claim that each bears where it is a text, a number, a flag or a list of texts: `X-Tenant-Id: tenant`.",
        ),
        Key::new(
            "strip",
            Kind::Texts {
                what: "names of headers",
            },
            "Headers that are removed in every spelling and never written.",
        )
        .or(""),
    ];

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = |key| {
            section.checked(key, |text| match text {
                "none" => Ok(None),
                text => header::free_name(text).map(Some),
            })
        };
        let (user_id, username) = (name("user-id"), name("username"));
        let (authorities, client_id) = (name("authorities"), name("client-id"));
        let claims = read_claims(section);
        let strip = section.texts("strip", header::free_name);
        let settings = Self {
            user_id: user_id?,
            username: username?,
            authorities: authorities?,
            client_id: client_id?,
            claims: claims?,
            strip: strip?,
        };
        let mut seen: Vec<&HeaderName> = Vec::new();
        for name in settings.names() {
            if seen
                .iter()
                .any(|it| hallpass_resource::is_spelling_of(it.as_str(), name.as_str()))
            {
                section.problem(
                    "claims",
                    "names a header twice, or in two spellings: it would bear one of the two",
                );
                return None;
            }
            seen.push(name);
        }
        Some(settings)
    }

    /// All of them, in lower case: what is removed from every request.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let fixed = [
            &self.user_id,
            &self.username,
            &self.authorities,
            &self.client_id,
        ];
        let fixed = fixed.into_iter().flatten();
        fixed
            .chain(self.claims.iter().map(|(name, _)| name))
            .chain(&self.strip)
    }
}

const NAME: &str = "the name of a header, or `none`";

fn read_claims(section: &Section<'_>) -> Option<Vec<(HeaderName, String)>> {
    let lists = section.named_texts("claims", |text| match text.is_empty() {
        true => Err("must name a claim"),
        false => Ok(text.to_owned()),
    })?;
    let mut claims = Vec::new();
    for (name, mut named) in lists {
        let (Ok(header), Some(claim), true) =
            (header::free_name(&name), named.pop(), named.is_empty())
        else {
            section.problem("claims", "each must be the name of a header that is not one of HTTP's own, with the name of one claim");
            return None;
        };
        claims.push((header, claim));
    }
    Some(claims)
}
