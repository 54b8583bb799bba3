//! What is looked at, in the order in which it is said.

use serde::{Serialize, Serializer};

/// One check. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Nacos,
    NacosDocuments,
    Configuration,
    PermitAll,
    Certificates,
    Authorities,
    Listen,
    TokenEndpoint,
    Clock,
    Credential,
    Entitlement,
    TokenLife,
    KeySet,
    KeySetAge,
    IssuerName,
    Algorithm,
    TokenKey,
    Audience,
    TokenVerifies,
    Redis,
    RedisTopology,
    RedisMemory,
    Registration,
    Store,
}

impl Check {
    /// Every check, in its order.
    pub(super) const ALL: [Self; 24] = [
        Self::Nacos,
        Self::NacosDocuments,
        Self::Configuration,
        Self::PermitAll,
        Self::Certificates,
        Self::Authorities,
        Self::Listen,
        Self::TokenEndpoint,
        Self::Clock,
        Self::Credential,
        Self::Entitlement,
        Self::TokenLife,
        Self::KeySet,
        Self::KeySetAge,
        Self::IssuerName,
        Self::Algorithm,
        Self::TokenKey,
        Self::Audience,
        Self::TokenVerifies,
        Self::Redis,
        Self::RedisTopology,
        Self::RedisMemory,
        Self::Registration,
        Self::Store,
    ];

    /// Its name, which programs read: names are added, not changed.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nacos => "nacos",
            Self::NacosDocuments => "nacos-documents",
            Self::Configuration => "configuration",
            Self::PermitAll => "permit-all",
            Self::Certificates => "certificates",
            Self::Authorities => "authorities",
            Self::Listen => "listen",
            Self::TokenEndpoint => "token-endpoint",
            Self::Clock => "clock",
            Self::Credential => "credential",
            Self::Entitlement => "entitlement",
            Self::TokenLife => "token-life",
            Self::KeySet => "key-set",
            Self::KeySetAge => "key-set-age",
            Self::IssuerName => "issuer-name",
            Self::Algorithm => "algorithm",
            Self::TokenKey => "token-key",
            Self::Audience => "audience",
            Self::TokenVerifies => "token-verifies",
            Self::Redis => "redis",
            Self::RedisTopology => "redis-topology",
            Self::RedisMemory => "redis-memory",
            Self::Registration => "registration",
            Self::Store => "store",
        }
    }

    /// What it looks at, for the page.
    #[cfg(test)]
    const fn meaning(self) -> &'static str {
        match self {
            Self::Nacos => "a server of `nacos` answers and takes the credential",
            Self::NacosDocuments => {
                "each document of `nacos.config` is there, in the namespace that is named; `optional` ones may be absent"
            }
            Self::Configuration => {
                "files, environment and documents can be used, as `hallpass config check` says it; its warnings are warnings here"
            }
            Self::PermitAll => {
                "`security.permit-all` is off, and it is said in which mode rules are enforced"
            }
            Self::Certificates => {
                "each own certificate is there with its key, and good for at least 14 days, or for a third of its life where that is less"
            }
            Self::Authorities => {
                "each file of authorities can be used, and one of them has not ended; the same times as for certificates"
            }
            Self::Listen => {
                "each address to listen on is one of this machine, and no two of one file want the same port of it (`0.0.0.0` is every address of IPv4, `[::]` every one)"
            }
            Self::TokenEndpoint => {
                "`internal-token.token-url` is reached, every instance of it behind `lb://`: its name, a connection, TLS"
            }
            Self::Clock => {
                "the clock of this machine and the issuer's (its header `Date`) differ by no more than `leeway-seconds` (10), the round trip left out; from 2 s on it is a warning"
            }
            Self::Credential => {
                "the issuer takes each client of `internal-token`: one token is asked for by each; where no section says for whom, that client was NOT tried, and the last line says so"
            }
            Self::Entitlement => {
                "that client may have a token of its own, for the audience and with the scopes that are configured"
            }
            Self::TokenLife => {
                "tokens live longer than `refresh-ahead-seconds`, and as long as `cache-expire-seconds`"
            }
            Self::KeySet => {
                "the keys of each issuer of `security`, and of each of `issuer.trusted-issuers`, are there, from its address or file, and can be used"
            }
            Self::KeySetAge => {
                "no cache on the way holds an old set (`Age` against `Cache-Control`), and it may be held for no longer than an hour"
            }
            Self::IssuerName => {
                "the tokens that this service gets say the `iss` that `security` expects of their issuer"
            }
            Self::Algorithm => {
                "they are signed by an algorithm that `algorithms` of their issuer allows"
            }
            Self::TokenKey => "the key that has signed them (`kid`) is in the key set",
            Self::Audience => {
                "they are for the audience that was asked for, and this service takes tokens for its own name"
            }
            Self::TokenVerifies => {
                "a resource server with these settings accepts one of them: signature, type, times"
            }
            Self::Redis => {
                "each server is reached, takes the password, responds within half of `redis.timeout`, has the database, and does what is asked of it: `SET`, `GETRANGE`, `DEL` where tokens or quotas are kept, `EXISTS` for a blacklist; in a cluster each primary does, of 16 at most"
            }
            Self::RedisTopology => {
                "it is a primary; the sentinels know it and agree; every slot of a cluster has a primary that is reached; there are replicas"
            }
            Self::RedisMemory => {
                "there is room, a full server evicts rather than refuses (and not what must not be lost), and it does not refuse writes because it cannot save"
            }
            Self::Registration => {
                "where this service runs, Nacos names its port among the healthy instances of `service.name`"
            }
            Self::Store => "that of an `issuer` opens, and is as an issuer wrote it",
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_each_check_with_its_meaning_in_the_order_of_the_report() {
        let page = include_str!("../../../../../docs/doctor.md");
        let (_, section) = page.split_once("\n## The checks\n").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let rows: Vec<_> = rows.collect();
        let row = |check: Check| format!("| `{}` | {} |", check.name(), check.meaning());
        let expected: Vec<_> = Check::ALL.into_iter().map(row).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_list_has_each_check_once_and_in_order() {
        assert!(Check::ALL.is_sorted_by(|one, other| one < other));
    }
}
