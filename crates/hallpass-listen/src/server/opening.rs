//! What becomes of a connection that was accepted: its place, and its task.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tower_service::Service;

use super::Accepting;
use crate::connection::{self, Accepted, Place};
use crate::held::Held;
use crate::proxied::Proxied;
use crate::shown_peer::{ConnectionPeer, ShowsPeer};

impl<M, S, B> Accepting<M>
where
    M: Fn(SocketAddr) -> S + Send + Sync + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Serves it, or closes it at once.
    pub(super) fn open(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Some(admits) = &self.admission.0
            && !admits(peer.ip())
        {
            return;
        }
        self.make_room(peer);
        let Some(permit) = self.places.take() else {
            self.metrics.refused.inc();
            if let Some(times) = self.said.refused.happened() {
                let limit = self.places.count();
                tracing::warn!(times, limit, "connections refused: too many are open");
            }
            return;
        };
        let proxied = self.proxied.clone().filter(|it| it.is_from(peer));
        let of_address = match &proxied {
            // Another address counts, and nobody knows it yet.
            Some(_) => None,
            None => match self.of_address.take(peer.ip()) {
                None => return,
                place => place,
            },
        };
        let accepted = Accepted {
            stream,
            peer,
            handshake: self.handshake.clone(),
            held: Held {
                limits: self.limits,
                strict_lines: self.strict_lines,
                metrics: self.metrics.clone(),
                draining: self.draining.clone(),
                caller: None,
                working: self.working.0.clone(),
            },
            place: Some(Place::new(self.metrics.open.clone(), permit, of_address)),
        };
        self.spawn(accepted, proxied);
    }

    /// For one more connection, as far as others give way.
    fn make_room(&mut self, peer: SocketAddr) {
        if let Some(newcomers) = &self.newcomers
            && newcomers.make_room(&self.places, &self.of_address, peer.ip())
            && let Some(times) = self.said.gave_way.happened()
        {
            tracing::warn!(
                times,
                "connections on which nobody was let in were closed for new ones"
            );
        }
    }

    fn spawn(&mut self, mut accepted: Accepted, proxied: Option<Proxied>) {
        let peer = accepted.peer;
        let service = Arc::clone(&self.service);
        // The service is made in the connection's task: a panic there ends this connection and not the accept loop.
        let shows_peers = self.shows_peers;
        let shown = move |peer| shows_peers.then_some(ConnectionPeer(peer));
        let Some(proxied) = proxied else {
            let newcomers = self.newcomers.as_ref();
            if let Some((newcomers, place)) =
                newcomers.zip(accepted.place.take_if(|_| newcomers.is_some()))
            {
                let newcomer = newcomers.add(peer.ip(), place);
                self.connections.spawn(async move {
                    let service = ShowsPeer::new(service(peer), shown(peer));
                    let service = service.with(newcomer.keeper());
                    newcomer
                        .unless_given_up(connection::serve(accepted, service))
                        .await;
                });
                return;
            }
            self.connections.spawn(async move {
                let service = ShowsPeer::new(service(peer), shown(peer));
                connection::serve(accepted, service).await;
            });
            return;
        };
        self.connections.spawn(async move {
            if let Some(accepted) = accepted.by(&proxied).await {
                let peer = accepted.peer;
                let service = ShowsPeer::new(service(peer), shown(peer));
                connection::serve(accepted, service).await;
            }
        });
    }
}
