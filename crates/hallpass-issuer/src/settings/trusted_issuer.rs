//! `issuer.trusted-issuers`: other issuers that this one believes.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use hallpass_config::{Key, Kind, Preferred, Section};
use hallpass_resource::{CallerMapping, caller_changes};
use hallpass_tls::ClientTlsSettings;
use hallpass_token::{Algorithm, Algorithms, Audience, Issuer};
use hallpass_upstream::EndpointUrl;

use self::preset::Preset;
use crate::spiffe;

mod preset;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text { what: "letters, digits, `-`, `_`, `.`" },
        "Unique in the list; metrics and logs name the issuer by it, and so do subjects of tokens here: the `sub` of an exchanged \
        token is `NAME|SUB`, so that nobody of another issuer is taken for somebody of this one. Its own words stand in `sub_id` \
        (RFC 9493).",
    )
    .required(),
    Key::new(
        "issuer",
        Kind::Text { what: "" },
        "The exact value of `iss`; of `spiffe` the trust domain, `spiffe://prod.example`, whatever `iss` its tokens have.",
    )
    .otherwise("required, but for the presets `kubernetes` and `github`"),
    Key::new(
        "jwks-url",
        Kind::Text { what: "`https://`, or `http://` to loopback" },
        "Where its public keys are fetched.",
    )
    .otherwise("what `.well-known/openid-configuration` below an `issuer` that is a URL says"),
    Key::new("jwks-file", Kind::File, "The file that its public keys are read from instead."),
    Key::new(
        "jwks-bearer-file",
        Kind::File,
        "The file of a bearer token that is sent with requests for its keys, read anew each time: to the host of `jwks-url`, or else of \
        `issuer`. Where the document of `issuer` names another host for its keys, that one is asked without it.",
    )
    .otherwise("none; of `kubernetes` that of the pod's service account"),
    Key::new("tls", Kind::Section(TLS_KEYS), "How the connection to its keys is protected."),
    Key::new(
        "algorithms",
        Kind::Texts { what: "`ES256`, `EdDSA`, `RS256`, `ES384`, `PS256`" },
        "Signature algorithms accepted from it.",
    )
    .otherwise("ES256, EdDSA, RS256; of `kubernetes` RS256, ES256, ES384, of `spiffe` these and PS256, of `github` RS256, of `aws` ES384, RS256"),
    Key::new(
        "audiences",
        Kind::Texts { what: "audiences" },
        "What its tokens must bear in `aud` to be for this issuer: one of these. Tokens that were made for a service are exchanged \
        by rules that name it in `subject-audiences`.",
    )
    .otherwise("`name` of this issuer, and the URL of its token endpoint"),
    Key::new(
        "max-age-seconds",
        Kind::seconds(1, 31_536_000),
        "How old a token of it may be (`iat`), however long it lives. Without it, an assertion that counts once may live for an hour.",
    )
    .otherwise("as old as its `exp` allows; of `kubernetes` and `spiffe` 1h"),
    Key::new(
        "preset",
        Kind::Choice(preset::NAMES),
        "Which product writes its tokens, and so how a service's is told from a user's, as in `security.internal-jwt.issuers`; or \
        `kubernetes` (tokens of service accounts), `spiffe` (JWT-SVIDs), `github` (Actions), `aws` (outbound federation), with what \
        is usual there.",
    )
    .or("hallpass"),
    Key::new("client-claims", Kind::Texts { what: "claims" }, "The claims that name the client a token was issued to.")
        .otherwise("that of `preset`"),
    Key::new("service-when", Kind::Texts { what: "marks" }, "Marks of a service's token, as in `security.internal-jwt.issuers`.")
        .otherwise("that of `preset`"),
    Key::new("user-when", Kind::Texts { what: "marks" }, "Marks of a user's token, written likewise.")
        .otherwise("that of `preset`"),
    Key::new(
        "assertion-use",
        Kind::Choice(&["once", "again"]),
        "Whether an assertion of it (`grant: jwt-bearer`, `assertions` of a client) counts `once`, by its `jti`, which is remembered \
        until it ends; or `again` and again until it is as old as `max-age-seconds`, which is required then: whoever sees one can use \
        it so long.",
    )
    .otherwise("`once`; of `kubernetes` and `spiffe` `again`, since theirs are shown many times by design"),
    Key::new(
        "accept-sub-profile",
        Kind::Flag,
        "Whether the claim `sub_profile: service` in its tokens makes their subject a service for which somebody acts, as it does in \
        tokens of Hallpass. Of other issuers anybody who may write a claim into a token could choose it.",
    )
    .otherwise("`false`; with `preset: hallpass` written out `true`"),
    Key::new(
        "dangerous-accept-untyped",
        Kind::Flag,
        "Takes tokens whose `typ` is not `at+jwt` (RFC 9068 section 2.1), as Spring and Keycloak write them. ID tokens are then \
        told by their claims alone.",
    )
    .or("false"),
    Key::new(
        "dangerous-plain-subjects",
        Kind::Flag,
        "Takes over its `sub` as it is, without `NAME|` before it. Whoever it calls like somebody else here is then taken for \
        that one; only a name that is a client's, or begins as those of another entry do, is refused. One entry of the list may have it.",
    )
    .or("false"),
];

