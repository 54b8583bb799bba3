//! Which headers go on with the work, and how much of them.

use std::sync::Arc;

use hallpass_upstream::is_for_a_secret;
use http::{HeaderMap, HeaderName};
use thiserror::Error;

use self::of_one_hop::is_of_one_hop;
use super::carried::Carried;

mod of_one_hop;

/// Headers that a list may have at most.
const MAX_NAMES: usize = 16;

/// The headers that travel beside the identity. An empty list, the default, lets none.
///
/// ```
/// use hallpass_client::context::AllowList;
///
/// let list = AllowList::new(["X-Tenant-Id", "TX_XID"])?;
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-tenant-id", "north".parse()?);
/// headers.insert("x-internal-note", "stays here".parse()?);
/// let carried = list.read(&headers)?;
/// assert_eq!(carried.iter().count(), 1);
/// assert!(AllowList::new(["Cookie"]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList {
    names: Arc<[HeaderName]>,
    max_value_bytes: usize,
    max_bytes: usize,
}

/// Why a name cannot stand on an [`AllowList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllowListError {
    /// It is none of a header (RFC 9110 section 5.1).
    #[error("is no name of a header")]
    NotAName,
    /// It may bear a credential, by its name: whose identity a call carries is said elsewhere, and another service has no use for it.
    #[error("may bear a secret, which is never handed on")]
    Secret,
    /// It belongs to one hop: it says who calls, what a message is, how it travels, or (`tri-...`) which service it is for.
    #[error("belongs to one hop: each request has its own")]
    OfOneHop,
    /// There are more than 16.
    #[error("are more than 16 headers")]
    TooMany,
    /// Two of them differ by the sign for a hyphen alone (`X-Tenant-Id`, `X_Tenant_Id`): programs behind may read either for the other, and what
    /// is judged under one name would go on under its double.
    #[error(
        "have two spellings of one name, which programs take for each other: write the one that is sent"
    )]
    TwoSpellings,
}

/// Why the context that a request brings is refused. No value is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CarriedFault {
    /// A value is longer than may be.
    #[error("the header {0} is longer than may be carried on")]
    TooLong(HeaderName),
    /// All together are longer than may be.
    #[error("the headers to be carried on are longer together than may be")]
    TooMuch,
    /// The header stands there twice: which one counts is not known.
    #[error("the header {0} is there more than once")]
    Several(HeaderName),
    /// Another byte than visible ASCII and a space is in it.
    #[error("the header {0} has a character that is not printable ASCII")]
    NotPrintable(HeaderName),
}

impl CarriedFault {
    /// Whether less of the same would have passed.
    #[must_use]
    pub const fn is_too_long(&self) -> bool {
        matches!(self, Self::TooLong(_) | Self::TooMuch)
    }
}

impl Default for AllowList {
    fn default() -> Self {
        Self {
            names: Arc::new([]),
            max_value_bytes: Self::DEFAULT_MAX_VALUE_BYTES,
            max_bytes: Self::DEFAULT_MAX_BYTES,
        }
    }
}

impl AllowList {
    /// The longest value, in bytes, unless [`limits`](Self::limits) says otherwise.
    pub const DEFAULT_MAX_VALUE_BYTES: usize = 256;
    /// All values together, in bytes.
    pub const DEFAULT_MAX_BYTES: usize = 2_048;

