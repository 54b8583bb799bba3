//! Reads the rules of `security.internal-jwt`: its `routes`, and the paths of `internal-only`.

use std::fmt::Display;

use hallpass_config::{Key, Percent, Section};
use hallpass_token::Scope;
use http::Method;

use super::route_keys::ROUTE_KEYS;
use super::{InternalOnlySettings, spring};
use crate::policy::{
    Actors, Bound, Conditions, HostPattern, Mode, Names, Party, PathPattern, RouteRule, Rule,
};

impl InternalOnlySettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let paths = section.texts("paths", str::parse);
        let scope = section.checked("scope", check_scope);
        let bound = section.choice("bound", Bound::named);
        Some(Self {
            paths: paths?,
            scope: scope?,
            mode: section.choice("mode", Mode::named),
            enforce_percent: section.percent("enforce-percent"),
            bound: bound?,
        })
    }
}

/// `scope` is what internal-only routes demand that name none of their own.
pub(super) fn read_route(section: &Section<'_>, scope: Option<&Scope>) -> Option<RouteRule> {
    let pattern = section.required("path", Section::parsed);
    let methods = some_of(section, "methods", check_method);
    let hosts = some_of(section, "hosts", str::parse);
    let demands = RuleDemands::read(section, scope);
    Some(demands?.for_requests(pattern?, methods?, hosts?))
}

/// What a rule demands, whichever requests it is for: for sections of others in which rules stand beside other keys.
#[derive(Clone, Debug)]
pub struct RuleDemands {
    rule: Rule,
    conditions: Conditions,
    mode: Option<Mode>,
    percent: Option<Percent>,
    written_at: String,
}

impl RuleDemands {
    /// What an internal-only rule demands that names no scope.
    const SCOPE: &str = "internal-service";

    /// The keys of such a section: those of an entry of `security.internal-jwt.routes`, without `path`, `methods` and `hosts`.
    #[must_use]
    pub fn keys() -> Vec<Key> {
        let own = ["path", "methods", "hosts"];
        let keys = ROUTE_KEYS.iter().copied();
        keys.filter(|key| !own.contains(&key.name())).collect()
    }

    /// Reads them. `Some(None)` where there is no `rule`, which is a problem beside other keys of one.
    pub fn read_if_given(section: &Section<'_>) -> Option<Option<Self>> {
        if section.has("rule") {
            return Self::read(section, Scope::from_word(Self::SCOPE).ok().as_ref()).map(Some);
        }
        for key in Self::keys() {
            if section.has(key.name()) {
                section.problem(key.name(), "means nothing without `rule` beside it");
            }
        }
        Some(None)
    }

    fn read(section: &Section<'_>, scope: Option<&Scope>) -> Option<Self> {
        let rule = read_rule(section, scope);
        let mode = section.choice("mode", Mode::named);
        let percent = section.percent("enforce-percent");
        let conditions = read_conditions(section);
        if let (Some(Rule::Anonymous), Some(conditions)) = (&rule, &conditions)
            && conditions.ask_for_a_caller()
        {
            section.problem(
                "rule",
                "asks for no caller, so what the entry demands of one beside means nothing",
            );
        }
        Some(Self {
            rule: rule?,
            conditions: conditions?,
            mode,
            percent,
            written_at: section.written_at(),
        })
    }

    /// The rule that demands this of requests for `pattern` and these methods and hosts; none means all.
    #[must_use]
    pub fn for_requests(
        self,
        pattern: PathPattern,
        methods: Vec<Method>,
        hosts: Vec<HostPattern>,
    ) -> RouteRule {
        let route = RouteRule::new(pattern, self.rule)
            .methods(methods)
            .hosts(hosts)
            .conditions(self.conditions)
            .written_at(&self.written_at);
        let route = match self.mode {
            Some(mode) => route.mode(mode),
            None => route,
        };
        match self.percent {
            Some(percent) => route.enforce_percent(percent),
            None => route,
        }
    }
}

fn read_conditions(section: &Section<'_>) -> Option<Conditions> {
    let names = |key| some_of(section, key, check_name);
    let (roles, any_role) = (names("roles"), names("any-role"));
    let (authorities, any_authority) = (names("authorities"), names("any-authority"));
    let callers = some_of(section, "callers", str::parse);
    let actors = read_actors(section);
    let peers = some_of(section, "peers", str::parse);
    let claims = some_of(section, "claims", str::parse);
    let bound = section.choice("bound", Bound::named);
    Some(Conditions {
        roles: Names {
            all: roles?,
            any: any_role?,
        },
        authorities: Names {
            all: authorities?,
            any: any_authority?,
        },
        callers: Some(callers?).filter(|it| !it.is_empty()),
        actors: actors?,
        peers: Some(peers?).filter(|it| !it.is_empty()),
        claims: claims?,
        bound: bound?,
    })
}

