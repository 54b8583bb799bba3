//! What a rule says, which requests it is for, and where it was written.

use std::fmt;

use hallpass_token::Scope;
use http::Method;

use super::mode::Mode;
use super::pattern::PathPattern;

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
    pub(super) mode: Option<Mode>,
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
        }
    }

    /// Restricts the rule to these methods; none means all. A rule for GET holds for HEAD too, unless there is one
    /// for HEAD with the same paths, as routers run the GET handler for HEAD.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
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
}

/// Where a rule was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleOrigin {
    /// In the program.
    Code,
    /// Under `security.internal-jwt.routes`.
    Configuration,
    /// Under `security.internal-jwt.internal-only`.
    InternalOnlyPaths,
}

impl fmt::Display for RuleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "code",
            Self::Configuration => "configuration",
            Self::InternalOnlyPaths => "internal-only paths",
        })
    }
}
