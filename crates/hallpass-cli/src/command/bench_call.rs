//! `hallpass bench call`: load for a service.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use hallpass::Hallpass;
use hallpass::client::{BearerLayer, BearerService, CallError, Identity, TokenError, TokenHandle};
use hallpass::upstream::{
    Body, CarriesNoSecret, Http2, HttpTransport, TransportError, is_for_a_secret,
};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};

use crate::input::{self, MAX_TOKEN_BYTES};
use crate::load::{self, Ended, LoadArguments, of_transport};
use crate::output::{Exit, Failure};
use crate::runtime;
use crate::token_client::TokenClientArguments;

/// Largest body of a request, in bytes.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// Call a service at a constant rate, and say how long that takes
///
/// With `--audience` each call carries a service token, got and renewed as a service does it by the client of `--config` or of the other options; with `--token-file`
/// the token of that file; else none. No call is attempted twice and no redirect is followed. How many answers there were by status, what failed, and times from the planned
/// moment of each call and from its sending. It loads the service, and everything behind it.
///
/// Exit codes: 0 as it should be, 1 calls did not go well (`--fail-over`), or took too long (`--p99-below`).
#[derive(Args, Debug)]
pub(crate) struct BenchCall {
    /// What is called, such as `https://orders.example/orders/1`.
    #[arg(value_name = "URL", value_parser = url)]
    url: Uri,
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: Method,
    /// A header of each call; may be given several times. None that is for a secret: every user of the machine could read it here.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// The body of each call; at most 1 MiB.
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// A file with the token of each call; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "audience")]
    token_file: Option<PathBuf>,
    /// Speak HTTP/2, also over plain http: all calls share one connection.
    #[arg(long)]
    http2: bool,
    #[command(flatten)]
    client: TokenClientArguments,
    #[command(flatten)]
    load: LoadArguments,
}

/// What makes one call.
struct Caller {
    url: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    http2: Http2,
    way: Way,
}

/// How a call leaves, and in whose name.
enum Way {
    /// In nobody's.
    Open(HttpTransport),
    /// With a token among its headers.
    Token(HttpTransport),
    /// With a service token.
    Service(BearerService<HttpTransport>),
}

impl BenchCall {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        self.load.check()?;
        let settings = self.client.settings()?;
        let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
        let handle = match self.client.asks() {
            true => {
                let audience = self.client.audience(&settings)?;
                Some(hallpass.tokens().handle(&audience, &self.client.scope()))
            }
            false => None,
        };
        let caller = Arc::new(self.caller(&hallpass, handle.clone())?);
        let target = without_query(&self.url);
        let call = move || {
            let caller = Arc::clone(&caller);
            async move { caller.call().await }
        };
        runtime::block_on(async {
            // What is wrong with the client is said at once, and not as many times as there are calls.
            if let Some(handle) = handle {
                handle.token().await.map_err(Failure::failed)?;
            }
            load::run(&self.load, &target, call).await
        })?
    }

    fn caller(&self, hallpass: &Hallpass, handle: Option<TokenHandle>) -> Result<Caller, Failure> {
        let transport = hallpass.transport().clone();
        let mut headers: HeaderMap = self.header.iter().cloned().collect();
        let way = match (&self.token_file, handle) {
            (Some(file), _) => {
                headers.insert(AUTHORIZATION, bearer(file)?);
                Way::Token(transport)
            }
            (None, Some(handle)) => {
                let clock = Arc::clone(hallpass.clock());
                let layer = BearerLayer::new("bench", Identity::Service, clock).tokens(handle);
                Way::Service(layer.layer(transport))
            }
            (None, None) => Way::Open(transport),
        };
        Ok(Caller {
            url: self.url.clone(),
            method: self.method.clone(),
            headers,
            body: self.body_file.as_deref().map_or(Ok(Bytes::new()), body)?,
            http2: if self.http2 {
                Http2::Always
            } else {
                Http2::Never
            },
            way,
        })
    }
}

impl Caller {
    async fn call(&self) -> Ended {
        let body = match self.body.is_empty() {
            true => Body::empty(),
            false => Body::from(self.body.clone()),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = self.url.clone();
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        request.extensions_mut().insert(self.http2);
        let response = match &self.way {
            Way::Open(transport) => {
                request.extensions_mut().insert(CarriesNoSecret);
                let response = transport.clone().oneshot(request).await;
                response.map_err(|error| of_transport(&error))
            }
            Way::Token(transport) => {
                let response = transport.clone().oneshot(request).await;
                response.map_err(|error: TransportError| of_transport(&error))
            }
            Way::Service(service) => {
                let response = service.clone().oneshot(request).await;
                response.map_err(|error| of_call(&error))
            }
        };
        match response {
            Ok(response) => to_the_end(response).await,
            Err(ended) => ended,
        }
    }
}

/// Reads the whole response, and keeps nothing of it.
async fn to_the_end(response: Response<Body>) -> Ended {
    let (head, mut body) = response.into_parts();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return Ended::Failed("broken");
        }
    }
    Ended::Answered(head.status.as_u16())
}

fn of_call(error: &CallError) -> Ended {
    match error {
        CallError::Transport(error) => of_transport(error),
        CallError::Token(TokenError::Timeout { .. }) => Ended::Failed("token_timeout"),
        CallError::Token(_) => Ended::Failed("no_token"),
        _ => Ended::Failed("not_sent"),
    }
}

fn url(text: &str) -> Result<Uri, &'static str> {
    const SAY: &str = "must be such as https://orders.example/orders/1";
    let url: Uri = text.parse().map_err(|_| SAY)?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("must name no user: give --token-file or --audience")
        }
        Some(_) if is_http => Ok(url),
        _ => Err(SAY),
    }
}

/// What is shown of it: a query may be for one's own eyes.
fn without_query(url: &Uri) -> String {
    let text = url.to_string();
    let end = text.find('?').unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    const SAY: &str = "must be such as `Accept: application/json`";
    let (name, value) = text.split_once(':').ok_or(SAY)?;
    let name: HeaderName = name.trim().parse().map_err(|_| SAY)?;
    if is_for_a_secret(&name) {
        return Err("is for a secret: give --token-file or --audience");
    }
    let value = value.trim().parse().map_err(|_| SAY)?;
    Ok((name, value))
}

fn body(file: &Path) -> Result<Bytes, Failure> {
    let input = input::read(file, MAX_BODY_BYTES)?;
    match input.cut {
        true => Err(Failure::usage("--body-file has more than 1 MiB")),
        false => Ok(input.bytes.into()),
    }
}

fn bearer(file: &Path) -> Result<HeaderValue, Failure> {
    let input = input::read(file, MAX_TOKEN_BYTES)?;
    let token = input.trimmed_text().filter(|text| !text.is_empty());
    let value = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
    let mut value = value.ok_or_else(|| Failure::usage("--token-file holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}
