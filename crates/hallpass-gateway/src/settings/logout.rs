//! `gateway.logout`: where callers take their token back.

use hallpass_config::{Key, Kind, Section};
use hallpass_resource::NormalPath;
use hallpass_upstream::EndpointUrl;

/// `logout`: where callers take their token back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutSettings {
    /// `path`: `POST` there, with the token.
    pub path: String,
    /// `report-to`: who is told.
    pub report_to: LogoutReport,
    /// `revoke-url`: the endpoint of the issuer that the token is told to (RFC 7009). `None`: `revoke` beside a token endpoint that
    /// ends with `/token`.
    pub revoke_url: Option<EndpointUrl>,
    /// `credential`: the entry of `internal-token.clients` that tells it.
    pub credential: Option<String>,
}

/// Who is told that a caller has taken its token back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogoutReport {
    /// `issuer`: the issuer of ours, which writes it on its deny-list.
    #[default]
    Issuer,
    /// `redis`: the list of the estate, under the name that `security.internal-jwt.blacklist` looks for.
    Redis,
    /// `both`.
    Both,
}

impl LogoutReport {
    pub(crate) const fn has_issuer(self) -> bool {
        matches!(self, Self::Issuer | Self::Both)
    }

    pub(crate) const fn has_redis(self) -> bool {
        matches!(self, Self::Redis | Self::Both)
    }
}

impl LogoutSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "path",
            Kind::Text { what: "path" },
            "A `POST` there takes the token back that comes with it, and every caller with a good token may send one. It goes before \
            all routes.",
        )
        .or("/logout"),
        Key::new(
            "report-to",
            Kind::Choice(&["issuer", "redis", "both"]),
            "Who is told: the issuer of ours, or the list of logged out tokens in Redis, by the key of `security.internal-jwt.blacklist`, which must look for tokens of the \
            issuer. 204 says that all who are to be told have heard it.",
        )
        .or("issuer"),
        Key::new(
            "revoke-url",
            Kind::Text {
                what: "`https://`, `lb://service/path`, or `http://` to loopback",
            },
            "Where the issuer of ours is told (RFC 7009). Its client, this service, must be allowed to take back tokens of the users' \
            issuer: `may-revoke`.",
        )
        .otherwise("`revoke` beside the token endpoint of `internal-token`, where that ends with `/token`"),
        Key::new(
            "credential",
            Kind::Text {
                what: "letters, digits, `-`, `_`, `.`",
            },
            "The entry of `internal-token.clients` that tells it.",
        )
        .otherwise("that of the section"),
        Key::not_ours("logout-url", "here it is `path`"),
    ];

    /// `Some(None)` where it is not given.
    pub(super) fn read(section: &Section<'_>) -> Option<Option<Self>> {
        if !section.is_given() {
            return Some(None);
        }
        let path = section.checked("path", |text| match NormalPath::parse(text) {
            Ok(path) if path.as_str() == path.decoded() => Ok(text.to_owned()),
            Ok(_) => Err("must be a path without escapes".to_owned()),
            Err(fault) => Err(fault.to_string()),
        });
        let revoke_url = match section.has("revoke-url") {
            true => section.parsed("revoke-url").map(Some),
            false => Some(None),
        };
        let credential = match section.has("credential") {
            true => section.service_name("credential").map(Some),
            false => Some(None),
        };
        let report_to = section.choice("report-to", |name| match name {
            "issuer" => Some(LogoutReport::Issuer),
            "redis" => Some(LogoutReport::Redis),
            "both" => Some(LogoutReport::Both),
            _ => None,
        });
        for key in ["revoke-url", "credential"] {
            if report_to == Some(LogoutReport::Redis) && section.has(key) {
                section.problem(
                    key,
                    "means nothing with `report-to: redis`: no issuer is told",
                );
            }
        }
        Some(Some(Self {
            path: path?,
            report_to: report_to?,
            revoke_url: revoke_url?,
            credential: credential?,
        }))
    }
}
