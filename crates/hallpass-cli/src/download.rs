//! What a URL gives, up to a limit.

use hallpass::upstream::{Body, HttpTransport};
use tower::ServiceExt as _;

/// The response to `request`, if it is 200 and has at most `max_bytes`. How long that may take is up to who asks.
///
/// # Errors
/// Why there is none, for whoever reads the output.
pub(crate) async fn download(
    transport: HttpTransport,
    request: http::Request<Body>,
    max_bytes: usize,
) -> Result<http::Response<Vec<u8>>, String> {
    let response = transport
        .oneshot(request)
        .await
        .map_err(|error| error.to_string())?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("the response is {}", response.status()));
    }
    let (head, body) = response.into_parts();
    let bytes = body.collect_within(max_bytes).await;
    let bytes = bytes.map_err(|error| error.to_string())?;
    Ok(http::Response::from_parts(head, bytes.to_vec()))
}
