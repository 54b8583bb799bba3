//! `context-headers`: what of a request's context leaves with the calls of a client.

use hallpass_client::context::AllowList;
use hallpass_config::{Key, Kind, Section};
use http::HeaderName;

/// Which headers of the context the calls of a client bear, of those that are listed in `context.headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContextHeadersSettings {
    /// All of them to services of this estate, and none to third parties (`identity: none`, `internal-token.feign.skip-clients`), which have no use
    /// for them.
    #[default]
    WithIdentity,
    /// `all`.
    All,
    /// `none`.
    None,
    /// These.
    These(Vec<HeaderName>),
}

impl ContextHeadersSettings {
    pub(super) const KEY: Key = Key::new(
        "context-headers",
        Kind::Texts {
            what: "`all`, `none`, or names of `context.headers`",
        },
        "Which headers of a request's context go on with calls of this client. See [context.md](context.md).",
    )
    .otherwise("`all`; to a third party (`identity: none`, `skip-clients`) `none`");

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let key = Self::KEY.name();
        if !section.has(key) {
            return Some(Self::default());
        }
        let words = section.texts(key, |word| match word {
            "all" | "none" => Ok(Err(word.to_owned())),
            name => AllowList::check(name).map(Ok),
        })?;
        match words.as_slice() {
            [Err(word)] if word == "all" => Some(Self::All),
            [Err(_)] => Some(Self::None),
            _ => {
                let names: Result<Vec<_>, String> = words.into_iter().collect();
                let alone = |_| section.problem(key, "must have `all` and `none` by themselves");
                names.map_err(alone).ok().map(Self::These)
            }
        }
    }
}
