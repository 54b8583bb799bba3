//! Reads `security`.

use hallpass_client::ContextSettings;
use hallpass_config::{Production, Section, report_doubles, strict_url};
use hallpass_token::{Algorithm, Algorithms, Audience};
use url::Url;

use super::blacklist::BlacklistSettings;
use super::callers::{CALLER_KEYS, read_callers};
use super::deadline::DeadlineSettings;
use super::denied::DeniedSettings;
use super::dpop::DpopSettings;
use super::introspection::IntrospectionSettings;
use super::mesh::MeshSettings;
use super::revocations::read_revocations;
use super::routes::read_route;
use super::streams::StreamSettings;
use super::{
    IdentityHeaders, InternalJwtSettings, InternalOnlySettings, JwksLocation, PathSettings,
    SecuritySettings, TrustedIssuerSettings,
};
use crate::audit::AuditLevel;
use crate::metadata;
use crate::path::EncodedCharacters;
use crate::policy::{Bound, Mode};

/// What the issuer of the short form is called.
const SHORT_FORM_NAME: &str = "internal";

impl SecuritySettings {
    /// Reads the section below `root`, for a service of this name: tokens must bear it as their audience unless the
    /// section says otherwise.
    pub fn read_for(root: &Section<'_>, service: Option<&Audience>) -> Option<Self> {
        root.section("security")
            .read_all(|section| Self::read_section(section, service))
    }

    fn read_section(section: &Section<'_>, service: Option<&Audience>) -> Option<Self> {
        let permit_all = section.flag("permit-all");
        let production_signal = match section.production() {
            Production::Yes(name) => Some(name.to_owned()),
            Production::No | Production::Unknown => None,
        };
        if permit_all == Some(true) {
            refuse_in_production(section);
        }
        let max_token_bytes = section.count("max-token-bytes");
        let paths = PathSettings::read(&section.section("paths"));
        let deadline = DeadlineSettings::read(&section.section("deadline"));
        let internal_jwt = InternalJwtSettings::read(&section.section("internal-jwt"), service);
        Some(Self {
            permit_all: permit_all?,
            production_signal,
            max_token_bytes: usize::try_from(max_token_bytes?).ok()?,
            paths: paths?,
            deadline: deadline?,
            internal_jwt: internal_jwt?,
            context: ContextSettings::default(),
        })
    }
}

fn refuse_in_production(section: &Section<'_>) {
    match section.production() {
        Production::Yes(name) => section.problem(
            "permit-all",
            format!("is refused: {name} says that this is production"),
        ),
        Production::Unknown => section.problem(
            "permit-all",
            "is refused, because the environment was not looked at for signs of production",
        ),
        Production::No => {}
    }
}

impl InternalJwtSettings {
    fn read(section: &Section<'_>, service: Option<&Audience>) -> Option<Self> {
        let mode = section.choice("mode", mode_or_switch);
        let enforce_percent = section.percent("enforce-percent");
        let audiences = match (service, section.has("audience")) {
            (Some(name), false) => {
                section.record_derived("audience", name.as_str(), "service.name");
                Some(vec![name.clone()])
            }
            (_, true) => read_audiences(section),
            (None, false) => Some(Vec::new()),
        };
        let leeway = section.seconds("leeway-seconds");
        let jwks_cooldown = section.seconds("jwks-cooldown-seconds");
        let issuers =
            TrustedIssuerSettings::read_all(section, audiences.as_deref().unwrap_or_default());
        let internal_only = InternalOnlySettings::read(&section.section("internal-only"));
        let routes = section.sections("routes");
        let scope = internal_only
            .as_ref()
            .map(|internal_only| &internal_only.scope);
        let routes: Vec<_> = routes.iter().map(|it| read_route(it, scope)).collect();
        let identity_headers = section.choice("identity-headers", IdentityHeaders::named);
        let keeps_headers = section.flag("dangerous-keep-identity-headers");
        let audit = section.choice("audit", AuditLevel::named);
        let audit_file = section.file("audit-file");
        let resource = section.checked("resource", check_resource);
        let bound = section.choice("bound", Bound::named);
        let dpop = DpopSettings::read(&section.section("dpop"));
        let streams = StreamSettings::read(section);
        let denied = DeniedSettings::read(&section.section("denied"));
        let blacklist = BlacklistSettings::read_in(section);
        let mesh = MeshSettings::read_in(section);
        Some(Self {
            mode: mode?,
            enforce_percent: enforce_percent?,
            audiences: audiences?,
            leeway: leeway?,
            jwks_cooldown: jwks_cooldown?,
            issuers: issuers?,
            routes: routes.into_iter().collect::<Option<_>>()?,
            internal_only: internal_only?,
            identity_headers: identity_headers?,
            dangerous_keep_identity_headers: keeps_headers?,
            resource,
            bound: bound?,
            audit: audit?,
            audit_file,
            dpop: dpop?,
            streams: streams?,
            denied: denied?,
            blacklist: blacklist?,
            mesh: mesh?,
        })
    }
}

/// A mode by its name, or the switch that it once was.
fn mode_or_switch(name: &str) -> Option<Mode> {
    match name.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(Mode::Enforce),
        "false" | "no" => Some(Mode::Off),
        _ => Mode::named(name),
    }
}

impl PathSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let mut allow_encoded = EncodedCharacters::default();
        for allow in section.texts("allow-encoded", encoded_character)? {
            allow(&mut allow_encoded);
        }
        Some(Self { allow_encoded })
    }
}

