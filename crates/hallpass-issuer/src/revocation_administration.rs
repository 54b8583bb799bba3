//! What an operator takes back, whether or not an issuer is running on the store. A running one follows within a third of a
//! second.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_config::near_names;
use hallpass_token::{
    KeyId, Revocation, RevocationDigest, RevocationKind, RevocationList, Subject, TokenId, UnixTime,
};

use crate::clients::registration::check_client_id;
use crate::deny_list;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::store::Store;
use crate::store::known_revocations::StoredRevocations;

/// Most names that are told for one that nobody knows.
const MOST_NEAR_NAMES: usize = 3;

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationTarget {
    /// One token, by its `jti`.
    Token(String),
    /// The tokens of a client.
    Client {
        /// Its client id.
        id: String,
        /// Only those that were issued until now: it goes on with new ones. Otherwise the issuer gives it none until the end.
        only_issued: bool,
    },
    /// The tokens of a subject.
    Subject {
        /// Its `sub`.
        name: String,
        /// As of a client.
        only_issued: bool,
    },
    /// What a key has signed, by its `kid`. The key itself goes on: to withdraw it is [`taint_key`](crate::taint_key).
    Key(String),
}

/// When a revocation ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationEnd {
    /// When every token has ended that was issued until now, whatever life it was given: after a day and five minutes.
    #[default]
    WithTheLastToken,
    /// After so long.
    After(Duration),
    /// At this second since 1970.
    At(u64),
}

/// An entry as it was asked for, and as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What was asked for.
    pub asked: Revocation,
    /// What holds now: where the same was revoked before, whatever either entry denies, until the later end.
    pub holds: Revocation,
    /// When neither the settings nor the store know a client, subject or key of this name: known names that are near to it. It is revoked all
    /// the same: clients may come from elsewhere, and users do.
    pub unknown: Option<Vec<String>>,
}

/// An entry that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationInfo {
    /// What it denies.
    pub revocation: Revocation,
    /// What it was made of, where that is a client, a subject or a key that the settings or the store know. The entry itself names
    /// nobody.
    pub name: Option<String>,
    /// It is there because the key is tainted.
    pub is_tainted_key: bool,
}

/// Puts `target` on the deny-list of the store, until `end`. What is there already for the same is never weakened: the two
/// become one.
///
/// # Errors
/// [`Error::Revocation`] for what cannot be revoked or an end that is over, [`Error::TooManyRevocations`],
/// [`Error::StoreMissing`], and those of opening and writing the store; nothing is changed then.
pub async fn revoke(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    target: &RevocationTarget,
    end: RevocationEnd,
) -> Result<Revoked, Error> {
    let asked = asked_for(target, end, UnixTime::from(clock.now()))?;
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let put = put(&store, &asked).await;
    let names = names(settings, &store).await;
    store.close().await;
    Ok(Revoked {
        asked,
        holds: put?,
        unknown: unknown(target, &names?),
    })
}

