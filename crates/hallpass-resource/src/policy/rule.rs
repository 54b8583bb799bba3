//! What a rule says, which requests it is for, and where it was written.

use std::fmt;

use hallpass_config::Percent;
use hallpass_token::Scope;
use http::Method;

use super::bound::Bound;
use super::conditions::{Actors, Conditions, Party};
use super::host::HostPattern;
use super::mode::Mode;
use super::pattern::PathPattern;
use super::place::RulePlace;
use super::rollout::Rollout;
use crate::caller_mapping::Mark;
use crate::peer::PeerName;

/// What a route asks of its caller.
///
/// ```
/// use hallpass_resource::Rule;
///
/// let read = Rule::all_scopes("orders:read".parse()?);
/// assert_eq!(read.to_string(), "scopes(all: orders:read)");
/// let internal = Rule::InternalOnly("internal-service".parse()?);
/// assert_eq!(internal.to_string(), "internal-only(internal-service)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Anyone, with or without a token. A token that is sent must still be good: a bad one is refused, never
    /// taken for none.
    Anonymous,
    /// Anyone with a good token of a trusted issuer.
    Authenticated,
    /// A service with these scopes: the token comes from an issuer marked internal, names a client as its own
    /// subject and carries no actor. A user's or an exchanged token never opens such a route, whatever its scopes.
    InternalOnly(Scope),
    /// A good token with every scope of `all` and, unless `any` is empty, at least one of `any`. Not both may be empty.
    Scopes {
        /// Each of these must be there.
        all: Scope,
        /// One of these must be there.
        any: Scope,
    },
}

impl Rule {
    /// A good token that has every one of these scopes.
    #[must_use]
    pub fn all_scopes(all: Scope) -> Self {
        Self::Scopes {
            all,
            any: Scope::empty(),
        }
    }

    /// A good token that has at least one of these scopes.
    #[must_use]
    pub fn any_scope(any: Scope) -> Self {
        Self::Scopes {
            all: Scope::empty(),
            any,
        }
    }

    /// The scopes that the rule names.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Anonymous | Self::Authenticated => (None, None),
            Self::InternalOnly(scope) => (Some(scope), None),
            Self::Scopes { all, any } => (Some(all), Some(any)),
        };
        one.into_iter().chain(other).flat_map(Scope::iter)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::InternalOnly(scope) => write!(f, "internal-only({scope})"),
            Self::Scopes { all, any } if any.is_empty() => write!(f, "scopes(all: {all})"),
            Self::Scopes { all, any } if all.is_empty() => write!(f, "scopes(any: {any})"),
            Self::Scopes { all, any } => write!(f, "scopes(all: {all}; any: {any})"),
        }
    }
}

/// One rule with the requests that it is for.
///
/// ```
/// use hallpass_resource::{Mode, RouteRule, Rule};
/// use http::Method;
///
/// // Only counted at first, not refused: for a roll-out.
/// let rule = RouteRule::new("/orders/{id}".parse()?, Rule::Authenticated)
///     .methods([Method::GET])
///     .mode(Mode::Report);
/// # let _ = rule;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    pub(super) pattern: PathPattern,
    pub(super) methods: Vec<Method>,
    pub(super) rule: Rule,
    mode: Option<Mode>,
    enforced: Option<Percent>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) conditions: Conditions,
    pub(super) place: RulePlace,
}

impl RouteRule {
    /// A rule for every method of the paths of `pattern`, in the mode of the service.
    #[must_use]
    pub fn new(pattern: PathPattern, rule: Rule) -> Self {
        Self {
            pattern,
            methods: Vec::new(),
            rule,
            mode: None,
            enforced: None,
            hosts: Vec::new(),
            conditions: Conditions::default(),
            place: RulePlace::default(),
        }
    }

