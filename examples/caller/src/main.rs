//! A token client that is configured by its environment: point any issuer and any service at it.
//!
//! `GET /` calls `RESOURCE_URL` with a service token and passes the response on. See `README.md`.

mod settings;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as ResponseBody;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Router, routing::get};
use hallpass::client::{
    AuthTokenService, BearerLayer, CallError, HostGuardLayer, Identity, ReplayLayer,
};
use hallpass::config::environment::Environment;
use hallpass::listen::StopSignals;
use hallpass::upstream::{Body, EndpointUrl, Instance, Target};
use hallpass::{BoxError, Hallpass, LogWriter};
use serde_json::json;
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

use crate::settings::Settings;

/// The name that logs and metrics have for the service behind `RESOURCE_URL`.
const SERVICE: &str = "resource";
/// Longest wait for its whole response, token included.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Longest response that is passed on, in bytes.
const RESPONSE_LIMIT: usize = 1024 * 1024;
/// How long calls under way may take after SIGTERM or Ctrl-C.
const DRAIN_LIMIT: Duration = CALL_LIMIT;

/// The way to the service: each request that goes through gets its token.
#[derive(Clone)]
struct Resource {
    stack: BoxCloneSyncService<Request<Body>, Response<Body>, CallError>,
    instance: Instance,
    target: String,
}

impl Resource {
    fn new(settings: Settings, hallpass: &Hallpass) -> Result<Self, BoxError> {
        let (EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url)) = settings.resource else {
            return Err("RESOURCE_URL must be an address: there is no discovery for lb://".into());
        };
        let transport = hallpass.transport().clone();
        let tokens = AuthTokenService::builder(settings.credential, transport.clone())
            .discovery(Arc::clone(hallpass.discovery()))
            .build();
        let tokens = tokens.handle(&settings.audience, &settings.scope);
        let clock = Arc::clone(hallpass.clock());
        let bearer = BearerLayer::new(SERVICE, Identity::Service, clock).tokens(tokens.clone());
        let stack = ServiceBuilder::new()
            // A token that the service rejects is renewed, and the call repeated, once.
            .layer(ReplayLayer::new(tokens))
            // Without a token nothing is sent.
            .layer(bearer)
            // The token leaves for this address only.
            .layer(HostGuardLayer::new(SERVICE))
            .service(transport);
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Self {
            stack: BoxCloneSyncService::new(stack),
            instance: url.origin().ascii_serialization().parse()?,
            target: format!("{}{}", url.path(), query.unwrap_or_default()),
        })
    }

    async fn call(self) -> Result<Response<ResponseBody>, BoxError> {
        let mut request = Request::get(self.target).body(Body::empty())?;
        Target::new(SERVICE, self.instance).apply_to(&mut request)?;
        let whole = async {
            let (parts, body) = self.stack.oneshot(request).await?.into_parts();
            // Read here, so that the limit of time holds for a body that stops half-way too.
            let body = body.collect_within(RESPONSE_LIMIT).await?;
            Ok(Response::from_parts(parts, body.into()))
        };
        tokio::time::timeout(CALL_LIMIT, whole).await?
    }
}

/// Passes status, content type and body on; what fails before there is a status is told as a problem.
async fn pass_on(State(resource): State<Resource>) -> Response<ResponseBody> {
    let response = match resource.call().await {
        Ok(response) => response,
        Err(error) => return problem(&error),
    };
    let (parts, body) = response.into_parts();
    let mut passed = Response::new(body);
    *passed.status_mut() = parts.status;
    if let Some(content_type) = parts.headers.get(header::CONTENT_TYPE) {
        passed
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type.clone());
    }
    passed
}

fn problem(error: &BoxError) -> Response<ResponseBody> {
    let title = match error.downcast_ref() {
        Some(CallError::Token(_)) => "no token could be had for this call",
        _ => "the call could not be made",
    };
    let body = json!({ "title": title, "status": 502, "detail": error.to_string() });
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::BAD_GATEWAY, content_type, body.to_string()).into_response()
}

async fn serve(settings: Settings, hallpass: &Hallpass) -> Result<(), BoxError> {
    // First, so that a signal during the start is not lost.
    let mut stop = StopSignals::install()?;
    let listener = TcpListener::bind(settings.listen).await?;
    let router = Router::new()
        .route("/", get(pass_on))
        .with_state(Resource::new(settings, hallpass)?);
    say(&format!("listening on {}", listener.local_addr()?));
    let server = hallpass.http_server(listener);
    let running = server.serve(move |_peer| router.clone())?;
    running.serve_until_stopped(&mut stop, DRAIN_LIMIT).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    // Nobody waits for whoever reads the log; the guard writes the last lines at the end.
    let (log, _guard) = match LogWriter::start(io::stderr()) {
        Ok(started) => started,
        Err(error) => return fail(&error, 1),
    };
    tracing_subscriber::fmt()
        .with_writer(move || log.clone())
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let settings = match Environment::process().read(Settings::read) {
        Ok(settings) => settings,
        Err(problems) => return fail(&problems, 64),
    };
    let hallpass = match settings.hallpass() {
        Ok(hallpass) => hallpass,
        Err(problems) => return fail(&problems, 64),
    };
    match serve(settings, &hallpass).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the person who starts it reads the address"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the person who starts it reads what is wrong"
)]
fn fail(problem: &impl std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(code)
}