/// What counts of the deny-list of the store, the tainted keys included, the longest first. Changes nothing.
///
/// # Errors
/// [`Error::StoreMissing`], and those of opening and reading the store.
pub async fn revocation_report(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<RevocationInfo>, Error> {
    let now = UnixTime::from(clock.now());
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let read = read(settings, &store, now).await;
    store.close().await;
    let (entries, tainted, names) = read?;
    let names: HashMap<_, _> = names
        .iter()
        .map(|(kind, name)| (RevocationDigest::new(*kind, name), name))
        .collect();
    let info = |revocation: Revocation, is_tainted_key| RevocationInfo {
        name: names.get(&revocation.digest).map(|name| (*name).clone()),
        revocation,
        is_tainted_key,
    };
    let entries = entries.into_iter().map(|entry| info(entry, false));
    let tainted = tainted.into_iter().map(|entry| info(entry, true));
    let all = entries.chain(tainted);
    let mut all: Vec<_> = all.filter(|it| now < it.revocation.ends_at).collect();
    all.sort_by_key(|it| Reverse((it.revocation.ends_at, it.name.clone())));
    Ok(all)
}

/// The entry that denies `target`.
///
/// # Errors
/// [`Error::Revocation`] for what cannot be revoked or an end that is over.
pub(crate) fn asked_for(
    target: &RevocationTarget,
    end: RevocationEnd,
    now: UnixTime,
) -> Result<Revocation, Error> {
    entry(target, end, now).map_err(|problem| Error::Revocation { problem })
}

type Names = Vec<(RevocationKind, String)>;

async fn read(
    settings: &IssuerSettings,
    store: &Store,
    now: UnixTime,
) -> Result<(Vec<Revocation>, Vec<Revocation>, Names), Error> {
    let mut stored = StoredRevocations::default();
    store.read_revocations(&mut stored, now).await?;
    let tainted = deny_list::tainted(&store.keys().await?.records, now).collect();
    Ok((stored.take_new(), tainted, names(settings, store).await?))
}

/// The clients, their subjects, and the keys that are known here.
async fn names(settings: &IssuerSettings, store: &Store) -> Result<Names, Error> {
    let configured = settings.clients.iter().map(|client| &client.client_id);
    let configured = configured.map(|id| id.as_str().to_owned());
    let mut names: Names = configured
        .chain(store.client_names().await?)
        .flat_map(|id| {
            // A client is the subject of its own tokens.
            let kinds = [RevocationKind::Client, RevocationKind::Subject];
            kinds.map(|kind| (kind, id.clone()))
        })
        .collect();
    let keys = store.keys().await?.records.into_iter();
    names.extend(keys.map(|key| (RevocationKind::Key, key.kid)));
    Ok(names)
}

/// Known names near to one that nobody knows.
fn unknown(target: &RevocationTarget, names: &Names) -> Option<Vec<String>> {
    let (kind, name) = match target {
        // Nobody keeps the names of tokens.
        RevocationTarget::Token(_) => return None,
        RevocationTarget::Client { id, .. } => (RevocationKind::Client, id),
        RevocationTarget::Subject { name, .. } => (RevocationKind::Subject, name),
        RevocationTarget::Key(kid) => (RevocationKind::Key, kid),
    };
    let known = names.iter().filter(|(of, _)| *of == kind);
    let mut known = known.map(|(_, name)| name.as_str());
    if known.clone().any(|known| known == name) {
        return None;
    }
    let near = near_names(name, known.by_ref(), MOST_NEAR_NAMES);
    Some(near.into_iter().map(str::to_owned).collect())
}

async fn put(store: &Store, asked: &Revocation) -> Result<Revocation, Error> {
    let entries = slice::from_ref(asked);
    store.revoke(entries, RevocationList::MAX_ENTRIES).await?;
    // One that has ended meanwhile may have been forgotten.
    Ok(store.revocation(asked.digest).await?.unwrap_or(*asked))
}

fn entry(
    target: &RevocationTarget,
    end: RevocationEnd,
    now: UnixTime,
) -> Result<Revocation, String> {
    use RevocationTarget::{Client, Key, Subject as OfSubject, Token};
    let (kind, name, only_issued) = match target {
        Token(id) => (RevocationKind::Token, id, false),
        Client { id, only_issued } => (RevocationKind::Client, id, *only_issued),
        OfSubject { name, only_issued } => (RevocationKind::Subject, name, *only_issued),
        Key(kid) => (RevocationKind::Key, kid, false),
    };
    let problem = match kind {
        RevocationKind::Token => name.parse::<TokenId>().err().map(|error| error.to_string()),
        RevocationKind::Client => check_client_id(name).err().map(str::to_owned),
        RevocationKind::Subject => name.parse::<Subject>().err().map(|error| error.to_string()),
        _ => name.parse::<KeyId>().err().map(|error| error.to_string()),
    };
    if let Some(problem) = problem {
        return Err(format!("the name of the {}: {problem}", kind.as_str()));
    }
    let ends_at = match end {
        RevocationEnd::WithTheLastToken => deny_list::end_of_all_until(now),
        RevocationEnd::After(life) => now.saturating_add(life),
        RevocationEnd::At(moment) => UnixTime::from_secs(moment),
    };
    if ends_at <= now || ends_at > UnixTime::MAX {
        return Err("its end is over, or after the year 9999".into());
    }
    // Of this second too: what was issued in it before now looks like what will be.
    let issued_before = now.saturating_add(Duration::from_secs(1));
    Ok(Revocation {
        kind,
        digest: RevocationDigest::new(kind, name),
        issued_before: only_issued.then_some(issued_before),
        ends_at,
    })
}