/// What allows the characters of this name.
fn encoded_character(name: &str) -> Result<fn(&mut EncodedCharacters), &'static str> {
    match name {
        "slash" => Ok(|it| it.slash = true),
        "backslash" => Ok(|it| it.backslash = true),
        "semicolon" => Ok(|it| it.semicolon = true),
        "percent" => Ok(|it| it.percent = true),
        _ => Err("must be `slash`, `backslash`, `semicolon` or `percent`"),
    }
}

impl TrustedIssuerSettings {
    /// The issuers of the list and the one of the short form.
    fn read_all(section: &Section<'_>, own: &[Audience]) -> Option<Vec<Self>> {
        let listed = section.sections("issuers");
        report_doubles(&listed, "name");
        let mut issuers: Vec<_> = Vec::with_capacity(listed.len());
        for entry in &listed {
            let issuer = Self::read(entry, own);
            if let Some(issuer) = &issuer
                && issuers.iter().flatten().any(|it| issuer.is_like(it))
            {
                let message = "is the same as in an entry before, for the same `audience`";
                entry.problem("issuer", message);
            }
            issuers.push(issuer);
        }
        let has = |keys: &[&str]| keys.iter().any(|key| section.has(key));
        let is_asked = section.section("introspection").is_given();
        if is_asked
            || has(&["issuer", "jwks-url", "jwks-file"])
            || (listed.is_empty() && has(CALLER_KEYS))
        {
            let short_form = Self::read_short_form(section, own);
            report_clashes(section, &issuers, &short_form);
            issuers.push(short_form);
        } else if let Some(key) = CALLER_KEYS.iter().find(|key| section.has(key)) {
            section.problem(
                key,
                "is for the short form: write it in each entry of `issuers`",
            );
        }
        issuers.into_iter().collect()
    }

    /// Whether a token could be for both.
    fn is_like(&self, other: &Self) -> bool {
        let in_common = self.audiences.iter().any(|it| other.audiences.contains(it));
        self.issuer == other.issuer && in_common
    }

    /// `own` are the audiences that `internal-jwt` has for all.
    fn read(section: &Section<'_>, own: &[Audience]) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let issuer = section.required("issuer", Section::parsed);
        let audiences = inherit_audiences(section, own);
        let introspection = IntrospectionSettings::read_in(section);
        let jwks = JwksLocation::read(section);
        let algorithms = section.texts("algorithms", check_algorithm);
        if section.has("algorithms") && algorithms.as_ref().is_some_and(Vec::is_empty) {
            section.problem("algorithms", "is empty: no token would be accepted");
        }
        let internal = section.flag("internal");
        let revocations = read_revocations(section, jwks.as_ref(), internal == Some(true));
        let callers = read_callers(section, own);
        let dangerous_accept_untyped = section.flag("dangerous-accept-untyped");
        Some(Self {
            name: name?,
            issuer: issuer?,
            audiences: audiences?,
            jwks: jwks?,
            introspection: introspection?,
            revocations,
            algorithms: algorithms?.into_iter().collect(),
            internal: internal?,
            callers: callers?,
            dangerous_accept_untyped: dangerous_accept_untyped?,
        })
    }

    fn read_short_form(section: &Section<'_>, own: &[Audience]) -> Option<Self> {
        let issuer = section.parsed("issuer");
        if own.is_empty() && !section.has("audience") {
            section.missing("audience", "is required, here or as service.name");
        }
        let introspection = IntrospectionSettings::read_in(section);
        let jwks = JwksLocation::read(section);
        let revocations = read_revocations(section, jwks.as_ref(), true);
        let callers = read_callers(section, own);
        Some(Self {
            name: SHORT_FORM_NAME.to_owned(),
            issuer: issuer?,
            audiences: (!own.is_empty()).then(|| own.to_vec())?,
            jwks: jwks?,
            introspection: introspection?,
            revocations,
            algorithms: Algorithms::ALL,
            internal: true,
            callers: callers?,
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
        if issuer.name == short_form.name || issuer.is_like(short_form) {
            section.problem("issuer", "of the short form stands among `issuers` already");
        }
    }
}

/// The audiences of an issuer are its own, or else those of the whole section.
fn inherit_audiences(section: &Section<'_>, inherited: &[Audience]) -> Option<Vec<Audience>> {
    if section.has("audience") {
        return read_audiences(section);
    }
    if inherited.is_empty() {
        section.missing(
            "audience",
            "is required, here, in internal-jwt, or as service.name",
        );
        return None;
    }
    let shown: Vec<_> = inherited.iter().map(Audience::as_str).collect();
    section.record_derived("audience", &shown.join(", "), "internal-jwt.audience");
    Some(inherited.to_vec())
}

fn read_audiences(section: &Section<'_>) -> Option<Vec<Audience>> {
    let audiences = section.texts("audience", str::parse)?;
    if audiences.is_empty() {
        section.problem("audience", "must name at least one audience");
        return None;
    }
    Some(audiences)
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
    let algorithm = text.parse().ok();
    let algorithm = algorithm.filter(|algorithm| Algorithm::EVERY.contains(algorithm));
    algorithm.ok_or("must be `ES256`, `EdDSA` or `RS256`")
}

fn check_resource(text: &str) -> Result<Url, &'static str> {
    let resource = strict_url(text).ok_or("is not a URL")?;
    metadata::check_resource(&resource).map(|()| resource)
}
