//! Connections that HTTP has left, such as WebSockets, end with the token too, whatever their handler does.

use hallpass_listen::ConnectionHandle;
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::runtime::Handle;

use super::TokenEnd;

/// What a request may make of its connection: something that HTTP has left, such as a WebSocket, and that is to end with the token of its
/// request. [`ResourceServer::layer`](crate::ResourceServer::layer) sees to that by itself; this is for who asks
/// [`authorize`](crate::ResourceServer::authorize) without it.
#[derive(Debug)]
pub struct StreamUpgrade {
    connection: ConnectionHandle,
    is_tunnel: bool,
}

impl StreamUpgrade {
    /// `None` of a request that asks for none, and where another server than `hallpass-listen` has the connection: nobody but its handler can
    /// end it there.
    #[must_use]
    pub fn asked_for(request: &Parts) -> Option<Self> {
        let connection = request.extensions.get::<ConnectionHandle>()?;
        Some(Self {
            connection: connection.clone(),
            is_tunnel: request.method == Method::CONNECT,
        })
    }

    /// Ends the connection with the token, if the response with this status has upgraded it. Whoever has it by then learns nothing but that
    /// it is closed.
    pub fn ends_with(self, end: &TokenEnd, status: StatusCode) {
        let is_upgraded =
            status == StatusCode::SWITCHING_PROTOCOLS || self.is_tunnel && status.is_success();
        if !is_upgraded || !end.is_watched() {
            return;
        }
        // A server that has connections has a runtime.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let end = end.clone();
        // Lives no longer than the connection.
        runtime.spawn(async move {
            tokio::select! {
                biased;
                () = self.connection.ended() => {}
                _why = end.ended() => self.connection.end(),
            }
        });
    }
}