const TLS_KEYS: &[Key] = &[
    Key::new("ca-file", Kind::File, "PEM: authorities that its certificate may come from, beside those of the operating system.")
        .otherwise("none"),
    Key::new(
        "system-roots",
        Kind::Flag,
        "Whether the authorities of the operating system are trusted too. `false`: those in `ca-file` alone.",
    )
    .or("true"),
    Key::new("certificate-file", Kind::File, "PEM: the certificate that is shown when it asks for one.").otherwise("none is shown"),
    Key::new("private-key-file", Kind::File, "PEM, not encrypted: the private key of that certificate.")
        .otherwise("required with `certificate-file`"),
];

/// Another issuer that this one believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuerSettings {
    /// `name`: unique in the list; stands before its subjects, and in metrics and logs.
    pub name: String,
    /// `issuer`: the exact value of `iss`.
    pub issuer: Issuer,
    /// `jwks-url` or `jwks-file`: where its public keys are.
    pub keys: KeyPlace,
    /// `jwks-bearer-file`: what is sent along with requests for its keys.
    pub jwks_bearer_file: Option<PathBuf>,
    /// `tls`: how the connection to its keys is protected.
    pub tls: ClientTlsSettings,
    /// `algorithms`: signature algorithms accepted from it.
    pub algorithms: Algorithms,
    /// `audiences`: what its tokens must bear in `aud`; empty: the name of this issuer or its token endpoint.
    pub audiences: Vec<Audience>,
    /// `max-age-seconds`: how old its tokens may be.
    pub max_age: Option<Duration>,
    /// `preset`, `client-claims`, `service-when` and `user-when`: how its tokens say whom they are about.
    pub callers: CallerMapping,
    /// `assertion-use`: whether an assertion counts as often as it comes, and not once.
    pub assertions_again: bool,
    /// `accept-sub-profile`: whether its claim `sub_profile: service` makes a subject a service, as in tokens of ours.
    pub accept_sub_profile: bool,
    /// `dangerous-accept-untyped`: takes tokens whose `typ` is not `at+jwt`.
    pub dangerous_accept_untyped: bool,
    /// `dangerous-plain-subjects`: takes over its `sub` as it is.
    pub dangerous_plain_subjects: bool,
}

/// Where the public keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// Where its document `.well-known/openid-configuration` says (OpenID Discovery 1.0).
    Discovered,
    /// Fetched from a URL.
    Url(EndpointUrl),
    /// Read from a file.
    File(PathBuf),
}

impl TrustedIssuerSettings {
    /// An issuer whose document says where its keys are, with the defaults of the section.
    #[must_use]
    pub fn new(name: impl Into<String>, issuer: Issuer) -> Self {
        Self {
            name: name.into(),
            issuer,
            keys: KeyPlace::Discovered,
            jwks_bearer_file: None,
            tls: ClientTlsSettings::default(),
            algorithms: Algorithms::ALL,
            audiences: Vec::new(),
            max_age: None,
            callers: CallerMapping::default(),
            assertions_again: false,
            accept_sub_profile: false,
            dangerous_accept_untyped: false,
            dangerous_plain_subjects: false,
        }
    }

    /// `own` is this issuer's own name, when that can be read.
    pub(super) fn read(section: &Section<'_>, own: Option<&Issuer>) -> Option<Self> {
        let preset = section.choice("preset", Preset::named);
        let name = section.required("name", Section::service_name);
        let issuer = read_issuer(section, preset, own);
        let keys = issuer
            .as_ref()
            .and_then(|issuer| KeyPlace::read(section, preset, issuer));
        let is_elsewhere = section.has("jwks-url") || section.has("jwks-file");
        let usual = preset.filter(|_| !is_elsewhere);
        let bearer = section.file("jwks-bearer-file");
        let tls = read_tls(section, usual);
        let algorithms = match section.has("algorithms") {
            true => section
                .texts("algorithms", check_algorithm)
                .map(Algorithms::from_iter),
            false => preset.map(Preset::algorithms),
        };
        let audiences = section.texts("audiences", str::parse::<Audience>);
        if algorithms.is_some_and(Algorithms::is_empty) {
            section.problem("algorithms", "is empty: no token would be accepted");
        }
        if section.has("audiences") && audiences.as_ref().is_some_and(Vec::is_empty) {
            section.problem("audiences", "is empty: leave it out for this issuer's name");
        }
        let max_age = section.seconds("max-age-seconds");
        let max_age = max_age.or_else(|| preset.and_then(Preset::max_age));
        let again = match section.has("assertion-use") {
            true => section.choice("assertion-use", is_again),
            false => preset.map(Preset::is_used_again),
        };
        if again == Some(true) && max_age.is_none() {
            section.missing("max-age-seconds", "is required with `assertion-use: again`");
        }
        let changes = caller_changes(section);
        let callers = preset.zip(changes);
        let callers = callers.map(|(preset, changes)| changes(preset.callers()));
        let sub_profile = match section.has("accept-sub-profile") {
            true => section.flag("accept-sub-profile"),
            // Not where it is the preset of those that name none.
            false => Some(section.has("preset") && preset.is_some_and(Preset::is_ours)),
        };
        let untyped = section.flag("dangerous-accept-untyped");
        let plain = section.flag("dangerous-plain-subjects");
        Some(Self {
            name: name?,
            issuer: issuer?,
            keys: keys?,
            jwks_bearer_file: bearer.or_else(|| usual.and_then(Preset::bearer_file)),
            tls: tls?,
            algorithms: algorithms?,
            audiences: audiences.unwrap_or_default(),
            max_age,
            callers: callers?,
            assertions_again: again?,
            accept_sub_profile: sub_profile?,
            dangerous_accept_untyped: untyped?,
            dangerous_plain_subjects: plain?,
        })
    }
}

