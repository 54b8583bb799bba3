//! Why a request is let through or not: the decision of the judge, with all that led to it.

use http::{Method, StatusCode};

use super::access::Access;
use super::host::RequestHost;
use super::line::RuleLine;
use super::mode::Mode;
use super::table::Policy;
use crate::error::Denial;
use crate::path::RequestPath;
use crate::verifier::Verified;

/// What becomes of a request, and why. Made by the code that judges requests, which says the same.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The rules that are for the request, at most one of each table and reading of the path: all of them must allow it. None:
    /// no rule is for it, and it is refused in the mode of the service.
    pub decisions: Vec<RuleDecision>,
    /// Rules whose path fits and which are not asked.
    pub passed_over: Vec<PassedOver>,
    /// Why it should not pass, if so.
    pub denial: Option<Denial>,
    /// The mode in which that was decided.
    pub mode: Mode,
    /// Why the credentials give no identity, if so.
    pub fault: Option<Denial>,
    /// Who calls, if that was verified: subject and client are for who asks for the explanation alone.
    pub caller: Option<Verified>,
    /// Whether `permit-all` lets everything pass.
    pub permits_all: bool,
    /// Whether the request gets the metadata of the protected resource (RFC 9728), for which no rule is asked.
    pub is_for_metadata: bool,
}

/// What one rule says about a request.
#[derive(Clone, Debug)]
pub struct RuleDecision {
    /// The rule.
    pub rule: RuleLine,
    /// The mode that counts for it here: where rules of several tables meet, the strictest that one of them names.
    pub mode: Mode,
    /// Why it refuses the request, if it does.
    pub denial: Option<Denial>,
    /// Whether what becomes of the request is due to it: it is the first that refuses in the strictest mode.
    pub decides: bool,
}

/// A rule whose path fits a request and which is not asked.
#[derive(Clone, Debug)]
pub struct PassedOver {
    /// The rule.
    pub rule: RuleLine,
    /// Why: `method`, `host`, or `less_specific`.
    pub why: &'static str,
}

impl Explanation {
    /// Whether the request reaches its handler, or gets the metadata of the protected resource.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.permits_all || self.denial.is_none() || self.mode != Mode::Enforce
    }

    /// The status of the response to a request that does not pass.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let denial = self.denial.as_ref().filter(|_| !self.passes())?;
        Some(denial.response().status)
    }

    /// For a request whose path or host has no single meaning.
    pub(crate) fn of_fault(denial: Denial, mode: Mode, permits_all: bool) -> Self {
        Self {
            denial: (mode != Mode::Off).then_some(denial),
            ..Self::without_rules(mode, permits_all)
        }
    }

    /// For a request that gets the metadata of the protected resource, whoever sends it.
    pub(crate) fn of_metadata(mode: Mode, permits_all: bool) -> Self {
        Self {
            is_for_metadata: true,
            ..Self::without_rules(mode, permits_all)
        }
    }

    fn without_rules(mode: Mode, permits_all: bool) -> Self {
        Self {
            decisions: Vec::new(),
            passed_over: Vec::new(),
            denial: None,
            mode,
            fault: None,
            caller: None,
            permits_all,
            is_for_metadata: false,
        }
    }
}

/// A request whose rules are known.
#[derive(Debug)]
pub(crate) struct Found<'r> {
    pub(crate) method: &'r Method,
    pub(crate) host: Option<&'r RequestHost>,
    pub(crate) path: &'r RequestPath<'r>,
    pub(crate) access: &'r Access<'r>,
    /// What is wrong with it beside its rules, if anything is.
    pub(crate) beside: Option<Denial>,
}

impl Policy {
    /// Explains what the rules say about a request of this caller.
    pub(crate) fn explain(
        &self,
        found: Found<'_>,
        identity: Result<Option<Verified>, Denial>,
        permits_all: bool,
    ) -> Explanation {
        let caller = identity.as_ref().map(Option::as_ref);
        let mut ruling = found.access.rule_on(caller);
        ruling.add(found.beside, found.access.mode());
        let mut is_decided = false;
        let mut decisions = Vec::new();
        let mut asked = Vec::new();
        for (entry, mode, denial) in found.access.decisions(caller) {
            let is_it = denial.is_some() && mode == ruling.mode && denial == ruling.denial;
            let decides = is_it && !is_decided;
            is_decided |= is_it;
            asked.push(std::ptr::from_ref(entry));
            let of_entry = self.entries().find(|(it, _)| std::ptr::eq(*it, entry));
            if let Some((_, rule)) = of_entry {
                decisions.push(RuleDecision {
                    rule,
                    mode,
                    denial,
                    decides,
                });
            }
        }
        let passed_over = self.entries().filter_map(|(entry, rule)| {
            let fits = entry.is_for_path(found.path.whole());
            let why = match (entry.is_for(found.method), entry.is_for_host(found.host)) {
                (false, _) => "method",
                (_, false) => "host",
                (true, true) => "less_specific",
            };
            let is_asked = asked.contains(&std::ptr::from_ref(entry));
            (fits && !is_asked).then_some(PassedOver { rule, why })
        });
        let passed_over = passed_over.collect();
        let (caller, fault) = match identity {
            Ok(caller) => (caller, None),
            Err(fault) => (None, Some(fault)),
        };
        Explanation {
            decisions,
            passed_over,
            denial: ruling.denial,
            mode: ruling.mode,
            fault,
            caller,
            permits_all,
            is_for_metadata: false,
        }
    }
}
