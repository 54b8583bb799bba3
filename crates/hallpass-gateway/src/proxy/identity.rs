//! The headers that name the verified caller to upstreams: taken out of every request in every spelling, and written anew from the token alone.

use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_resource::{Authorized, TenantHeader, identity_header_value, is_spelling_of};
use hallpass_token::SecurityContext;
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::Value;

use crate::settings::identity::IdentityHeaderSettings;

/// Which they are.
#[derive(Debug)]
pub(crate) struct IdentityNames {
    /// Which settings they are of, for what is kept with tokens.
    number: u64,
    settings: IdentityHeaderSettings,
    /// Each that is taken out, with its counter.
    taken: Vec<(HeaderName, Counter)>,
    /// The lengths of their names, one bit each: most headers are told from them by that.
    lengths: u128,
}

/// What the token of a caller gives for them: made once a token, and kept with it.
#[derive(Debug)]
struct Written {
    number: u64,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Numbers for the names of this process.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// How often callers sent them, by the name that settings have. Clones share the numbers.
pub(crate) type StrippedCounts = Family<StrippedLabels, Counter>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StrippedLabels {
    header: String,
}

/// Names of headers that mean who calls whatever settings say: services behind may believe them from before.
const ALWAYS: [HeaderName; 4] = [
    HeaderName::from_static("x-user-id"),
    HeaderName::from_static("x-username"),
    HeaderName::from_static("x-authorities"),
    HeaderName::from_static("x-client-id"),
];

impl IdentityNames {
    pub(crate) fn new(settings: &IdentityHeaderSettings, counts: &StrippedCounts) -> Self {
        let IdentityHeaderSettings {
            user_id,
            username,
            authorities,
            client_id,
            claims,
            strip,
        } = settings;
        let named = [user_id, username, authorities, client_id];
        let named = named.into_iter().flatten();
        let named = named
            .chain(claims.iter().map(|(name, _)| name))
            .chain(strip);
        let mut names: Vec<HeaderName> = ALWAYS.into_iter().chain(named.cloned()).collect();
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        let counter = |name: &HeaderName| {
            let header = name.to_string();
            counts.get_or_create_owned(&StrippedLabels { header })
        };
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            lengths: names.iter().fold(0, |all, name| all | bit(name)),
            taken: names
                .into_iter()
                .map(|name| {
                    let counter = counter(&name);
                    (name, counter)
                })
                .collect(),
            settings: settings.clone(),
        }
    }

    /// Takes them out, in every spelling.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let suspects = headers.keys().filter(|name| self.lengths & bit(name) != 0);
        let found: Vec<_> = suspects
            .filter_map(|name| Some((name.clone(), self.meant_by(name)?)))
            .collect();
        for (name, counter) in found {
            headers.remove(&name);
            counter.inc();
        }
    }

    /// Whether a header is one of them, in any spelling.
    pub(crate) fn holds(&self, name: &HeaderName) -> bool {
        self.lengths & bit(name) != 0 && self.meant_by(name).is_some()
    }

    fn meant_by(&self, name: &HeaderName) -> Option<&Counter> {
        let is_meant = |it: &&(HeaderName, Counter)| is_spelling_of(name.as_str(), it.0.as_str());
        self.taken.iter().find(is_meant).map(|(_, counter)| counter)
    }

    /// Takes them out and writes those that the verified token of the request speaks of; and the header of the tenant, by what was decided of it.
    /// This is the last change of a request's headers that says anything of its caller.
    pub(crate) fn bear(&self, headers: &mut HeaderMap, authorized: &Authorized) {
        self.strip(headers);
        if let Some((name, ruling)) = authorized.tenant_header() {
            bear_tenant(headers, name, ruling);
        }
        let written = authorized.remembered(
            |written: &Written| written.number == self.number,
            |context| Written {
                number: self.number,
                headers: self.of(context),
            },
        );
        for (name, value) in written.iter().flat_map(|written| &written.headers) {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Each that the token speaks of, with its value.
    fn of(&self, context: &SecurityContext) -> Vec<(HeaderName, HeaderValue)> {
        let claims = context.claims();
        let mut headers = Vec::new();
        let mut set = |name: &Option<HeaderName>, value: Option<HeaderValue>| {
            if let (Some(name), Some(value)) = (name, value) {
                headers.push((name.clone(), value));
            }
        };
        let subject = claims.subject.as_str();
        set(&self.settings.user_id, identity_header_value(subject));
        if self.settings.username.is_some() {
            let names = ["username", "preferred_username"];
            let mut found = names.into_iter();
            let username = found.find_map(|name| claims.extra.get(name)?.as_str());
            set(
                &self.settings.username,
                username.and_then(identity_header_value),
            );
        }
        if self.settings.authorities.is_some() {
            set(&self.settings.authorities, authorities(context));
        }
        let client = context.client_id().map(|client| client.as_str());
        set(
            &self.settings.client_id,
            client.and_then(identity_header_value),
        );
        for (name, claim) in &self.settings.claims {
            let value = claims.extra.get(claim).and_then(text_of);
            if let Some(value) = value {
                headers.push((name.clone(), value));
            }
        }
        headers
    }
}

/// The claim `authorities`, else each scope as `SCOPE_...`, joined by commas: each of them is escaped, so that none can hold a comma.
fn authorities(context: &SecurityContext) -> Option<HeaderValue> {
    let claims = context.claims();
    match claims.extra.get("authorities") {
        Some(Value::Array(values)) => joined(values.iter().filter_map(Value::as_str)),
        _ => {
            let scopes = claims.scope.iter().map(|scope| format!("SCOPE_{scope}"));
            let scopes: Vec<_> = scopes.collect();
            joined(scopes.iter().map(String::as_str))
        }
    }
}

/// A claim as a header has it: texts, numbers and flags, and lists of texts.
fn text_of(claim: &Value) -> Option<HeaderValue> {
    match claim {
        Value::String(text) => identity_header_value(text),
        Value::Number(number) => identity_header_value(&number.to_string()),
        Value::Bool(flag) => identity_header_value(if *flag { "true" } else { "false" }),
        Value::Array(values) => joined(values.iter().filter_map(Value::as_str)),
        Value::Null | Value::Object(_) => None,
    }
}

/// `None` where there is nothing to join, or what is joined is too long for a header.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    const MAX_BYTES: usize = 4_096;
    let mut all = Vec::new();
    for text in texts {
        if !all.is_empty() {
            all.push(b',');
        }
        all.extend_from_slice(identity_header_value(text)?.as_bytes());
    }
    match all.len() {
        1..=MAX_BYTES => HeaderValue::from_bytes(&all).ok(),
        _ => None,
    }
}

