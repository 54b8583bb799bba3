//! A list of clients as a whole: what the store would have to change to be as the list says, and the change.

use std::collections::HashMap;

use hallpass_config::Secret;

use crate::client_administration::changes::ClientAdministration;
use crate::client_administration::checks::check_use;
use crate::client_administration::prepared::PreparedChange;
use crate::clients::client_document::KeyChange;
use crate::error::Error;
use crate::settings::stored_client::{self, NewClient};
use crate::store::client_changes::KeptClient;

/// How a list of clients is applied.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Takes away clients of the store that the list does not have.
    pub prunes: bool,
    /// Makes secrets for clients that come to prove themselves by one and have no digest in the list. Without it that is a problem: whoever applies
    /// a list often does so where others read what is printed.
    pub makes_secrets: bool,
}

/// What has to change for the store to be as a list of clients says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientPlan {
    /// Each client that is not as the list says, by name.
    pub changes: Vec<PlannedChange>,
    /// How many are.
    pub unchanged: usize,
}

/// What becomes of one client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedChange {
    /// Its name.
    pub client_id: String,
    /// Whether it is new, another one, or gone.
    pub kind: PlannedKind,
    /// Each key of its registration that is another one; of a new one each key that is not at its default.
    pub keys: Vec<KeyChange>,
    /// Whether digests of secrets change. They are not told.
    pub changes_secrets: bool,
    /// The secret that was made for it, in clear for the only time.
    pub client_secret: Option<Secret>,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlannedKind {
    /// The store has none of this name.
    Added,
    /// It is registered for something else, or has other secrets.
    Changed,
    /// The list does not have it.
    Removed,
}

impl PlannedKind {
    /// `added`, `changed` or `removed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// A plan with the changes that it is made of.
pub(super) struct PreparedPlan {
    pub(super) plan: ClientPlan,
    pub(super) changes: Vec<PreparedChange>,
}

/// The clients of all `texts`, each of which is called by the first of the two.
///
/// # Errors
/// [`Error::Clients`] with all that is wrong in any of them.
pub(super) fn read_all(
    clients: &ClientAdministration<'_>,
    texts: &[(String, Secret)],
) -> Result<Vec<NewClient>, Error> {
    let mut problems = Vec::new();
    let mut all: Vec<NewClient> = Vec::new();
    for (name, text) in texts {
        match stored_client::read_new(name, text.expose()) {
            Ok(read) => all.extend(read),
            Err(problem) => problems.push(problem),
        }
    }
    let mut places: HashMap<&str, &str> = HashMap::new();
    for client in &all {
        let place = client.settings.written_at.as_str();
        let id = client.settings.client_id.as_str();
        if let Some(before) = places.insert(id, place) {
            // Within one text it was told already.
            problems.push(format!(
                "{place}: client-id: is the one of the client at {before} too"
            ));
        }
        if let Err(error) = check_use(clients.settings(), &client.settings) {
            problems.push(format!("{place}: {error}"));
        }
    }
    match problems.is_empty() {
        true => Ok(all),
        false => Err(Error::Clients {
            problems: problems.join("\n"),
        }),
    }
}

/// What has to change for the store to be as `wanted` says.
///
/// # Errors
/// [`Error::Clients`] when a client needs a secret that may not be made, and those of reading the store.
pub(super) async fn prepare(
    clients: &ClientAdministration<'_>,
    wanted: Vec<NewClient>,
    options: ApplyOptions,
) -> Result<PreparedPlan, Error> {
    let ids = wanted.iter().map(|new| &new.settings.client_id);
    let kept = match options.prunes {
        true => clients.kept_clients().await?,
        // A list of some clients costs the same in a store with a million.
        false => clients.kept_named(ids).await?,
    };
    let mut kept: HashMap<String, KeptClient> = kept
        .into_iter()
        .map(|kept| (kept.client_id.clone(), kept))
        .collect();
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    for new in wanted {
        let place = new.settings.written_at.clone();
        let known = kept.remove(new.settings.client_id.as_str());
        let prepared = clients.prepare_new(new, known.as_ref())?;
        if prepared.secret.is_some() && !options.makes_secrets {
            problems.push(format!(
                "{place}: client {:?} has no secret yet: give its `client-secret-digest` (`hallpass client hash`), or have one made and printed",
                prepared.client_id.as_ref()
            ));
        }
        changes.push(prepared);
    }
    if !problems.is_empty() {
        let problems = problems.join("\n");
        return Err(Error::Clients { problems });
    }
    if options.prunes {
        for kept in kept.values() {
            changes.push(clients.prepare_removal(kept)?);
        }
    }
    let all = changes.len();
    changes.retain(|change| !change.is_nothing());
    changes.sort_by(|one, other| one.client_id.as_ref().cmp(other.client_id.as_ref()));
    Ok(PreparedPlan {
        plan: ClientPlan {
            unchanged: all - changes.len(),
            changes: changes.iter().map(planned).collect(),
        },
        changes,
    })
}

fn planned(change: &PreparedChange) -> PlannedChange {
    let kind = match (&change.before, &change.after) {
        (_, None) => PlannedKind::Removed,
        (None, Some(_)) => PlannedKind::Added,
        (Some(_), Some(_)) => PlannedKind::Changed,
    };
    let before = change.before.clone().unwrap_or_default();
    let after = change.after.clone().unwrap_or_default();
    let keys = match kind {
        PlannedKind::Removed => Vec::new(),
        PlannedKind::Added | PlannedKind::Changed => before.changes_to(&after),
    };
    PlannedChange {
        client_id: change.client_id.to_string(),
        kind,
        keys: keys
            .into_iter()
            .filter(|key| key.key != "client-id")
            .collect(),
        changes_secrets: change.changes_secrets,
        client_secret: change.secret.clone(),
    }
}