    /// Restricts the rule to these methods; none means all. A rule for GET holds for HEAD too, unless there is one
    /// for HEAD with the same paths, as routers run the GET handler for HEAD.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Restricts the rule to requests for these hosts; none means all.
    ///
    /// A request must satisfy the most specific of the rules that name its host **and** the most specific of those that name
    /// none, since whoever sends it chooses the host: a rule for a host opens nothing that a rule for all hosts closes. To
    /// tell hosts apart, give each rule its hosts. A request of no or several hosts is refused where a rule names any.
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = HostPattern>) -> Self {
        self.hosts = hosts.into_iter().collect();
        self
    }

    /// Demands all this of the caller besides, in place of what was demanded before.
    #[must_use]
    pub fn conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = conditions;
        self
    }

    /// Demands each of these roles too.
    #[must_use]
    pub fn roles<'a>(mut self, all: impl IntoIterator<Item = &'a str>) -> Self {
        let roles = all.into_iter().map(str::to_owned);
        self.conditions.roles.all.extend(roles);
        self
    }

    /// Demands one of these roles at least.
    #[must_use]
    pub fn any_role<'a>(mut self, any: impl IntoIterator<Item = &'a str>) -> Self {
        let roles = any.into_iter().map(str::to_owned);
        self.conditions.roles.any.extend(roles);
        self
    }

    /// Demands each of these authorities too, as Spring Security names them (`SCOPE_orders`, `ROLE_ADMIN`).
    #[must_use]
    pub fn authorities<'a>(mut self, all: impl IntoIterator<Item = &'a str>) -> Self {
        let authorities = all.into_iter().map(str::to_owned);
        self.conditions.authorities.all.extend(authorities);
        self
    }

    /// Demands one of these authorities at least.
    #[must_use]
    pub fn any_authority<'a>(mut self, any: impl IntoIterator<Item = &'a str>) -> Self {
        let authorities = any.into_iter().map(str::to_owned);
        self.conditions.authorities.any.extend(authorities);
        self
    }

    /// Lets only tokens pass that were issued to one of these clients; none if there is none.
    #[must_use]
    pub fn callers(mut self, callers: impl IntoIterator<Item = Party>) -> Self {
        let list = self.conditions.callers.get_or_insert_default();
        list.extend(callers);
        self
    }

    /// Lets only these act for somebody else; nobody if there is none.
    #[must_use]
    pub fn actors(mut self, actors: impl IntoIterator<Item = Party>) -> Self {
        self.conditions.actors = Actors::Only(actors.into_iter().collect());
        self
    }

    /// Lets only callers pass whose certificate has one of these names: that of their connection to this service, or the one that the proxy of its
    /// mesh has checked; none if there is none.
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = PeerName>) -> Self {
        let list = self.conditions.peers.get_or_insert_default();
        list.extend(peers);
        self
    }

    pub(crate) const fn names_peers(&self) -> bool {
        self.conditions.peers.is_some()
    }

    /// Demands that the claims satisfy this too.
    #[must_use]
    pub fn claim(mut self, condition: Mark) -> Self {
        self.conditions.claims.push(condition);
        self
    }

    /// Demands too that the token is bound so; what was demanded before stays. Where a token is not asked for
    /// (`anonymous`), one that is sent must be bound so all the same.
    #[must_use]
    pub fn bound(mut self, bound: Bound) -> Self {
        self.conditions.bound = self.conditions.bound.and(bound);
        self
    }

    /// The callers and actors that it names of an issuer by its name, and that issuer.
    pub(crate) fn foreign_parties(&self) -> impl Iterator<Item = (&Party, &str)> {
        let actors = match &self.conditions.actors {
            Actors::Any => [].as_slice(),
            Actors::Only(parties) => parties,
        };
        let callers = self.conditions.callers.iter().flatten();
        let parties = callers.chain(actors);
        parties.filter_map(|party| Some((party, party.issuer()?)))
    }

    /// Whether there is a method and a host for which both are for just the same paths.
    #[must_use]
    pub fn is_for_same(&self, other: &Self) -> bool {
        fn shares<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            (one.is_empty() && other.is_empty()) || one.iter().any(|it| other.contains(it))
        }
        self.pattern.same_paths(&other.pattern)
            && shares(&self.methods, &other.methods)
            && shares(&self.hosts, &other.hosts)
    }

    /// Whether both demand the same of callers, in the same mode, for whichever requests they are.
    #[must_use]
    pub fn demands_the_same(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.conditions == other.conditions
            && self.rollout() == other.rollout()
    }

    /// The paths that it is for.
    #[must_use]
    pub const fn path(&self) -> &PathPattern {
        &self.pattern
    }

    /// Says where the rule is written, for those who look for it: file, line and column.
    pub(crate) fn written_at(mut self, place: &str) -> Self {
        self.place = RulePlace::new(place);
        self
    }

    pub(crate) fn rule_scopes(&self) -> impl Iterator<Item = &str> {
        self.rule.scopes()
    }

    pub(crate) fn needs_identity(&self) -> bool {
        self.rule != Rule::Anonymous
    }

    /// Gives the route its own mode instead of the service's.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Enforces the rule for this percentage of the callers, always the same ones, and judges the others as in
    /// [`Mode::Report`]; 0 enforces nothing. Without a mode of its own, the rule is then one of [`Mode::Enforce`]. Beside
    /// another mode it means nothing.
    #[must_use]
    pub fn enforce_percent(mut self, percent: Percent) -> Self {
        self.enforced = Some(percent);
        self
    }

    /// The mode that its author named, with the percentage.
    pub(super) fn rollout(&self) -> Option<Rollout> {
        let mode = self.mode.or(self.enforced.map(|_| Mode::Enforce))?;
        Some(Rollout::new(mode, self.enforced.unwrap_or(Percent::ALL)))
    }
}
