//! The life of an authority, as a function of the records and the time: who keeps them (`upkeep.rs`) may come late, or not at all for
//! a while, and nothing is lost by that.

use std::time::Duration;

use hallpass_token::UnixTime;

use super::record::{AuthorityRecord, AuthorityState};

/// No certificate lives longer.
pub(crate) const MAX_CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How much longer than the last certificate of it a retired authority is known: clocks differ.
const AFTER_THE_LAST: Duration = Duration::from_secs(300);

/// How long each part of a life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CaTimes {
    /// For how long it is in the bundle before it signs.
    pub(crate) announce: Duration,
    /// For how long it signs.
    pub(crate) rotation: Duration,
}

impl CaTimes {
    /// How long the certificate of a new authority counts. It may sign for longer than it should, where nobody keeps it for a while.
    pub(crate) const fn certificate_life(&self) -> Duration {
        let signs = self.rotation.saturating_add(self.rotation);
        let all = signs.saturating_add(self.announce);
        all.saturating_add(MAX_CERTIFICATE_LIFE)
    }
}

/// What a step of time did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Those whose record is another one.
    pub(crate) changed: Vec<String>,
    /// Those that are gone.
    pub(crate) deleted: Vec<String>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.deleted.is_empty()
    }
}

/// Lets the time of each authority of `trust_domain` begin and end, as far as the clock can be believed (`is_even`): what a wrong one ends
/// is gone for good, and with it the trust in all certificates that there are. Those of other domains sign no more.
pub(crate) fn advance(
    records: &mut Vec<AuthorityRecord>,
    now: UnixTime,
    times: &CaTimes,
    trust_domain: &str,
    is_even: bool,
) -> Changes {
    let mut changed = Vec::new();
    for record in records.iter_mut() {
        if record.since > now && is_even {
            let (id, state) = (record.id.as_str(), record.state.as_str());
            tracing::warn!(
                id,
                state,
                "a certificate authority entered its state by a clock that was ahead: its time begins again now"
            );
            record.since = now;
            changed.push(record.id.clone());
        }
        if record.trust_domain != trust_domain && record.state != AuthorityState::Retired {
            record.enter(AuthorityState::Retired, now);
            changed.push(record.id.clone());
        }
    }
    let signs = |it: &AuthorityRecord| it.state == AuthorityState::Signing;
    let goes_by_time = is_even || !records.iter().any(signs);
    let next = due(records, now, times).filter(|_| goes_by_time);
    if let Some(next) = next.map(|next| next.id.clone()) {
        for record in records.iter_mut() {
            let state = match (record.id == next, record.state) {
                (true, _) => AuthorityState::Signing,
                (false, AuthorityState::Signing) => AuthorityState::Retired,
                (false, AuthorityState::Announced | AuthorityState::Retired) => continue,
            };
            // From now on, and not from the moment that was foreseen: until now the one before may have signed.
            record.enter(state, now);
            changed.push(record.id.clone());
        }
    }
    let is_over = |record: &&mut AuthorityRecord| {
        let is_forgotten = forgotten_at(record).is_some_and(|at| at <= now);
        is_even && (record.not_after <= now || is_forgotten)
    };
    let deleted = records.extract_if(.., |record| is_over(&record));
    let deleted: Vec<String> = deleted.map(|record| record.id).collect();
    changed.retain(|id| !deleted.contains(id));
    changed.sort_unstable();
    changed.dedup();
    Changes { changed, deleted }
}

/// The announced authority that signs from now on, if one does: its time has come, or there is no other.
fn due<'r>(
    records: &'r [AuthorityRecord],
    now: UnixTime,
    times: &CaTimes,
) -> Option<&'r AuthorityRecord> {
    let is_alive = |record: &&AuthorityRecord| record.not_after > now;
    let signing = records.iter().filter(is_alive);
    let has_signer = signing
        .clone()
        .any(|it| it.state == AuthorityState::Signing);
    let announced = signing.filter(|it| it.state == AuthorityState::Announced);
    let is_due = |it: &&AuthorityRecord| !has_signer || signs_from(it, times) <= now;
    announced.filter(is_due).max_by_key(|it| (it.since, &it.id))
}

/// When an announced authority begins to sign.
pub(crate) const fn signs_from(announced: &AuthorityRecord, times: &CaTimes) -> UnixTime {
    announced.since.saturating_add(times.announce)
}

/// When another one is to sign in the place of `signing`: at the end of its time, and before its own certificate is shorter than one
/// that it signs.
pub(crate) fn signs_until(signing: &AuthorityRecord, times: &CaTimes) -> UnixTime {
    let by_time = signing.since.saturating_add(times.rotation);
    by_time.min(signing.not_after.saturating_sub(MAX_CERTIFICATE_LIFE))
}

/// When a retired authority is deleted: the last certificate of it has ended.
pub(crate) fn forgotten_at(record: &AuthorityRecord) -> Option<UnixTime> {
    let after = MAX_CERTIFICATE_LIFE.saturating_add(AFTER_THE_LAST);
    let is_retired = record.state == AuthorityState::Retired;
    is_retired.then(|| record.since.saturating_add(after))
}

/// In which state a new authority is to be made, if one is: nothing waits where there is none that signs, since nobody has a
/// certificate then; else it is announced ahead, by a clock that can be believed.
pub(crate) fn needed(
    records: &[AuthorityRecord],
    now: UnixTime,
    times: &CaTimes,
    is_even: bool,
) -> Option<AuthorityState> {
    let of = |state| records.iter().find(move |it| it.state == state);
    let Some(signing) = of(AuthorityState::Signing) else {
        return Some(AuthorityState::Signing);
    };
    let from = signs_until(signing, times).saturating_sub(times.announce);
    let is_needed = is_even && of(AuthorityState::Announced).is_none() && from <= now;
    is_needed.then_some(AuthorityState::Announced)
}

/// When something is to be done next, if time alone goes on.
pub(crate) fn next_moment(records: &[AuthorityRecord], times: &CaTimes) -> Option<UnixTime> {
    let is_followed = records
        .iter()
        .any(|it| it.state == AuthorityState::Announced);
    let moment = |record: &AuthorityRecord| {
        let at = match record.state {
            AuthorityState::Announced => signs_from(record, times),
            AuthorityState::Signing if is_followed => record.not_after,
            AuthorityState::Signing => signs_until(record, times).saturating_sub(times.announce),
            AuthorityState::Retired => forgotten_at(record)?,
        };
        Some(at.min(record.not_after))
    };
    records.iter().filter_map(moment).min()
}

#[cfg(test)]
mod tests;
