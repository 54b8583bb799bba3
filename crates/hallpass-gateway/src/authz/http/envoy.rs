//! Envoy's external authorization by HTTP: the question is the request itself, with a prefix in front of its path
//! (`path_prefix`).

use http::header::{HOST, HeaderValue};
use http::request::Parts;

use super::super::question::{self, Fault, Original};

/// The request that is asked about. No header says anything of it but `Host`.
///
/// # Errors
/// A path that does not go on behind the prefix as a path does, for example that of `OPTIONS *`, and a request without host.
pub(super) fn original(parts: Parts, prefix: &str) -> Result<Original, Fault> {
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let target = target.strip_prefix(prefix).unwrap_or_default();
    let target = question::target(target.as_bytes(), "path")?;
    let host = match (parts.uri.authority(), parts.headers.get(HOST)) {
        (Some(authority), Some(host)) if *host != authority.as_str() => {
            return Err(Fault::Conflicting("host"));
        }
        (_, Some(_)) => question::host(question::single(&parts.headers, "host")?, "host")?,
        (Some(authority), None) => {
            let host = HeaderValue::try_from(authority.as_str());
            question::host(&host.map_err(|_| Fault::Unreadable("host"))?, "host")?
        }
        (None, None) => return Err(Fault::Missing("host")),
    };
    Ok(Original {
        method: parts.method,
        target,
        host,
        headers: parts.headers,
        certificate: None,
        can_remove: true,
    })
}
