//! The end of the layers, from where requests are brought to reqwest and responses back.
//!
//! The layers own what they call, and what is next in a chain of middlewares is lent for one request: so each request crosses over, and
//! the middleware sends it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http::{HeaderMap, Request, Response};
use tokio::sync::{mpsc, oneshot};
use tower_service::Service;

/// One attempt is under way at a time.
const ONE: usize = 1;

/// What an attempt says, and who waits for what becomes of it.
pub(crate) struct Attempt {
    /// With the identity.
    pub(crate) headers: HeaderMap,
    pub(crate) answer: oneshot::Sender<Result<Response<Body>, TransportError>>,
}

/// Both sides of the water.
pub(crate) fn ferry() -> (Ferry, mpsc::Receiver<Attempt>) {
    let (attempts, arriving) = mpsc::channel(ONE);
    (Ferry { attempts }, arriving)
}

/// The transport of one request.
#[derive(Clone, Debug)]
pub(crate) struct Ferry {
    attempts: mpsc::Sender<Attempt>,
}

type Crossing = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

impl Service<Request<Body>> for Ferry {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = Crossing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Crossing {
        let attempts = self.attempts.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let headers = request.into_parts().0.headers;
            let attempt = Attempt { headers, answer };
            attempts.send(attempt).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    }
}

/// The middleware sends until the layers are done, so nobody sees this.
fn gone() -> TransportError {
    TransportError::new(
        TransportErrorKind::Closed,
        "nobody sends this request any more",
    )
}
