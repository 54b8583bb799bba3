//! `denied`: what this service refuses although its issuer vouches for it.

use std::str::FromStr;
use std::sync::Arc;

use hallpass_config::{Key, Kind, Section};
use hallpass_token::{
    ClientId, InvalidName, KeyId, Revocation, RevocationDigest, RevocationKind, RevocationList,
    Subject, TokenId, UnixTime,
};

/// Most entries, all lists together. A list is read from one document; what is longer belongs to the issuer.
const MAX_ENTRIES: usize = 1_000;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "token-ids",
        Kind::Texts { what: "`jti`" },
        "Single tokens, by `jti`.",
    )
    .or(""),
    Key::new(
        "clients",
        Kind::Texts { what: "client ids" },
        "All tokens of these clients: by `client_id`, or by the claim that `client-claims` names.",
    )
    .or(""),
    Key::new(
        "subjects",
        Kind::Texts { what: "`sub`" },
        "All tokens of these subjects, by `sub`.",
    )
    .or(""),
    Key::new(
        "keys",
        Kind::Texts { what: "`kid`" },
        "All tokens that are signed with these keys, by `kid`.",
    )
    .or(""),
];

/// What this service refuses although its issuer vouches for it, for as long as it stands in the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeniedSettings {
    /// `token-ids`: single tokens, by `jti`.
    pub token_ids: Vec<TokenId>,
    /// `clients`: all tokens of these clients.
    pub clients: Vec<ClientId>,
    /// `subjects`: all tokens of these subjects.
    pub subjects: Vec<Subject>,
    /// `keys`: all tokens that are signed with these keys, by `kid`.
    pub keys: Vec<KeyId>,
}

impl DeniedSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let token_ids = names(section, "token-ids");
        let clients = names(section, "clients");
        let subjects = names(section, "subjects");
        let keys = names(section, "keys");
        let read = Self {
            token_ids: token_ids?,
            clients: clients?,
            subjects: subjects?,
            keys: keys?,
        };
        let entries = read.entries().count();
        if entries > MAX_ENTRIES {
            let message = format!("all lists together have more than {MAX_ENTRIES} entries");
            section.problem("token-ids", message);
            return None;
        }
        Some(read)
    }

    /// The list that tokens are held against.
    pub(crate) fn list(&self) -> Arc<RevocationList> {
        let mut list = RevocationList::default();
        for (kind, name) in self.entries() {
            list.put(&Revocation {
                kind,
                digest: RevocationDigest::new(kind, name),
                issued_before: None,
                ends_at: UnixTime::from_secs(u64::MAX),
            });
        }
        Arc::new(list)
    }

    fn entries(&self) -> impl Iterator<Item = (RevocationKind, &str)> {
        let tokens = self.token_ids.iter().map(TokenId::as_str);
        let clients = self.clients.iter().map(ClientId::as_str);
        let subjects = self.subjects.iter().map(Subject::as_str);
        let keys = self.keys.iter().map(KeyId::as_str);
        let tokens = tokens.map(|name| (RevocationKind::Token, name));
        let clients = clients.map(|name| (RevocationKind::Client, name));
        let subjects = subjects.map(|name| (RevocationKind::Subject, name));
        let keys = keys.map(|name| (RevocationKind::Key, name));
        tokens.chain(clients).chain(subjects).chain(keys)
    }
}

fn names<T: FromStr<Err = InvalidName>>(section: &Section<'_>, key: &str) -> Option<Vec<T>> {
    section.texts(key, str::parse)
}
