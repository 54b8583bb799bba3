//! The JWK set a command line points at: a file or a URL.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use hallpass::token::{JwkSet, MAX_JWK_SET_BYTES};
use hallpass::upstream::{Body, EndpointUrl};

use crate::download::download;
use crate::input;
use crate::output::Failure;
use crate::runtime;
use crate::settings::CallerArguments;

/// Longest wait for a key set from a URL, connecting included.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(10);

/// Loads the set; single keys that cannot be used are left out.
///
/// # Errors
/// A usage failure: no such file, no response, not a JWK set (an HTML page for instance).
pub(crate) fn load(location: &OsStr, caller: &CallerArguments) -> Result<JwkSet, Failure> {
    let shown = location.to_string_lossy();
    let bytes = if shown.contains("://") {
        from_url(&shown, caller)?
    } else {
        let input = input::read(Path::new(location), input::MAX_KEY_FILE_BYTES)?;
        if input.cut {
            return Err(Failure::usage(format_args!(
                "{shown}: more than {} bytes",
                input::MAX_KEY_FILE_BYTES
            )));
        }
        input.bytes
    };
    JwkSet::parse(&bytes)
        .map_err(|error| Failure::usage(format_args!("{shown} is not a usable JWK set: {error}")))
}

/// Fetches the set; redirects are not followed.
fn from_url(url: &str, caller: &CallerArguments) -> Result<Vec<u8>, Failure> {
    // Keys decide which tokens are accepted, so they must not come over a connection that others can change.
    match url.parse::<EndpointUrl>() {
        Ok(EndpointUrl::Https(_) | EndpointUrl::LoopbackHttp(_)) => {}
        Ok(EndpointUrl::LoadBalanced { .. }) => {
            return Err(Failure::usage(
                "--jwks: services are not looked up for lb:// here; give the https URL",
            ));
        }
        Err(error) => return Err(Failure::usage(format_args!("--jwks {error}"))),
    }
    let request = http::Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Body::empty())
        .map_err(|error| Failure::usage(format_args!("--jwks: {error}")))?;
    let transport = caller.transport()?;
    runtime::block_on(async {
        let downloaded = download(transport, request, MAX_JWK_SET_BYTES);
        match tokio::time::timeout(DOWNLOAD_LIMIT, downloaded).await {
            Ok(outcome) => outcome
                .map(http::Response::into_body)
                .map_err(|reason| Failure::usage(format_args!("{url}: {reason}"))),
            Err(_elapsed) => Err(Failure::usage(format_args!(
                "{url}: no response within {} seconds",
                DOWNLOAD_LIMIT.as_secs()
            ))),
        }
    })?
}
