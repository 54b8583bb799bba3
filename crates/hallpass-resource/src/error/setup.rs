//! What can go wrong at start and when settings change.

use thiserror::Error;

use crate::policy::RuleOrigin;

/// Why a resource server cannot be set up, or cannot take other settings: every problem at once.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the resource server cannot be set up: {}", list(.problems))]
pub struct SetupError {
    /// All problems that were found, in no particular order.
    pub problems: Vec<SetupProblem>,
}

fn list(problems: &[SetupProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// One reason why a resource server cannot be set up.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupProblem {
    /// `permit-all` and a sign of production stand side by side.
    #[error(
        "security.permit-all is on although this is production ({signal}): nothing would be protected"
    )]
    PermitAllInProduction {
        /// The production signal that was found.
        signal: String,
    },
    /// Two entries have the same `iss`, and an audience in common.
    #[error("the issuer {issuer} is trusted twice for the same audience")]
    IssuerTwice {
        /// The `iss`.
        issuer: String,
    },
    /// Two issuers are asked about opaque tokens, which do not say whose they are.
    #[error(
        "both {first} and {second} would be asked about tokens that do not say whose they are: one of them may be (introspection.tokens)"
    )]
    OpaqueTwice {
        /// The configured name of one issuer.
        first: String,
        /// That of the other.
        second: String,
    },
    /// No issuer, although tokens are asked for.
    #[error("no issuer is trusted, so nobody could ever be let in (security.internal-jwt.issuers)")]
    NoIssuer,
    /// The keys of an issuer are at a URL, and the server was built without a network to fetch them by.
    #[error("the keys of the issuer {issuer} are at a URL, and there is no way to fetch them")]
    NoNetwork {
        /// The configured name of the issuer.
        issuer: String,
    },
    /// A value does not have the form that is needed.
    #[error("{key}: {message}")]
    BadValue {
        /// Where it stands.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A path pattern cannot be read.
    #[error("the path pattern {pattern:?} is wrong: {message}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        message: String,
    },
    /// Two rules of one table are for exactly the same requests.
    #[error("two rules of the same table ({origin}) are for {route}")]
    TwoRules {
        /// Method and pattern.
        route: String,
        /// The table.
        origin: RuleOrigin,
    },
    /// Conditions beside a rule that asks for no caller.
    #[error("the rule for {pattern} is anonymous, so nobody is asked for what it demands beside")]
    IdleConditions {
        /// The pattern.
        pattern: String,
    },
    /// A caller or an actor of an issuer that is not trusted.
    #[error(
        "the rule for {pattern} names {party}, and no issuer of that name is trusted; write NAME@ISSUER"
    )]
    UnknownParty {
        /// The pattern.
        pattern: String,
        /// The caller or actor as it was written.
        party: String,
    },
    /// A scope rule that names no scope.
    #[error("the rule for {pattern} asks for scopes and names none; use authenticated instead")]
    EmptyScopes {
        /// The pattern.
        pattern: String,
    },
}
