//! Of which state of a client a change is.

use http::HeaderMap;
use http::header::IF_MATCH;

use super::super::fault::AdminFault;
use super::super::problem::Problem;
use crate::clients::revision::Revision;

/// The state that the request names in `If-Match` (RFC 9110 section 13.1.1): exactly one. A change of whatever there is (`*`) would undo what
/// somebody else did meanwhile, so it is none of a state.
///
/// # Errors
/// [`AdminFault::PreconditionRequired`] without one (RFC 6585 section 3); [`AdminFault::ClientChanged`] for a tag that is none of ours: no
/// client is in such a state.
pub(super) fn expected(headers: &HeaderMap) -> Result<Revision, Problem> {
    let mut tags = headers.get_all(IF_MATCH).iter();
    let (Some(tag), None) = (tags.next(), tags.next()) else {
        return Err(AdminFault::PreconditionRequired.into());
    };
    let tag = tag.as_bytes().trim_ascii();
    if tag == b"*" || tag.contains(&b',') {
        return Err(AdminFault::PreconditionRequired.into());
    }
    // A weak one is of no use for that (RFC 9110 section 13.1.1).
    let revision = tag
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    let revision = revision.and_then(|it| std::str::from_utf8(it).ok());
    let revision = revision.and_then(|it| it.parse().ok());
    revision.ok_or_else(|| AdminFault::ClientChanged.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Revision, AdminFault> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, value.parse().unwrap());
        }
        expected(&headers).map_err(|problem| problem.fault)
    }

    #[test]
    fn a_change_names_one_state_and_no_other_one_will_do() {
        let tag = "0123456789abcdef0123456789abcdef";
        let quoted = format!("\"{tag}\"");
        assert_eq!(read(&[&quoted]).unwrap().to_string(), tag);
        let both = format!("{quoted}, {quoted}");
        for bad in [&[][..], &["*"], &[&both], &[&quoted, &quoted]] {
            assert_eq!(read(bad), Err(AdminFault::PreconditionRequired), "{bad:?}");
        }
        let weak = format!("W/{quoted}");
        for other in [tag, &weak, "\"\"", "\"x\"", "\""] {
            assert_eq!(read(&[other]), Err(AdminFault::ClientChanged), "{other}");
        }
    }
}
