//! What an operator takes back, whether or not an issuer is running on the store. A running one follows within a third of a
//! second.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{
    KeyId, Revocation, RevocationDigest, RevocationKind, RevocationList, Subject, TokenId, UnixTime,
};

use crate::clients::registration::check_client_id;
use crate::deny_list;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::store::Store;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What was asked for.
    pub asked: Revocation,
    /// What holds now: where the same was revoked before, whatever either entry denies, until the later end.
    pub holds: Revocation,
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
    let now = UnixTime::from(clock.now());
    let asked = entry(target, end, now).map_err(|problem| Error::Revocation { problem })?;
    let store = Store::open_existing(&settings.store, settings.sealing_keys()).await?;
    let holds = put(&store, &asked).await;
    store.close().await;
    holds.map(|holds| Revoked { asked, holds })
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
