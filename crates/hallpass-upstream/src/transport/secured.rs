//! TCP connections with TLS on top where that is asked for, and a limit to how long the handshake may take.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use rustls::ClientConfig;
use tokio::time::timeout;
use tower_service::Service;

use super::connector::{Connector, HANDSHAKE_TIMEOUT, HandshakeTimeout};
use super::silence::Stream;
use crate::body::BoxError;

/// Connects, with TLS for `https`.
#[derive(Clone)]
pub(super) struct Secured {
    tcp: Connector,
    tls: Arc<ClientConfig>,
}

impl Secured {
    pub(super) const fn new(tcp: Connector, tls: Arc<ClientConfig>) -> Self {
        Self { tcp, tls }
    }
}

impl Service<Uri> for Secured {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // What is below is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri.clone());
        let tls = Arc::clone(&self.tls);
        Box::pin(async move {
            let tcp = Made(Some(connecting.await?));
            let shaking_hands = HttpsConnector::from((tcp, tls)).call(uri);
            match timeout(HANDSHAKE_TIMEOUT, shaking_hands).await {
                Ok(secured) => secured,
                Err(_elapsed) => Err(HandshakeTimeout.into()),
            }
        })
    }
}

/// A connection that is there, to be taken once.
struct Made(Option<Stream>);

impl Service<Uri> for Made {
    type Response = Stream;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| "taken twice".into()))
    }
}
