//! gRPC through both sides, between clients and servers of tonic.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use futures_util::Stream;
use hallpass::listen::{HttpServer, RunningServer};
use tokio::net::TcpListener;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::rig::{Rig, bearer, issuer};

const HANDLE: &str = "x-hallpass-context";

/// One of two services.
#[derive(Clone, Debug)]
enum Server {
    /// The program: asks the stock service for whoever calls, once it knows where its sidecar is.
    Program(Arc<OnceLock<SocketAddr>>),
    /// The stock service: says whether it gets a token, and nothing else that says who calls.
    Stock,
}

fn is(metadata: &MetadataMap, name: &str, begin: &str) -> bool {
    let value = metadata.get(name).and_then(|it| it.to_str().ok());
    value.is_some_and(|it| it.starts_with(begin))
}

fn response(serves: bool) -> Response<HealthCheckResponse> {
    let status = match serves {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    Response::new(HealthCheckResponse {
        status: status.into(),
    })
}

#[tonic::async_trait]
impl Health for Server {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let came = request.metadata();
        match self {
            Self::Stock => {
                let names = [HANDLE, "x-user-id"];
                let is_bare = names.iter().all(|name| !came.contains_key(*name));
                Ok(response(is_bare && is(came, "authorization", "Bearer ")))
            }
            Self::Program(outbound) => {
                let mut client = client(*outbound.get().unwrap()).await;
                let mut call = Request::new(HealthCheckRequest::default());
                if let Some(handle) = came.get(HANDLE) {
                    call.metadata_mut().insert(HANDLE, handle.clone());
                }
                let stock = client.check(call).await?.into_inner();
                let serves = stock.status() == ServingStatus::Serving;
                Ok(response(serves && is(came, "x-user-id", "alice")))
            }
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }
}

async fn serve(server: Server) -> RunningServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = HealthServer::new(server);
    HttpServer::new(listener)
        .serve(move |_peer| service.clone())
        .unwrap()
}

async fn client(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_passes_both_ways_with_who_calls() {
    let outbound = Arc::new(OnceLock::new());
    let stock = serve(Server::Stock).await;
    let program = serve(Server::Program(Arc::clone(&outbound))).await;
    let sidecar = format!(
        "    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}', identity: none, lend-context: true, http2: always }}
    outbound: {{ services: [{{ name: stock-service, listen: '127.0.0.1:0', identity: exchange, http2: always }}] }}\n",
        program.local_addr()
    );
    let routes = "        - { path: /grpc.health.v1.Health/*, rule: anonymous }\n";
    let rig = Rig::start_for(issuer(None).await, stock.local_addr(), routes, &sidecar).await;
    outbound.set(rig.proxy()).unwrap();
    let mut client = client(rig.inbound()).await;
    let mut ask = async |user: Option<&str>| {
        let mut request = Request::new(HealthCheckRequest::default());
        let metadata = request.metadata_mut();
        metadata.insert("x-user-id", "alice".parse().unwrap());
        if let Some(user) = user {
            let token = bearer(user);
            let (_, token) = token.split_once(": ").unwrap();
            metadata.insert("authorization", token.parse().unwrap());
        }
        client.check(request).await
    };
    for (user, status) in [
        ("alice", ServingStatus::Serving),
        ("bob", ServingStatus::NotServing),
    ] {
        let answer = ask(Some(user)).await.unwrap().into_inner();
        assert_eq!(answer.status(), status, "{user}");
    }
    // Nobody came, so there is nobody to call for: the words of gRPC come back through both sides.
    let refused = ask(None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
}
