//! What is asked of one request, and what becomes of it.

use std::sync::{Arc, OnceLock};

use hallpass_token::{Scope, VerifyError};
use prometheus_client::metrics::counter::Counter;

use super::bound::Bound;
use super::entry::Entry;
use super::mode::Mode;
use super::rollout::{Bucket, Rollout};
use super::rule::Rule;
use crate::error::{BlacklistFault, Denial, ProofFault};
use crate::verifier::Verified;

/// Most rules that one request falls under: one for each of six tables and four readings of the path (the whole one and
/// what a nest has left of it, each as it is decoded and as it would be read with every escape taken for structure).
const MAX_ENTRIES: usize = 24;

/// What is asked of one request: the rules that it must all satisfy, and the mode of each.
///
/// A mode belongs to the rule that it stands in; a rule without one has that of the service. Where rules of several
/// tables meet, the strictest mode that one of them names holds for all of them. So a rule that is added in another
/// table never opens what a rule closes.
#[derive(Debug)]
pub(crate) struct Access<'p> {
    /// The first ones are there; nearly every request has one.
    entries: [Option<&'p Entry>; MAX_ENTRIES],
    count: usize,
    service: Rollout,
    /// Which callers the request counts to, when percentages decide.
    bucket: Bucket,
    no_rule: &'p Arc<str>,
}

/// What the rules say about one request.
#[derive(Debug)]
pub(crate) struct Ruling {
    /// Why it should not pass, if so: what the strictest rule that refuses it says, the first of several.
    pub(crate) denial: Option<Denial>,
    /// The mode in which that was decided; `enforce` refuses.
    pub(crate) mode: Mode,
}

impl Ruling {
    /// Adds what is wrong with the request beside its rules, decided in the strictest mode that they name.
    pub(crate) fn add(&mut self, denial: Option<Denial>, strictest: Mode) {
        let counts = strictest != Mode::Off && (self.denial.is_none() || strictest > self.mode);
        if let Some(denial) = denial.filter(|_| counts) {
            self.denial = Some(denial);
            self.mode = strictest;
        }
    }
}

impl<'p> Access<'p> {
    /// Nothing is asked yet.
    pub(super) fn new(service: Rollout, no_rule: &'p Arc<str>) -> Self {
        Self {
            entries: [None; MAX_ENTRIES],
            count: 0,
            service,
            bucket: Bucket::FIRST,
            no_rule,
        }
    }

    /// One rule more; the same twice is one.
    pub(super) fn add(&mut self, entry: &'p Entry) {
        let known = self.entries().any(|it| std::ptr::eq(it, entry));
        if !known && let Some(free) = self.entries.get_mut(self.count) {
            *free = Some(entry);
            self.count += 1;
        }
    }

    /// Says who calls. Until then, every rule is judged in the mode of the callers for whom it is strictest.
    pub(crate) fn called_from(&mut self, bucket: Bucket) {
        self.bucket = bucket;
    }

    /// The strictest mode of its rules for who calls.
    pub(crate) fn mode(&self) -> Mode {
        let modes = self.entries().map(|entry| self.mode_of(entry));
        modes.max().unwrap_or(self.service.of(self.bucket))
    }

    /// Whether any rule depends on which caller it is.
    pub(crate) fn is_partial(&self) -> bool {
        self.service.is_partial()
            || self
                .entries()
                .any(|it| it.rollout.is_some_and(Rollout::is_partial))
    }

