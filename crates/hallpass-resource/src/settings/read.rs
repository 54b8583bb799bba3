//! Reads `security`.

use url::Url;

use hallpass_config::{Preferred, Production, Section, check_name, report_doubles, strict_url};
use hallpass_token::Algorithm;

use super::{
    IdentityHeaders, InternalJwtSettings, InternalOnlySettings, JwksLocation, RouteAccess,
    RouteSettings, SecuritySettings, TrustedIssuerSettings,
};
use crate::policy::Mode;

/// What the issuer of the short form is called.
const SHORT_FORM_NAME: &str = "internal";

impl SecuritySettings {
    /// Reads the section below `root`, for a service of this name: tokens must bear it as their audience unless the
    /// section says otherwise.
    pub fn read_for(root: &Section<'_>, service: Option<&str>) -> Option<Self> {
        root.section("security")
            .read_all(|section| Self::read_section(section, service))
    }

    fn read_section(section: &Section<'_>, service: Option<&str>) -> Option<Self> {
        let permit_all = section.flag("permit-all");
        let production_signal = match section.production() {
            Production::Yes(name) => Some(name.to_owned()),
            Production::No | Production::Unknown => None,
        };
        if permit_all == Some(true) {
            refuse_in_production(section);
        }
        let internal_jwt = InternalJwtSettings::read(&section.section("internal-jwt"), service);
        Some(Self {
            permit_all: permit_all?,
            production_signal,
            internal_jwt: internal_jwt?,
        })
    }
}

fn refuse_in_production(section: &Section<'_>) {
    match section.production() {
        Production::Yes(name) => section.problem(
            "permit-all",
            format!("is refused: {name} in the environment says that this is production"),
        ),
        Production::Unknown => section.problem(
            "permit-all",
            "is refused, because the environment was not looked at for signs of production",
        ),
        Production::No => {}
    }
}

impl InternalJwtSettings {
    fn read(section: &Section<'_>, service: Option<&str>) -> Option<Self> {
        let mode = section.choice("mode", Mode::named);
        let audience = match (service, section.has("audience")) {
            (Some(name), false) => {
                section.record_derived("audience", name, "service.name");
                Some(name.to_owned())
            }
            _ => section.name("audience"),
        };
        let leeway = section.seconds("leeway-seconds");
        let jwks_cooldown = section.seconds("jwks-cooldown-seconds");
        let issuers = TrustedIssuerSettings::read_all(section, audience.as_deref());
        let internal_only = InternalOnlySettings::read(&section.section("internal-only"));
        let routes = section.sections("routes");
        let scope = internal_only
            .as_ref()
            .map_or("", |internal_only| &internal_only.scope);
        let routes: Vec<_> = routes
            .iter()
            .map(|route| RouteSettings::read(route, scope))
            .collect();
        let identity_headers = section.choice("identity-headers", IdentityHeaders::named);
        let resource = section.checked("resource", check_resource);
        Some(Self {
            mode: mode?,
            audience,
            leeway: leeway?,
            jwks_cooldown: jwks_cooldown?,
            issuers: issuers?,
            routes: routes.into_iter().collect::<Option<_>>()?,
            internal_only: internal_only?,
            identity_headers: identity_headers?,
            resource,
        })
    }
}

impl TrustedIssuerSettings {
    /// The issuers of the list and the one of the short form.
    fn read_all(section: &Section<'_>, audience: Option<&str>) -> Option<Vec<Self>> {
        let listed = section.sections("issuers");
        report_doubles(&listed, "name");
        report_doubles(&listed, "issuer");
        let mut issuers: Vec<_> = listed
            .iter()
            .map(|issuer| Self::read(issuer, audience))
            .collect();
        let has_short_form = ["issuer", "jwks-url", "jwks-file"]
            .iter()
            .any(|key| section.has(key));
        if has_short_form {
            let short_form = Self::read_short_form(section, audience);
            report_clashes(section, &issuers, &short_form);
            issuers.push(short_form);
        }
        issuers.into_iter().collect()
    }

    fn read(section: &Section<'_>, audience: Option<&str>) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let issuer = section.required("issuer", Section::name);
        let audience = read_audience(section, audience);
        let jwks = JwksLocation::read(section);
        let algorithms = section.texts("algorithms", check_algorithm);
        let internal = section.flag("internal");
        let dangerous_accept_untyped = section.flag("dangerous-accept-untyped");
        Some(Self {
            name: name?,
            issuer: issuer?,
            audience: audience?,
            jwks: jwks?,
            algorithms: algorithms?,
            internal: internal?,
            dangerous_accept_untyped: dangerous_accept_untyped?,
        })
    }

    fn read_short_form(section: &Section<'_>, audience: Option<&str>) -> Option<Self> {
        let issuer = section.name("issuer");
        if audience.is_none() {
            section.missing("audience", "is required, here or as service.name");
        }
        let jwks = JwksLocation::read(section);
        Some(Self {
            name: SHORT_FORM_NAME.to_owned(),
            issuer: issuer?,
            audience: audience?.to_owned(),
            jwks: jwks?,
            algorithms: Algorithm::EVERY.to_vec(),
            internal: true,
            dangerous_accept_untyped: false,
        })
    }
}

