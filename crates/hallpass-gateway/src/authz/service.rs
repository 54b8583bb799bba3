//! External authorization for a server of one's own.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::core::Core;
use super::server::{Authz, core};
use super::{grpc, http as by_http};
use crate::settings::AuthzSettings;

/// Answers proxies' questions that come by a server of one's own: what [`AuthzServer`](crate::AuthzServer) does, without its listeners, their
/// limits, health and metrics.
///
/// Who may ask is told by the address that is handed in, which must be the connection's. The keys of issuers are fetched when a token
/// needs them.
#[derive(Clone, Debug)]
pub struct AuthzService {
    core: Arc<Core>,
}

impl AuthzService {
    /// Answers as `settings` say; the addresses and limits of connections in them are not looked at.
    #[must_use]
    pub fn new(authz: Authz, settings: &AuthzSettings) -> Self {
        let core = Arc::new(core(authz, settings));
        Self { core }
    }

    /// Answers a question by HTTP, of the proxy at `peer`. The body is left unread.
    pub async fn http<B>(
        &self,
        peer: IpAddr,
        request: Request<B>,
    ) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send + use<B>> {
        by_http::respond(Arc::clone(&self.core), peer, request).await
    }

    /// Answers a call by gRPC, of the proxy at `peer`.
    pub async fn grpc<B>(
        &self,
        peer: IpAddr,
        request: Request<B>,
    ) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send + use<B>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        grpc::respond(Arc::clone(&self.core), peer, request).await
    }
}