    /// A list of these names, in any case.
    ///
    /// # Errors
    /// [`AllowListError`] of the first name that cannot stand on a list: of a secret, of an identity, of the framing of messages, in a second spelling.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, AllowListError> {
        let mut list: Vec<HeaderName> = Vec::new();
        for name in names {
            let name = Self::check(name)?;
            match list.iter().find(|it| plain(it) == plain(&name)) {
                Some(same) if *same == name => {}
                Some(_) => return Err(AllowListError::TwoSpellings),
                None => list.push(name),
            }
        }
        if list.len() > MAX_NAMES {
            return Err(AllowListError::TooMany);
        }
        Ok(Self {
            names: list.into(),
            ..Self::default()
        })
    }

    /// The same with other limits, in bytes: of one value, and of all together.
    #[must_use]
    pub fn limits(self, max_value_bytes: usize, max_bytes: usize) -> Self {
        Self {
            max_value_bytes,
            max_bytes,
            ..self
        }
    }

    /// The name, if it may stand on a list.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(name: &str) -> Result<HeaderName, AllowListError> {
        let not_a_name = |_| AllowListError::NotAName;
        let name: HeaderName = name.parse().map_err(not_a_name)?;
        let plain = plain(&name);
        if is_of_one_hop(&plain) {
            return Err(AllowListError::OfOneHop);
        }
        match is_for_a_secret(&plain.parse().map_err(not_a_name)?) {
            true => Err(AllowListError::Secret),
            false => Ok(name),
        }
    }

    /// The names, in lower case, as they were given.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// Whether nothing is carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a header of this name may travel.
    #[must_use]
    pub fn allows(&self, name: &HeaderName) -> bool {
        self.names.contains(name)
    }

    /// Whether a header travels that programs behind may take for this one: of its name, whatever sign either has for a hyphen.
    #[must_use]
    pub fn allows_spelling_of(&self, name: &HeaderName) -> bool {
        self.names.iter().any(|it| plain(it) == plain(name))
    }

    /// What a request brings of it. A header whose value is empty brings nothing: by that proxies say that there is none.
    ///
    /// # Errors
    /// [`CarriedFault`]: a request that says what is not clear is refused rather than carried on in part.
    pub fn read(&self, headers: &HeaderMap) -> Result<Carried, CarriedFault> {
        let mut kept = Vec::new();
        let mut bytes = 0;
        for name in self.names.iter() {
            let mut values = headers.get_all(name).iter();
            let Some(value) = values.next() else {
                continue;
            };
            if values.next().is_some() {
                return Err(CarriedFault::Several(name.clone()));
            }
            if value.is_empty() {
                continue;
            }
            if value.len() > self.max_value_bytes {
                return Err(CarriedFault::TooLong(name.clone()));
            }
            if !value
                .as_bytes()
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~'))
            {
                return Err(CarriedFault::NotPrintable(name.clone()));
            }
            bytes += value.len();
            if bytes > self.max_bytes {
                return Err(CarriedFault::TooMuch);
            }
            kept.push((name.clone(), value.clone()));
        }
        // The names of a list are each there once.
        Ok(kept.into_iter().collect())
    }

    /// Whether a value that code has put into the context may leave.
    #[must_use]
    pub fn takes(&self, carried: &Carried) -> bool {
        let lengths = carried.iter().map(|(_, value)| value.len());
        let (longest, all) = lengths.fold((0, 0), |(longest, all), it| (it.max(longest), all + it));
        longest <= self.max_value_bytes && all <= self.max_bytes
    }
}

