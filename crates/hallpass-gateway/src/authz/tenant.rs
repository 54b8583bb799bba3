//! The header that names the tenant of a request: what becomes of it when the request may pass.

use hallpass_resource::{Authorized, is_spelling_of};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Signs in a name of which all spellings with `-` and `_` are removed. A name with more has only those in which all signs are alike.
const MAX_SIGNS: usize = 4;

/// A tenant that was held against the token of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JudgedTenant {
    pub(crate) header: HeaderName,
    /// `None`: the request must not bear the header, since it named no tenant to be judged, or one that does not count.
    pub(crate) value: Option<HeaderValue>,
    /// Other spellings of the header that the question has.
    spelled: Vec<HeaderName>,
}

impl JudgedTenant {
    /// That of a request that may pass; `None` where the settings name no such header.
    pub(crate) fn of(authorized: &Authorized, question: &HeaderMap) -> Option<Self> {
        let (header, value) = authorized.tenant_header()?;
        let names = question.keys();
        let spelled = names.filter(|name| is_other_spelling(name, &header));
        Some(Self {
            spelled: spelled.cloned().collect(),
            header,
            value,
        })
    }

    /// Other spellings, which CGI-like programs read as the same: for proxies that remove them.
    pub(crate) fn other_spellings(&self) -> Vec<HeaderName> {
        let mut others = spellings(&self.header);
        let asked = self.spelled.iter().filter(|it| !others.contains(it));
        let asked: Vec<_> = asked.cloned().collect();
        others.extend(asked);
        others
    }
}

/// Whether a header of a question (its name in lower case, as they arrive) is that of the tenant in another spelling.
pub(crate) fn is_other_spelling(name: &HeaderName, tenant: &HeaderName) -> bool {
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
