//! The header that names the tenant of a request: what becomes of it when the request may pass.

use hallpass_resource::{Authorized, TenantHeader, is_spelling_of};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Signs in a name of which all spellings with `-` and `_` are removed. A name with more has only those in which all signs are alike.
const MAX_SIGNS: usize = 4;

/// What a proxy that copies headers is told of one that the request must not bear.
const EMPTY: HeaderValue = HeaderValue::from_static("");

/// A tenant that was held against the token of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JudgedTenant {
    header: HeaderName,
    ruling: TenantHeader,
    /// The values that the question has, where they stay.
    came: Vec<HeaderValue>,
    /// Other spellings of the header that the question has, where they must not stay.
    spelled: Vec<HeaderName>,
}

impl JudgedTenant {
    /// That of a request that may pass; `None` where the settings name no such header.
    pub(crate) fn of(authorized: &Authorized, question: &HeaderMap) -> Option<Self> {
        let (header, ruling) = authorized.tenant_header()?;
        let (mut came, mut spelled) = (Vec::new(), Vec::new());
        if ruling == TenantHeader::AsItCame {
            came.extend(question.get_all(&header).iter().cloned());
        } else {
            let others = question.keys().filter(|it| is_other_spelling(it, &header));
            spelled.extend(others.cloned());
        }
        Some(Self {
            header,
            ruling,
            came,
            spelled,
        })
    }

    /// Whether the question has the header in a spelling that must not reach the service.
    pub(crate) fn is_spelled_otherwise(&self) -> bool {
        !self.spelled.is_empty()
    }

    /// For proxies that can set and remove headers.
    pub(crate) fn change(
        self,
        set: &mut Vec<(HeaderName, HeaderValue)>,
        removed: &mut Vec<HeaderName>,
    ) {
        if self.ruling == TenantHeader::AsItCame {
            return;
        }
        removed.extend(self.other_spellings());
        match self.ruling {
            TenantHeader::Set(value) => set.push((self.header, value)),
            TenantHeader::Remove | TenantHeader::AsItCame => removed.push(self.header),
        }
    }

    /// For proxies that copy headers of the answer. Some take the caller's away whatever the answer has, so one that stays is there too.
    pub(crate) fn copy(self, headers: &mut HeaderMap) {
        match self.ruling {
            TenantHeader::Set(value) => {
                headers.insert(self.header, value);
            }
            TenantHeader::Remove => {
                headers.insert(self.header, EMPTY);
            }
            TenantHeader::AsItCame => {
                for value in self.came {
                    headers.append(self.header.clone(), value);
                }
            }
        }
    }

    /// Other spellings, which CGI-like programs read as the same: for proxies that remove them.
    fn other_spellings(&self) -> Vec<HeaderName> {
        let mut others = spellings(&self.header);
        let asked = self.spelled.iter().filter(|it| !others.contains(it));
        let asked: Vec<_> = asked.cloned().collect();
        others.extend(asked);
        others
    }
}

/// Says what proxies must be told, where the settings name another header than before. None of them tells that it was not: it then passes on what
/// its caller wrote.
pub(crate) fn announce(header: Option<&HeaderName>, before: Option<&HeaderName>) {
    if let Some(header) = header.filter(|it| Some(*it) != before) {
        tracing::warn!(
            %header,
            "context.tenant: every proxy must hand this header in with its questions and take it from the answers, each by a setting of its own; one that copies \
            headers and is not told this one lets every caller name any tenant (docs/authz.md, The tenant of a request)"
        );
    }
}

/// Whether a header of a question (its name in lower case, as they arrive) is that of the tenant in another spelling.
fn is_other_spelling(name: &HeaderName, tenant: &HeaderName) -> bool {
    name != tenant && is_spelling_of(name.as_str(), tenant.as_str())
}

/// All spellings with `-` and `_` but the one that is looked for.
fn spellings(header: &HeaderName) -> Vec<HeaderName> {
    let is_sign = |byte: &u8| !byte.is_ascii_alphanumeric();
    let signs = header.as_str().bytes().filter(|byte| is_sign(byte)).count();
    let masks: Vec<usize> = match signs {
        // One bit a sign.
        0..=MAX_SIGNS => (0..1 << signs).collect(),
        _ => vec![0, usize::MAX],
    };
    let spelled = masks.into_iter().map(|mask| {
        let mut at = 0;
        let bytes = header.as_str().bytes().map(|byte| match is_sign(&byte) {
            false => byte,
            true => {
                let is_underscore = mask.checked_shr(at).unwrap_or(mask) & 1 == 1;
                at += 1;
                if is_underscore { b'_' } else { b'-' }
            }
        });
        HeaderName::from_bytes(&bytes.collect::<Vec<_>>())
    });
    // Letters, digits, `-` and `_`: every one is a name.
    spelled
        .filter_map(Result::ok)
        .filter(|name| name != header)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(header: &'static str) -> Vec<String> {
        let names = spellings(&HeaderName::from_static(header)).into_iter();
        names.map(|it| it.to_string()).collect()
    }

    #[test]
    fn every_other_spelling_is_removed_and_the_one_that_is_looked_for_stays() {
        let found = all("x-tenant-id");
        assert_eq!(found, ["x_tenant-id", "x-tenant_id", "x_tenant_id"]);
        let found = all("x_tenant_id");
        assert_eq!(found, ["x-tenant-id", "x_tenant-id", "x-tenant_id"]);
        assert_eq!(all("tenant.id"), ["tenant-id", "tenant_id"]);
        assert!(all("tenant").is_empty());
        assert_eq!(all("a-b-c-d-e-f"), ["a_b_c_d_e_f"]);
        let other = HeaderName::from_static("x.tenant~id");
        assert!(is_other_spelling(
            &other,
            &HeaderName::from_static("x-tenant-id")
        ));
    }
}
