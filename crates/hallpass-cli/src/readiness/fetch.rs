//! Gets the metrics of one instance.

use std::time::Duration;

use hallpass::token::UnixTime;
use hallpass::upstream::{Body, CarriesNoSecret, HttpTransport};

use crate::download::download;

/// Most bytes of the metrics of one instance.
pub(crate) const MAX_METRICS_BYTES: u64 = 16 * 1024 * 1024;

/// What a server gave.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// What its clock said, in seconds since 1970, if it says so.
    pub(crate) date: Option<u64>,
}

/// What `url` gives within `limit`, connecting included.
///
/// # Errors
/// Why there is nothing; the URL is not repeated.
pub(crate) async fn fetch(
    transport: HttpTransport,
    url: &str,
    limit: Duration,
) -> Result<Fetched, String> {
    let fetched = tokio::time::timeout(limit, fetch_in_time(transport, url)).await;
    fetched.unwrap_or_else(|_elapsed| {
        Err(format!(
            "no response within {} seconds",
            limit.as_secs_f32()
        ))
    })
}

async fn fetch_in_time(transport: HttpTransport, url: &str) -> Result<Fetched, String> {
    let request = http::Request::get(url)
        .header(
            http::header::ACCEPT,
            "application/openmetrics-text, text/plain",
        )
        // Plain http will do: who can read metrics there can, and nothing is decided by them but the next step of a person.
        .extension(CarriesNoSecret)
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let limit = usize::try_from(MAX_METRICS_BYTES).unwrap_or(usize::MAX);
    let response = download(transport, request, limit).await?;
    let date = response.headers().get(http::header::DATE);
    let date = date.and_then(|it| httpdate::parse_http_date(it.to_str().ok()?).ok());
    Ok(Fetched {
        bytes: response.into_body(),
        date: date.map(|it| UnixTime::from(it).as_secs()),
    })
}