fn bear_tenant(headers: &mut HeaderMap, name: HeaderName, ruling: TenantHeader) {
    if ruling == TenantHeader::AsItCame {
        return;
    }
    let is_meant = |it: &&HeaderName| is_spelling_of(it.as_str(), name.as_str());
    let found: Vec<_> = headers.keys().filter(is_meant).cloned().collect();
    for other in found {
        headers.remove(other);
    }
    if let TenantHeader::Set(value) = ruling {
        headers.insert(name, value);
    }
}

/// Names longer than a bit mask is wide share its last bit.
fn bit(name: &HeaderName) -> u128 {
    1 << name.as_str().len().min(127)
}

#[cfg(test)]
mod tests {
    use hallpass_token::{AccessToken, TokenClaims, UnixTime, VerifiedClaims};
    use serde_json::json;

    use super::*;

    fn names(settings: &IdentityHeaderSettings) -> IdentityNames {
        IdentityNames::new(settings, &StrippedCounts::default())
    }

    fn header(name: &str) -> HeaderName {
        name.parse().unwrap()
    }

    #[test]
    fn every_spelling_is_taken_out_whatever_settings_write() {
        let settings = IdentityHeaderSettings {
            user_id: Some(header("X-Principal")),
            username: None,
            claims: vec![(header("X-Tenant-Id"), "tenant".to_owned())],
            strip: vec![header("from-source")],
            ..IdentityHeaderSettings::default()
        };
        let names = names(&settings);
        let mut headers = HeaderMap::new();
        for name in [
            "X-User-Id",
            "x_user_id",
            "X.User.Id",
            "x-username",
            "x-principal",
            "x_principal",
            "x_tenant~id",
            "FROM_SOURCE",
            "x-client.id",
        ] {
            headers.append(header(name), HeaderValue::from_static("forged"));
        }
        headers.append("x-user-id", HeaderValue::from_static("forged too"));
        for name in [
            "x-user-idx",
            "x-principals",
            "authorization",
            "x-request-id",
        ] {
            headers.append(header(name), HeaderValue::from_static("kept"));
        }
        names.strip(&mut headers);
        assert_eq!(headers.len(), 4, "{headers:?}");
        assert!(headers.values().all(|value| value == "kept"));
        assert!(names.holds(&header("x_user-id")));
        assert!(!names.holds(&header("x-user-idx")));
    }

    #[test]
    fn what_is_written_comes_of_the_token_and_cannot_break_a_header() {
        let end = UnixTime::from_secs(9);
        let (issuer, audience) = ("internal".parse().unwrap(), "shop".parse().unwrap());
        let mut claims =
            TokenClaims::new(issuer, "al\u{fc}ce, 100%".parse().unwrap(), audience, end);
        claims.scope = "orders read".parse().unwrap();
        let extra = json!({ "preferred_username": "a\r\nX-User-Id: root", "tenant": "t1", "level": 3, "roles": ["a,b", "c", 7], "deep": {} });
        for (name, value) in extra.as_object().unwrap() {
            claims.extra.insert(name.clone(), value.clone());
        }
        let claimed = ["tenant", "level", "roles", "deep", "absent"];
        let settings = IdentityHeaderSettings {
            claims: claimed
                .map(|it| (header(&format!("x-{it}")), it.to_owned()))
                .into(),
            ..IdentityHeaderSettings::default()
        };
        let context = SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("t"),
        );
        let mut written: Vec<_> = names(&settings)
            .of(&context)
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        written.sort();
        assert_eq!(
            written,
            [
                "x-authorities: SCOPE_orders,SCOPE_read",
                "x-level: 3",
                "x-roles: a%2Cb,c",
                "x-tenant: t1",
                "x-user-id: al%C3%BCce%2C%20100%25",
                "x-username: a%0D%0AX-User-Id:%20root",
            ]
        );
    }
}