/// Reports the short form if the list has an issuer of its name or its `iss` already.
fn report_clashes(
    section: &Section<'_>,
    listed: &[Option<TrustedIssuerSettings>],
    short_form: &Option<TrustedIssuerSettings>,
) {
    let Some(short_form) = short_form else {
        return;
    };
    for issuer in listed.iter().flatten() {
        if issuer.name == short_form.name || issuer.issuer == short_form.issuer {
            section.problem("issuer", "of the short form stands among `issuers` already");
        }
    }
}

/// The audience of an issuer is its own, or else that of the whole section.
fn read_audience(section: &Section<'_>, inherited: Option<&str>) -> Option<String> {
    match (section.has("audience"), inherited) {
        (true, _) => section.name("audience"),
        (false, Some(audience)) => {
            section.record_derived("audience", audience, "internal-jwt.audience");
            Some(audience.to_owned())
        }
        (false, None) => {
            section.missing(
                "audience",
                "is required, here, in internal-jwt, or as service.name",
            );
            None
        }
    }
}

impl JwksLocation {
    fn read(section: &Section<'_>) -> Option<Self> {
        if !section.has("jwks-url") && !section.has("jwks-file") {
            section.missing("jwks-url", "is required, or jwks-file");
        }
        match section.prefer("jwks-url", "jwks-file")? {
            Preferred::First => section.parsed("jwks-url").map(Self::Url),
            Preferred::Second => section.file("jwks-file").map(Self::File),
        }
    }
}

impl InternalOnlySettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let paths = section.texts("paths", check_pattern);
        let scope = section.checked("scope", check_scope_token);
        Some(Self {
            paths: paths?,
            scope: scope?,
        })
    }
}

impl RouteSettings {
    /// `scope` is what internal-only routes demand that name none of their own.
    fn read(section: &Section<'_>, scope: &str) -> Option<Self> {
        let path = section.required("path", |section, key| section.checked(key, check_pattern));
        let methods = section.texts("methods", check_method);
        let access = RouteAccess::read(section, scope);
        let mode = section.choice("mode", Mode::named);
        Some(Self {
            path: path?,
            methods: methods?,
            access: access?,
            mode,
        })
    }
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

impl RouteAccess {
    fn read(section: &Section<'_>, default_scope: &str) -> Option<Self> {
        let rule = section.required("rule", |section, key| section.choice(key, RuleName::named));
        let scope = section.checked("scope", check_scope_token);
        let all = section.texts("all", check_scope_token);
        let any = section.texts("any", check_scope_token);
        let rule = rule?;
        for key in ["scope", "all", "any"] {
            if section.has(key) && !rule.keys().contains(&key) {
                section.problem(key, "means nothing beside this rule");
            }
        }
        match rule {
            RuleName::Anonymous => Some(Self::Anonymous),
            RuleName::Authenticated => Some(Self::Authenticated),
            RuleName::InternalOnly => Some(Self::InternalOnly {
                scope: scope.unwrap_or_else(|| default_scope.to_owned()),
            }),
            RuleName::Scopes => {
                let (all, any) = (all?, any?);
                if all.is_empty() && any.is_empty() {
                    section.problem("rule", "demands scopes, in `all` or in `any`");
                }
                Some(Self::Scopes { all, any })
            }
        }
    }
}

impl IdentityHeaders {
    fn named(name: &str) -> Option<Self> {
        match name {
            "strip" => Some(Self::Strip),
            "set" => Some(Self::Set),
            _ => None,
        }
    }
}

fn check_algorithm(text: &str) -> Result<Algorithm, &'static str> {
    text.parse()
        .map_err(|_| "must be `ES256`, `EdDSA` or `RS256`")
}

/// One scope-token of RFC 6749 section 3.3.
fn check_scope_token(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    match check_name(text) {
        Ok(_) if !text.chars().all(allowed) => {
            Err("is no scope: visible ASCII characters without quotes and backslashes")
        }
        name => name,
    }
}

fn check_method(text: &str) -> Result<String, &'static str> {
    let is_method =
        !text.is_empty() && text.len() <= 32 && text.chars().all(|c| c.is_ascii_uppercase());
    let message = "must be an HTTP method in capitals";
    is_method.then(|| text.to_owned()).ok_or(message)
}

fn check_pattern(text: &str) -> Result<String, &'static str> {
    let segments = text.strip_prefix('/').ok_or("must begin with a slash")?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\'))
    {
        return Err("must be a path without query, fragment, spaces and backslashes");
    }
    let segments: Vec<_> = segments.split('/').collect();
    let is_tail = |segment: &&str| *segment == "**" || segment.starts_with("{*");
    match segments.split_last() {
        Some((_, before)) if before.iter().any(is_tail) => {
            Err("must have `**` or `{*name}` at its end alone")
        }
        _ => check_name(text),
    }
}

fn check_resource(text: &str) -> Result<Url, &'static str> {
    let url = strict_url(text).filter(|url| url.scheme() == "https" && url.has_host());
    let url = url.ok_or("must be an https URL")?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must not hold a user name, a password or a fragment");
    }
    Ok(url)
}
