//! What a request was judged to be.

use std::sync::{Arc, OnceLock};

use hallpass_client::context::Carried;
use prometheus_client::metrics::counter::Counter;

use super::carried::Brought;
use super::outcome::Outcome;
use crate::error::Denial;
use crate::policy::{Mode, Ruling};
use crate::verifier::Verified;

/// How a request passes.
#[derive(Debug)]
pub(crate) struct Pass {
    /// The verified identity, none, or why the credentials that were sent give none.
    pub(crate) identity: Result<Option<Verified>, Denial>,
    /// Whether it passes for its mode, or with `permit-all`: then extractors refuse nothing.
    pub(crate) is_lenient: bool,
    /// Whether its rules would deny it, which is counted.
    pub(crate) is_counted: bool,
    /// Whether identity headers from outside stay.
    pub(crate) keeps_identity_headers: bool,
    /// The route, as metrics have it.
    pub(crate) route: Arc<str>,
    /// What goes on with the calls that are made for it.
    pub(crate) carried: Carried,
}

/// The verified caller, none, or why the credentials that were sent give none.
pub(super) type Identity = Result<Option<Verified>, Denial>;

/// All that is known of a request that was judged.
#[derive(Debug)]
pub(super) struct Judged<'p> {
    pub(super) outcome: Outcome,
    pub(super) ruling: Ruling,
    /// The strictest mode of its rules.
    pub(super) strictest: Mode,
    pub(super) identity: Identity,
    pub(super) route: Arc<str>,
    /// Counts what the route allowed; `None` where there is no rule.
    pub(super) allowed: Option<&'p OnceLock<Counter>>,
    pub(super) brought: Brought,
}

impl Judged<'_> {
    /// Why it does not pass, or why it passes without the identity that was sent.
    pub(super) fn reason(&self) -> Option<&Denial> {
        match &self.ruling.denial {
            None if self.is_off() => None,
            None => self.identity.as_ref().err(),
            denial => denial.as_ref(),
        }
    }

    pub(super) fn caller(&self) -> Option<&Verified> {
        self.identity.as_ref().ok().and_then(Option::as_ref)
    }

    /// How it passes.
    pub(super) fn pass(self, keeps_identity_headers: bool) -> Pass {
        let is_enforced = self.strictest == Mode::Enforce;
        let is_lenient = self.outcome != Outcome::Allow || !is_enforced;
        Pass {
            is_lenient,
            is_counted: self.outcome == Outcome::WouldDeny,
            keeps_identity_headers: keeps_identity_headers && !is_enforced,
            route: self.route,
            identity: self.identity,
            carried: self.brought.into_carried(!is_lenient),
        }
    }

    /// Whether nobody wants to know what would have become of it.
    pub(super) fn is_off(&self) -> bool {
        self.strictest == Mode::Off && self.ruling.denial.is_none()
    }
}
