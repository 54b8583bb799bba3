//! Where the time of a request goes: proxies made of the same parts as the gateway, each with one more of them.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use bytes::Bytes;
use hallpass::config::Loader;
use hallpass::listen::{ConnectionLimits, HttpServer};
use hallpass::resource::ResourceServer;
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{Hallpass, Settings};
use http::uri::{Authority, Scheme, Uri};
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::{Service as _, service_fn};

use crate::measure::{Failure, Outcome};

/// How much of a gateway it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// hyper's server as it is, and our way to upstreams.
    Transport,
    /// With our listener in hyper's place: its limits, its guard, its drain.
    Listener,
    /// With the decision about each request.
    Decision,
}

impl Part {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Listener => "listener",
            Self::Decision => "decision",
        }
    }
}

/// `gateway-part NAME FILE LISTEN SERVICE`: one of them as a process, until it is killed.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [name, file, listen, service] = arguments else {
        return Err("gateway-part needs a name, a file and two addresses".into());
    };
    let parts = [Part::Transport, Part::Listener, Part::Decision];
    let part = parts.into_iter().find(|part| part.name() == name);
    let part = part.ok_or("there is no such part")?;
    // As the gateway itself, which has one core here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(part, file, listen.parse()?, service.parse()?))
}

async fn run(
    part: Part,
    file: &str,
    listen: SocketAddr,
    service: Authority,
) -> Result<(), Failure> {
    let loader = Loader::new("hallpass").file(file);
    let settings = loader.load_part::<Settings>()?.into_settings();
    let hallpass = Hallpass::from_settings(&settings)?;
    let resource = hallpass.resource_server().build()?;
    resource.load_keys().await?;
    let proxy = Proxy {
        transport: hallpass.network().transport.clone(),
        resource: (part == Part::Decision).then_some(resource),
        service,
    };
    let listener = TcpListener::bind(listen).await?;
    match part {
        Part::Transport => proxy.behind_hyper(listener).await,
        Part::Listener | Part::Decision => proxy.behind_ours(listener).await,
    }
}

/// What a request needs.
#[derive(Clone)]
struct Proxy {
    transport: HttpTransport,
    resource: Option<ResourceServer>,
    service: Authority,
}

type Answer = Response<Either<Body, Full<Bytes>>>;
type BoxError = Box<dyn Error + Send + Sync>;

impl Proxy {
    async fn behind_hyper(self, listener: TcpListener) -> Result<(), Failure> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let proxy = self.clone();
            let service = hyper::service::service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, Infallible>(proxy.respond(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A connection that its peer ends is no event.
            tokio::spawn(async move { drop(connection.await) });
        }
    }

    async fn behind_ours(self, listener: TcpListener) -> Result<(), Failure> {
        let limits = ConnectionLimits {
            connections_per_address: 20_000,
            ..ConnectionLimits::default()
        };
        let server = HttpServer::new(listener).strict_lines().limits(limits);
        let mut running = server.serve(move |_peer| {
            let proxy = self.clone();
            service_fn(move |request| {
                let proxy = proxy.clone();
                async move { Ok::<_, Infallible>(proxy.respond(request).await) }
            })
        })?;
        running.ended().await;
        Err("it has ended by itself".into())
    }

    async fn respond(&self, request: Request<Incoming>) -> Answer {
        let sent = self.send(request).await;
        sent.unwrap_or_else(|_failure| {
            let mut response = Response::new(Either::Right(Full::default()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }

    async fn send(&self, request: Request<Incoming>) -> Result<Answer, BoxError> {
        let (mut parts, body) = request.into_parts();
        if let Some(resource) = &self.resource {
            match resource.authorize(&parts).await {
                Ok(authorized) => authorized.admit(&mut parts),
                Err(refused) => {
                    let response = refused.into_response();
                    return Ok(response.map(|body| Either::Right(Full::new(body))));
                }
            }
            parts.extensions.clear();
        }
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.service.clone());
        parts.uri = Uri::from_parts(uri)?;
        let request = Request::from_parts(parts, Body::from(body));
        let response = self.transport.clone().call(request).await?;
        Ok(response.map(Either::Left))
    }
}