    /// The route for metrics and the audit event: the pattern as its author wrote it, never the path.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.entries()
            .next()
            .map_or(self.no_rule, |entry| &entry.label)
    }

    /// Counts what its route allowed, once it has been looked for.
    pub(crate) fn allowed(&self) -> Option<&'p OnceLock<Counter>> {
        self.entries().next().map(|entry| &entry.allowed)
    }

    /// What a roll-out sorts its callers by: the rule for all hosts, if there is one, as that holds whichever host a caller names.
    pub(crate) fn sorting(&self) -> &Arc<str> {
        let general = self.entries().find(|entry| entry.host.is_none());
        let entry = general.or_else(|| self.entries().next());
        entry.map_or(self.no_rule, |entry| &entry.sorting)
    }

    /// Whether a rule that is enforced asks who calls. Otherwise the call does not depend on its token.
    pub(crate) fn depends_on_identity(&self) -> bool {
        let closed =
            |entry: &Entry| self.mode_of(entry) == Mode::Enforce && entry.rule != Rule::Anonymous;
        match self.entries().next() {
            Some(_) => self.entries().any(closed),
            None => self.service.of(self.bucket) == Mode::Enforce,
        }
    }

    /// Decides for a verified identity, for none, or for credentials that are no good.
    pub(crate) fn rule_on(&self, caller: Result<Option<&Verified>, &Denial>) -> Ruling {
        let mut ruling = Ruling {
            denial: None,
            mode: self.mode(),
        };
        if ruling.mode == Mode::Off {
            return ruling;
        }
        if self.entries().next().is_none() {
            ruling.denial = Some(match caller {
                Err(denial) => denial.clone(),
                Ok(Some(_)) => Denial::NoRule,
                Ok(None) => Denial::MissingToken,
            });
            return ruling;
        }
        for entry in self.entries() {
            let mode = self.mode_of(entry);
            let counts = mode != Mode::Off && (ruling.denial.is_none() || mode > ruling.mode);
            if counts && let Err(denial) = decide(entry, caller) {
                ruling = Ruling {
                    denial: Some(denial),
                    mode,
                };
            }
        }
        ruling
    }

    /// What each of its rules says, in the order of the tables.
    pub(super) fn decisions(
        &self,
        caller: Result<Option<&Verified>, &Denial>,
    ) -> impl Iterator<Item = (&'p Entry, Mode, Option<Denial>)> {
        self.entries().map(move |entry| {
            let mode = self.mode_of(entry);
            let denial = match mode {
                Mode::Off => None,
                Mode::Report | Mode::Enforce => decide(entry, caller).err(),
            };
            (entry, mode, denial)
        })
    }

    fn entries(&self) -> impl Iterator<Item = &'p Entry> {
        self.entries.iter().take(self.count).flatten().copied()
    }

    fn mode_of(&self, entry: &Entry) -> Mode {
        let named = self.entries().filter_map(|it| it.rollout).max();
        let own = entry.rollout.unwrap_or(self.service);
        named.map_or(own, |named| own.max(named)).of(self.bucket)
    }
}

/// What one rule says: who may call at all, and then what it demands of him besides.
fn decide(entry: &Entry, caller: Result<Option<&Verified>, &Denial>) -> Result<(), Denial> {
    entry.rule.decide(caller)?;
    let Ok(Some(caller)) = caller else {
        return Ok(());
    };
    if entry.rule != Rule::Anonymous {
        entry.conditions.decide(caller)?;
    }
    // Also where no token is asked for: one that anybody could have sent is no better there.
    check_bound(entry.conditions.bound, caller)
}

/// Whether the token is bound as it must be; that its sender has proven it was checked with its signature.
fn check_bound(demanded: Bound, caller: &Verified) -> Result<(), Denial> {
    let claims = caller.context().claims();
    match demanded.is_met_by(claims.confirmation.as_ref()) {
        true => Ok(()),
        false => Err(ProofFault::Unbound(demanded).into()),
    }
}

impl Rule {
    fn decide(&self, caller: Result<Option<&Verified>, &Denial>) -> Result<(), Denial> {
        let caller = match (self, caller) {
            (Self::Anonymous, Ok(_)) => return Ok(()),
            (Self::Anonymous, Err(denial)) if is_nobodys_fault(denial) => return Ok(()),
            (_, caller) => caller.map_err(Denial::clone)?,
        };
        let caller = caller.ok_or(Denial::MissingToken)?;
        let scope = caller.context().scope();
        match self {
            Self::Anonymous | Self::Authenticated => Ok(()),
            Self::InternalOnly(required) => {
                if !caller.is_internal_service() {
                    // A scope that the token has is not what is missing.
                    let missing = if scope.contains_all(required) {
                        Scope::empty()
                    } else {
                        required.clone()
                    };
                    return Err(Denial::NotInternal {
                        missing,
                        caller: caller.context().caller(),
                        internal: caller.is_internal(),
                    });
                }
                if scope.contains_all(required) {
                    Ok(())
                } else {
                    Err(insufficient(required))
                }
            }
            Self::Scopes { all, .. } if !scope.contains_all(all) => Err(insufficient(all)),
            Self::Scopes { any, .. } if !any.is_empty() && !scope.contains_any(any) => {
                Err(insufficient(any))
            }
            // A rule with two empty lists is refused when it is set up; it would let no caller in.
            Self::Scopes { all, any } if all.is_empty() && any.is_empty() => Err(insufficient(all)),
            Self::Scopes { .. } => Ok(()),
        }
    }
}

/// Whether a token could not be judged, which says nothing about the caller. An open route then passes without
/// identity; a token that is known to be bad is refused there too.
fn is_nobodys_fault(denial: &Denial) -> bool {
    matches!(
        denial,
        Denial::Unavailable(_)
            | Denial::Introspection(_)
            | Denial::Blacklist(BlacklistFault::Away)
            | Denial::Token(VerifyError::TooLarge)
            | Denial::Proof(ProofFault::TooMany | ProofFault::StoreAway)
    )
}

fn insufficient(required: &Scope) -> Denial {
    Denial::InsufficientScope {
        required: required.clone(),
    }
}