/// A name as programs behind may read it: any other sign as a hyphen.
fn plain(name: &HeaderName) -> String {
    let is_sign = |sign: char| !sign.is_ascii_alphanumeric();
    name.as_str().replace(is_sign, "-")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn list() -> AllowList {
        AllowList::new([
            "X-Tenant-Id",
            "X-Gray-Tag",
            "Accept-Language",
            "TX_XID",
            "dubbo.tag",
            "shop-region",
        ])
        .unwrap()
    }

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_is_listed_is_carried_and_nothing_else() {
        let headers = headers(&[
            ("x-tenant-id", "north"),
            ("TX_XID", "192.0.2.7:8091:42"),
            ("tx-xid", "another header"),
            ("dubbo.tag", "gray"),
            ("X-Tenant", "no"),
            ("authorization", "Bearer x"),
            ("x-internal-note", "stays"),
        ]);
        let carried = list().read(&headers).unwrap();
        let mut names: Vec<_> = carried.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["dubbo.tag", "tx_xid", "x-tenant-id"]);
        assert_eq!(carried.get("TX_XID").unwrap(), "192.0.2.7:8091:42");
        assert!(AllowList::default().read(&headers).unwrap().is_empty());
        assert!(list().read(&HeaderMap::new()).unwrap().is_empty());
    }

    /// As most proxies say that a request has no such header.
    #[test]
    fn an_empty_value_is_none() {
        let headers = headers(&[("x-tenant-id", ""), ("TX_XID", "7")]);
        let carried = list().read(&headers).unwrap();
        let names: Vec<_> = carried.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tx_xid"]);
    }

    #[test]
    fn two_spellings_of_one_name_stand_on_no_list() {
        for other in ["X_Tenant_Id", "x.tenant-id", "X~Tenant~Id"] {
            let list = AllowList::new(["X-Tenant-Id", other]);
            assert_eq!(list, Err(AllowListError::TwoSpellings), "{other}");
        }
        let twice = AllowList::new(["X-Tenant-Id", "x-tenant-id"]).unwrap();
        assert_eq!(twice.names().len(), 1);
        let spelled = HeaderName::from_static("x_tenant_id");
        assert!(!twice.allows(&spelled) && twice.allows_spelling_of(&spelled));
        assert!(!twice.allows_spelling_of(&HeaderName::from_static("x-tenant-ids")));
    }

    #[test]
    fn a_name_that_bears_a_secret_or_belongs_to_one_hop_stands_on_no_list() {
        for (name, fault) in [
            ("Authorization", AllowListError::Secret),
            ("Proxy-Authorization", AllowListError::Secret),
            ("Cookie", AllowListError::Secret),
            ("Set-Cookie", AllowListError::Secret),
            ("X-Api-Key", AllowListError::Secret),
            ("X-User-Token", AllowListError::Secret),
            ("x_auth_token", AllowListError::Secret),
            ("X-Session-Id", AllowListError::Secret),
            ("DPoP", AllowListError::OfOneHop),
            ("X-User-Id", AllowListError::OfOneHop),
            ("x_user_id", AllowListError::OfOneHop),
            ("X.Username", AllowListError::OfOneHop),
            ("X-Authorities", AllowListError::OfOneHop),
            ("Host", AllowListError::OfOneHop),
            ("Content-Length", AllowListError::OfOneHop),
            ("Content_Length", AllowListError::OfOneHop),
            ("Transfer-Encoding", AllowListError::OfOneHop),
            ("Connection", AllowListError::OfOneHop),
            ("Content-Type", AllowListError::OfOneHop),
            ("traceparent", AllowListError::OfOneHop),
            ("X-Request-Timeout-Ms", AllowListError::OfOneHop),
            ("X-Forwarded-For", AllowListError::OfOneHop),
            ("X-Forwarded-User", AllowListError::OfOneHop),
            ("X-Forwarded-Client-Cert", AllowListError::OfOneHop),
            ("X-Envoy-Expected-Rq-Timeout-Ms", AllowListError::OfOneHop),
            ("X-Real-Ip", AllowListError::OfOneHop),
            ("X-Client-Id", AllowListError::OfOneHop),
            ("X-HTTP-Method-Override", AllowListError::OfOneHop),
            // Whatever sign stands for the hyphen.
            ("X~User~Id", AllowListError::OfOneHop),
            ("x!forwarded+for", AllowListError::OfOneHop),
            ("x+api+key", AllowListError::Secret),
            ("x~session~id", AllowListError::Secret),
            // They address the next service, and are no attachments.
            ("tri-service-group", AllowListError::OfOneHop),
            ("tri-consumer-appname", AllowListError::OfOneHop),
            ("no name", AllowListError::NotAName),
            ("", AllowListError::NotAName),
        ] {
            assert_eq!(AllowList::new([name]), Err(fault), "{name}");
        }
        let many: Vec<_> = (0..17).map(|number| format!("x-h{number}")).collect();
        let all = AllowList::new(many.iter().map(String::as_str));
        assert_eq!(all, Err(AllowListError::TooMany));
        assert!(AllowList::new(many[..16].iter().map(String::as_str)).is_ok());
    }

    /// What other people's gateways, meshes, load balancers and tracers say of who calls, or of their own hop.
    #[test]
    fn an_identity_or_a_span_as_other_products_write_it_stands_on_no_list() {
        for name in [
            "Client-Cert",
            "Client-Cert-Chain",
            "Remote-User",
            "REMOTE_USER",
            "X-Remote-User",
            "X-Remote-Group",
            "X-Consumer-Username",
            "X-Credential-Identifier",
            "X-Auth-Request-User",
            "X-Authenticated-Userid",
            "X-Goog-Authenticated-User-Email",
            "X-Amzn-Oidc-Identity",
            "L5d-Client-Id",
            "X-Ssl-Client-Dn",
            "Ssl-Client-Cert",
            "CF-Connecting-Ip",
            "X-B3-SpanId",
            "b3",
            "sw8",
            "sw8-correlation",
            "uber-trace-id",
            "X-Datadog-Parent-Id",
            "X-Cloud-Trace-Context",
            "X-Amzn-Trace-Id",
        ] {
            let list = AllowList::new([name]);
            assert_eq!(list, Err(AllowListError::OfOneHop), "{name}");
        }
    }

    #[test]
    fn a_context_that_is_too_long_or_not_clear_is_refused() {
        let tenant: HeaderName = "x-tenant-id".parse().unwrap();
        let long = "x".repeat(257);
        let refused = |all: &[(&str, &str)]| list().read(&headers(all)).unwrap_err();
        assert_eq!(
            refused(&[("x-tenant-id", &long)]),
            CarriedFault::TooLong(tenant.clone())
        );
        assert!(
            list()
                .read(&headers(&[("x-tenant-id", &long[1..])]))
                .is_ok()
        );
        assert_eq!(
            refused(&[("x-tenant-id", "a"), ("X-Tenant-Id", "a")]),
            CarriedFault::Several(tenant.clone())
        );
        assert_eq!(
            refused(&[("x-tenant-id", "a\tb")]),
            CarriedFault::NotPrintable(tenant.clone())
        );
        let mut odd = HeaderMap::new();
        odd.insert(tenant.clone(), HeaderValue::from_bytes(b"\xfcber").unwrap());
        assert_eq!(
            list().read(&odd),
            Err(CarriedFault::NotPrintable(tenant.clone()))
        );
        let small = list().limits(10, 11);
        let exact = [("x-tenant-id", "0123456789"), ("x-gray-tag", "a")];
        assert!(small.read(&headers(&exact)).is_ok());
        let more = [("x-tenant-id", "0123456789"), ("x-gray-tag", "ab")];
        assert_eq!(small.read(&headers(&more)), Err(CarriedFault::TooMuch));
        let message = CarriedFault::TooLong(tenant).to_string();
        assert!(!message.contains("xxx"), "{message}");
    }

    #[test]
    fn a_value_that_code_has_put_there_is_bounded_too() {
        let name: HeaderName = "x-tenant-id".parse().unwrap();
        let of = |length| {
            let value = HeaderValue::try_from("x".repeat(length)).unwrap();
            Carried::default().with(name.clone(), value)
        };
        assert!(list().takes(&of(256)) && !list().takes(&of(257)));
        assert!(!list().limits(256, 100).takes(&of(101)));
    }

    #[test]
    fn one_header_replaces_another_of_its_name_and_debug_output_shows_no_value() {
        let (tenant, tag): (HeaderName, HeaderName) = (
            "x-tenant-id".parse().unwrap(),
            "x-gray-tag".parse().unwrap(),
        );
        let value = HeaderValue::from_static;
        let carried = Carried::default()
            .with(tenant.clone(), value("north"))
            .with(tag.clone(), value("v2"))
            .with(tenant.clone(), value("south"));
        assert_eq!(carried.iter().count(), 2);
        assert_eq!(carried.get("x-tenant-id").unwrap(), "south");
        let without = carried.without(&tag);
        assert_eq!(without.iter().count(), 1);
        assert!(without.without(&tenant).is_empty());
        let shown = format!("{carried:?}");
        assert!(shown.contains("x-gray-tag") && !shown.contains("south"));
    }
}
