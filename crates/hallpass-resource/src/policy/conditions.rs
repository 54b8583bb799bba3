//! What a rule demands of a caller beside its scopes.

use std::fmt;
use std::str::FromStr;

use hallpass_token::{ClientId, Subject};
use thiserror::Error;

use super::bound::Bound;
use crate::caller_mapping::Mark;
use crate::error::ConditionFault;
use crate::peer::PeerName;
use crate::verifier::Verified;

/// What a rule demands of a caller beside what it is: all of it must hold. Nothing is demanded by default.
///
/// Conditions only ever tighten the rule that they stand beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Roles of the caller.
    pub roles: Names,
    /// Authorities of the caller, as Spring Security has them.
    pub authorities: Names,
    /// The clients that the token may have been issued to. `None`: any; an empty list lets nobody pass.
    pub callers: Option<Vec<Party>>,
    /// Who may act for somebody else here.
    pub actors: Actors,
    /// The names of which the certificate of the caller must have one: of its connection, or as its mesh says. `None`: any; an empty list lets nobody pass.
    pub peers: Option<Vec<PeerName>>,
    /// Claims, each entry of which must hold.
    pub claims: Vec<Mark>,
    /// What the token must be bound to; where no token is asked for, one that is sent.
    pub bound: Bound,
}

/// Names of which all, or some, must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Each of these.
    pub all: Vec<String>,
    /// At least one of these, unless there is none.
    pub any: Vec<String>,
}

/// Who may act for somebody else (`act` of an exchanged token, RFC 8693 section 4.1). Only the outermost actor counts: those
/// below it are history. A caller for whom nobody acts always satisfies this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Actors {
    /// Whoever the issuer lets act.
    #[default]
    Any,
    /// Only these, none of them if it is empty.
    Only(Vec<Party>),
}

/// A client or an actor by its name at its issuer: `order-service` at an issuer that is internal, `web-shop@login` at
/// the issuer that the settings call `login`.
///
/// The issuer is a part of it since each issuer gives its own names: a client of somebody else's may be called as one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    name: Box<str>,
    issuer: Option<Box<str>>,
}

/// The text names no party.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be the name of a client, or `NAME@ISSUER` with the name of an issuer as `issuers` has it"
)]
pub struct PartyFault;

impl Conditions {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether any of it can be demanded of a caller alone, and means nothing where none is asked for.
    pub(crate) fn ask_for_a_caller(&self) -> bool {
        let others = Self {
            bound: Bound::No,
            ..self.clone()
        };
        !others.are_none()
    }

    /// All but what the token must be bound to.
    pub(super) fn decide(&self, caller: &Verified) -> Result<(), ConditionFault> {
        // Not worth collecting what nobody asks for, on every call.
        if !self.roles.are_none() {
            let missing = self.roles.missing(&caller.roles());
            missing.map_or(Ok(()), |names| Err(ConditionFault::Role(names)))?;
        }
        if !self.authorities.are_none() {
            let missing = self.authorities.missing(&caller.authorities());
            missing.map_or(Ok(()), |names| Err(ConditionFault::Authority(names)))?;
        }
        let context = caller.context();
        let client = context.client_id().map(ClientId::as_str);
        if let Some(callers) = &self.callers
            && !callers.iter().any(|it| it.is(client, caller))
        {
            return Err(ConditionFault::Caller);
        }
        if let (Some(actor), Actors::Only(allowed)) = (context.actor(), &self.actors) {
            let name = Some(Subject::as_str(&actor.subject));
            // An actor of another issuer than the token's is nobody that this name could mean.
            let is_native = actor
                .issuer
                .as_ref()
                .is_none_or(|it| it == context.issuer());
            if !is_native || !allowed.iter().any(|it| it.is(name, caller)) {
                return Err(ConditionFault::Actor);
            }
        }
        if let Some(peers) = &self.peers
            && !peers.iter().any(|it| caller.is_seen_as(it))
        {
            return Err(ConditionFault::Peer);
        }
        match self.claims.iter().find(|it| !caller.bears(it)) {
            Some(condition) => Err(ConditionFault::Claim(condition.to_string())),
            None => Ok(()),
        }
    }
}

impl Names {
    fn are_none(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// What is missing among `found`, for the log.
    fn missing(&self, found: &[String]) -> Option<String> {
        if let Some(name) = self.all.iter().find(|name| !found.contains(name)) {
            return Some(name.clone());
        }
        let has_any = self.any.is_empty() || self.any.iter().any(|name| found.contains(name));
        (!has_any).then(|| self.any.join(" or "))
    }
}

impl Party {
    fn is(&self, name: Option<&str>, caller: &Verified) -> bool {
        let is_of_issuer = match &self.issuer {
            Some(issuer) => **issuer == *caller.issuer_name(),
            None => caller.is_internal(),
        };
        is_of_issuer && name == Some(&self.name)
    }

    /// The issuer that it names, by its configured name.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }
}

impl FromStr for Party {
    type Err = PartyFault;

    fn from_str(text: &str) -> Result<Self, PartyFault> {
        // Names of issuers have no `@`, and names of clients may.
        let (name, issuer) = match text.rsplit_once('@') {
            Some((name, issuer)) => (name, Some(issuer)),
            None => (text, None),
        };
        if name.is_empty()
            || issuer.is_some_and(str::is_empty)
            || text.contains(char::is_whitespace)
        {
            return Err(PartyFault);
        }
        Ok(Self {
            name: name.into(),
            issuer: issuer.map(Into::into),
        })
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.issuer {
            Some(issuer) => write!(f, "@{issuer}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut names = |what: &str, names: &Names| {
            for (how, names) in [("all", &names.all), ("any", &names.any)] {
                if !names.is_empty() {
                    parts.push(format!("{what}({how}: {})", names.join(" ")));
                }
            }
        };
        names("roles", &self.roles);
        names("authorities", &self.authorities);
        match self.callers.as_deref() {
            None => {}
            Some([]) => parts.push("callers(none)".to_owned()),
            Some(some) => parts.push(format!("callers({})", joined(some))),
        }
        match &self.actors {
            Actors::Any => {}
            Actors::Only(none) if none.is_empty() => parts.push("actors(none)".to_owned()),
            Actors::Only(some) => parts.push(format!("actors({})", joined(some))),
        }
        match self.peers.as_deref() {
            None => {}
            Some([]) => parts.push("peers(none)".to_owned()),
            Some(some) => parts.push(format!("peers({})", joined(some))),
        }
        for claim in &self.claims {
            parts.push(format!("claims({claim})"));
        }
        if self.bound != Bound::No {
            parts.push(format!("bound({})", self.bound));
        }
        f.write_str(&parts.join(" and "))
    }
}

fn joined(names: &[impl ToString]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(" ")
}