fn is_again(text: &str) -> Option<bool> {
    match text {
        "once" => Some(false),
        "again" => Some(true),
        _ => None,
    }
}

/// By its key, else what all of the preset are called.
fn read_issuer(
    section: &Section<'_>,
    preset: Option<Preset>,
    own: Option<&Issuer>,
) -> Option<Issuer> {
    let is_of_spiffe = preset == Some(Preset::Spiffe);
    if section.has("issuer") {
        return section.checked("issuer", |text| {
            if is_of_spiffe && spiffe::trust_domain(text) != Some(text) {
                return Err("must be a trust domain such as `spiffe://prod.example`".to_owned());
            }
            check_issuer(text, own)
        });
    }
    let usual = preset.and_then(Preset::issuer);
    if usual.is_none() {
        section.missing("issuer", "is required");
    }
    let usual: Issuer = usual?.parse().ok()?;
    section.record_derived("issuer", usual.as_str(), "preset");
    Some(usual)
}

/// A cluster is trusted by its own authority alone, as its pods do.
fn read_tls(section: &Section<'_>, usual: Option<Preset>) -> Option<ClientTlsSettings> {
    let tls = section.section("tls");
    let ca_file = usual.and_then(Preset::ca_file).filter(|_| !tls.is_given());
    match ca_file {
        Some(ca_file) => Some(ClientTlsSettings {
            system_roots: false,
            ca_file: Some(ca_file),
            key_pair: None,
        }),
        None => ClientTlsSettings::read(&tls),
    }
}

/// Two entries for one `iss`, or two whose subjects stand as they are, could not be told apart.
pub(super) fn report_alike(sections: &[Section<'_>], read: &[Option<TrustedIssuerSettings>]) {
    let entries: Vec<_> = sections.iter().zip(read).collect();
    for (index, (section, entry)) in entries.iter().enumerate() {
        let Some(entry) = entry else { continue };
        let before = entries.iter().take(index);
        for other in before.filter_map(|(_, other)| other.as_ref()) {
            if other.issuer == entry.issuer {
                section.problem("issuer", "is the same as in an entry before");
            }
            if other.dangerous_plain_subjects && entry.dangerous_plain_subjects {
                let message = "is set in an entry before: nothing would tell their subjects apart";
                section.problem("dangerous-plain-subjects", message);
            }
        }
    }
}

impl KeyPlace {
    fn read(section: &Section<'_>, preset: Option<Preset>, issuer: &Issuer) -> Option<Self> {
        if !section.has("jwks-url") && !section.has("jwks-file") {
            if let Some(usual) = preset.and_then(Preset::jwks_url) {
                section.record_derived("jwks-url", usual, "preset");
                return check_place(usual).ok().map(Self::Url);
            }
            let is_url = check_place(issuer.as_str()).is_ok();
            if !is_url {
                let message = "is required, or jwks-file, unless `issuer` is an https URL";
                section.missing("jwks-url", message);
            }
            return is_url.then_some(Self::Discovered);
        }
        match section.prefer("jwks-url", "jwks-file")? {
            Preferred::First => section.checked("jwks-url", check_place).map(Self::Url),
            Preferred::Second => section.file("jwks-file").map(Self::File),
        }
    }
}

fn check_place(text: &str) -> Result<EndpointUrl, String> {
    match text.parse() {
        Ok(EndpointUrl::LoadBalanced { .. }) => {
            Err("must be an https URL, or http to a loopback address".to_owned())
        }
        Ok(url) => Ok(url),
        Err(error) => Err(format!("{error}")),
    }
}

fn check_issuer(text: &str, own: Option<&Issuer>) -> Result<Issuer, String> {
    let issuer = Issuer::from_str(text).map_err(|error| error.to_string())?;
    match own {
        Some(own) if *own == issuer => Err("is the `name` of this issuer itself".to_owned()),
        _ => Ok(issuer),
    }
}

fn check_algorithm(text: &str) -> Result<Algorithm, &'static str> {
    text.parse()
        .map_err(|_| "must be `ES256`, `EdDSA`, `RS256`, `ES384` or `PS256`")
}
