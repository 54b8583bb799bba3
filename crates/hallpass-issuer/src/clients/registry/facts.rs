//! What is known of all clients together. Each client that comes or goes changes it by its own part, so that nobody walks through a million.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hallpass_token::ClientId;

use super::client::{Client, MAX_LIVE_SECRETS};
use crate::clients::authentication::CertificateAuthentication;
use crate::spiffe::trust_domain;

/// Scopes that the metadata document lists at most.
pub(super) const MAX_SCOPES_SUPPORTED: usize = 1_000;
/// What stands in the names of subjects of trusted issuers, between the issuer and the subject.
const SUBJECT_SEPARATOR: char = '|';

/// Counts of clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// How many clients have tokens of each life, of which there are no more than a day has seconds.
    token_lives: BTreeMap<Duration, usize>,
    /// How many clients have so many costly secrets.
    costly_secrets: [usize; MAX_LIVE_SECRETS + 1],
    /// How many clients have each of the scopes that are listed.
    scopes: BTreeMap<Box<str>, usize>,
    with_separator: BTreeSet<ClientId>,
    /// Who gets certificates with each SPIFFE id.
    spiffe_ids: Arc<HashMap<Box<str>, ClientId>>,
    /// Whether somebody gets none because another one has the id.
    has_clash: bool,
    uses: [usize; ClientUse::ALL.len()],
}

/// What the metadata says when some client uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientUse {
    /// Tokens that are bound to certificates.
    BoundToCertificate,
    /// Certificates of an authority, by a name in them.
    NamedCertificate,
    /// Certificates that are registered themselves.
    RegisteredCertificate,
    /// Tokens of a SPIFFE trust domain, as the proof of a client.
    Svid,
}

impl ClientUse {
    const ALL: [Self; 4] = [
        Self::BoundToCertificate,
        Self::NamedCertificate,
        Self::RegisteredCertificate,
        Self::Svid,
    ];

    fn is_of(self, client: &Client) -> bool {
        match self {
            Self::BoundToCertificate => client.is_certificate_bound,
            Self::NamedCertificate => matches!(
                client.certificate(),
                Some(CertificateAuthentication::Named(_))
            ),
            Self::RegisteredCertificate => matches!(
                client.certificate(),
                Some(CertificateAuthentication::Registered(_))
            ),
            Self::Svid => {
                let mut rules = client.assertion_rules().iter();
                rules.any(|rule| trust_domain(rule.issuer.as_str()).is_some())
            }
        }
    }
}

impl Facts {
    pub(super) fn add(&mut self, client: &Client) {
        *self.token_lives.entry(client.token_life).or_default() += 1;
        if let Some(count) = self.costly_secrets.get_mut(client.costly_secrets()) {
            *count += 1;
        }
        for scope in client.every_scope() {
            if let Some(count) = self.scopes.get_mut(scope) {
                *count += 1;
            } else if self.scopes.len() < MAX_SCOPES_SUPPORTED {
                self.scopes.insert(scope.into(), 1);
            }
        }
        if client.id.as_str().contains(SUBJECT_SEPARATOR) {
            self.with_separator.insert(client.id.clone());
        }
        if let Some(names) = &client.certificate_names {
            let ids = Arc::make_mut(&mut self.spiffe_ids);
            ids.insert(names.spiffe_id.as_str().into(), client.id.clone());
        }
        for (using, count) in ClientUse::ALL.into_iter().zip(&mut self.uses) {
            *count += usize::from(using.is_of(client));
        }
    }

    pub(super) fn take_away(&mut self, client: &Client) {
        take_one(&mut self.token_lives, &client.token_life);
        if let Some(count) = self.costly_secrets.get_mut(client.costly_secrets()) {
            *count = count.saturating_sub(1);
        }
        // Beyond the limit a scope may go too early that another client has too, which was not counted: nobody needs to be told of it.
        for scope in client.every_scope() {
            take_one(&mut self.scopes, scope);
        }
        self.with_separator.remove(client.id.as_str());
        if let Some(names) = &client.certificate_names {
            Arc::make_mut(&mut self.spiffe_ids).remove(names.spiffe_id.as_str());
        }
        for (using, count) in ClientUse::ALL.into_iter().zip(&mut self.uses) {
            *count = count.saturating_sub(usize::from(using.is_of(client)));
        }
    }

    pub(super) fn longest_token_life(&self) -> Duration {
        let longest = self.token_lives.last_key_value();
        longest.map(|(life, _)| *life).unwrap_or_default()
    }

    /// The most costly secrets that one client has.
    pub(super) fn most_costly_secrets(&self) -> usize {
        let most = self.costly_secrets.iter().rposition(|count| *count > 0);
        most.unwrap_or_default()
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.keys().map(AsRef::as_ref)
    }

    /// The clients that might be called like a subject of a trusted issuer.
    pub(super) fn with_separator(&self) -> impl Iterator<Item = &ClientId> {
        self.with_separator.iter()
    }

    /// Whether no other client has this SPIFFE id. If one has, that is kept in mind.
    pub(super) fn has_room_for(&mut self, spiffe_id: &str, client_id: &ClientId) -> bool {
        let holder = self.spiffe_ids.get(spiffe_id);
        let is_taken = holder.is_some_and(|holder| holder != client_id);
        self.has_clash |= is_taken;
        !is_taken
    }

    pub(super) const fn has_clash(&self) -> bool {
        self.has_clash
    }

    pub(super) fn uses(&self, wanted: ClientUse) -> bool {
        let mut all = ClientUse::ALL.into_iter().zip(self.uses);
        all.any(|(using, count)| using == wanted && count > 0)
    }
}

fn take_one<K, Q>(counts: &mut BTreeMap<K, usize>, key: &Q)
where
    K: Ord + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