/// A list that demands something. One that is written and empty (of a variable that is not set, perhaps) demands nothing, which
/// its author cannot have meant.
fn some_of<T, E: Display>(
    section: &Section<'_>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Vec<T>> {
    let found = section.texts(key, parse)?;
    if found.is_empty() && section.has(key) {
        section.problem(
            key,
            "must name at least one; leave it out to demand nothing",
        );
        return None;
    }
    Some(found)
}

/// Who may act for a caller: a list, or `none`.
fn read_actors(section: &Section<'_>) -> Option<Actors> {
    if !section.has("actors") {
        return Some(Actors::Any);
    }
    let parties: Vec<Party> = section.texts("actors", str::parse)?;
    match parties.as_slice() {
        [] => {
            section.problem("actors", "must say who may act for a caller, or `none`");
            None
        }
        [only] if only.to_string() == "none" => Some(Actors::Only(Vec::new())),
        _ => Some(Actors::Only(parties)),
    }
}

fn check_name(text: &str) -> Result<String, &'static str> {
    let is_name = !text.is_empty() && !text.contains(char::is_whitespace);
    is_name
        .then(|| text.to_owned())
        .ok_or("must be one name, without spaces")
}

/// The values of `rule`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RuleName {
    Anonymous,
    Authenticated,
    InternalOnly,
    Scopes,
}

impl RuleName {
    fn named(name: &str) -> Option<Self> {
        match name {
            "anonymous" => Some(Self::Anonymous),
            "authenticated" => Some(Self::Authenticated),
            "internal-only" => Some(Self::InternalOnly),
            "scopes" => Some(Self::Scopes),
            _ => None,
        }
    }

    /// The keys that mean something beside this rule alone.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Anonymous | Self::Authenticated => &[],
            Self::InternalOnly => &["scope"],
            Self::Scopes => &["all", "any"],
        }
    }
}

fn read_rule(section: &Section<'_>, default_scope: Option<&Scope>) -> Option<Rule> {
    let rule = section.required("rule", |section, key| {
        section.choice_with_advice(key, RuleName::named, spring::advice)
    });
    let scope = section.checked("scope", check_scope);
    let all = read_scopes(section, "all");
    let any = read_scopes(section, "any");
    let rule = rule?;
    for key in ["scope", "all", "any"] {
        if section.has(key) && !rule.keys().contains(&key) {
            section.problem(key, "means nothing beside this rule");
        }
    }
    match rule {
        RuleName::Anonymous => Some(Rule::Anonymous),
        RuleName::Authenticated => Some(Rule::Authenticated),
        RuleName::InternalOnly => scope
            .or_else(|| default_scope.cloned())
            .map(Rule::InternalOnly),
        RuleName::Scopes => {
            let (all, any) = (all?, any?);
            if all.is_empty() && any.is_empty() {
                section.problem("rule", "demands scopes, in `all` or in `any`");
            }
            Some(Rule::Scopes { all, any })
        }
    }
}

/// The scopes of a list, one an element.
fn read_scopes(section: &Section<'_>, key: &str) -> Option<Scope> {
    let words = section.words(key, |word| match word.starts_with("SCOPE_") {
        true => Err(spring::SCOPE_PREFIX.to_owned()),
        false => Scope::from_word(word).map_err(|error| error.to_string()),
    })?;
    Scope::from_words(words.iter().flat_map(Scope::iter))
        .map_err(|error| section.problem(key, error.to_string()))
        .ok()
}

fn check_method(text: &str) -> Result<Method, &'static str> {
    let is_method = text.len() <= 32 && text.chars().all(|c| c.is_ascii_uppercase());
    let method = Method::from_bytes(text.as_bytes())
        .ok()
        .filter(|_| is_method);
    method.ok_or("must be an HTTP method in capitals")
}

/// One scope. A comma may be part of one by RFC 6749, and here is a slip: Spring reads a list in it.
fn check_scope(text: &str) -> Result<Scope, String> {
    match text.contains(',') {
        true => Err("must be one scope, without a comma".to_owned()),
        false => Scope::from_word(text).map_err(|error| error.to_string()),
    }
}
