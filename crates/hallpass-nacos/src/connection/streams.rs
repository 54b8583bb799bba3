//! The two directions of the stream on which the server speaks first.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use crate::messages::{ClientResponse, ServerRequest, ServiceInfo};
use crate::payload::{MAX_MESSAGE_BYTES, Payload};

/// What the server says by itself.
#[derive(Debug)]
pub(crate) enum Push {
    /// A document has changed; which one and what is in it, is asked for.
    ConfigChanged,
    /// The instances of a service are these now.
    Instances(ServiceInfo),
}

/// The body of a request: one frame, or those that come by and by.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Once(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Outgoing {
    pub(super) const fn once(frame: Bytes) -> Self {
        Self::Once(Some(frame))
    }

    pub(super) const fn stream(frames: mpsc::Receiver<Bytes>) -> Self {
        Self::Stream(frames)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.get_mut() {
            Self::Once(frame) => Poll::Ready(frame.take()),
            Self::Stream(frames) => frames.poll_recv(context),
        };
        frame.map(|frame| frame.map(|frame| Ok(Frame::data(frame))))
    }
}

/// Reads what the server says, hands it on, and answers that it was heard.
pub(super) struct Pushes {
    pub(super) answers: mpsc::Sender<Bytes>,
    pub(super) pushes: mpsc::Sender<Push>,
    pub(super) close: watch::Sender<bool>,
}

impl Pushes {
    /// To the end of the stream, which is the end of the connection.
    pub(super) async fn run(self, reply: impl Future<Output = hyper::Result<Response<Incoming>>>) {
        if let Ok(response) = reply.await {
            self.read(response.into_body()).await;
        }
        self.close.send_replace(true);
    }

    async fn read(&self, mut body: Incoming) {
        let mut waiting = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else {
                continue;
            };
            waiting.extend_from_slice(&data);
            while let Some(message) = take_message(&mut waiting) {
                let Some(payload) = message.and_then(|bytes| Payload::decode(&bytes)) else {
                    tracing::warn!("Nacos sends what is no message: the connection is closed");
                    return;
                };
                if !self.take(&payload) {
                    return;
                }
            }
        }
    }

    /// `false`: the server wants this connection to end.
    fn take(&self, payload: &Payload) -> bool {
        let request: ServerRequest = serde_json::from_slice(&payload.body).unwrap_or_default();
        let Some(name) = payload.kind.strip_suffix("Request") else {
            // Such as the answer to a request that was never made.
            return true;
        };
        let push = match (name, request.service_info) {
            ("ConfigChangeNotify", _) => Some(Push::ConfigChanged),
            ("NotifySubscriber", Some(info)) => Some(Push::Instances(info)),
            _ => None,
        };
        if let Some(push) = push {
            // Where too many wait, the next pull brings what is missed here.
            let _full = self.pushes.try_send(push);
        }
        self.answer(name, request.request_id.as_deref());
        name != "ConnectReset"
    }

    fn answer(&self, name: &str, request_id: Option<&str>) {
        let response = ClientResponse {
            request_id,
            result_code: 200,
            error_code: 0,
        };
        let Ok(body) = serde_json::to_vec(&response) else {
            return;
        };
        let payload = Payload {
            kind: format!("{name}Response"),
            headers: Vec::new(),
            body,
        };
        // A server that does not read its answers ends the connection by itself.
        let _full = self.answers.try_send(payload.frame());
    }
}

/// The next whole message; the inner `None` when it is longer than allowed, or compressed.
#[expect(
    clippy::option_option,
    reason = "not yet whole, and never to be whole, are two things"
)]
fn take_message(waiting: &mut BytesMut) -> Option<Option<Bytes>> {
    let (&compressed, rest) = waiting.split_first()?;
    let length = u32::from_be_bytes(*rest.first_chunk()?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if compressed != 0 || length > MAX_MESSAGE_BYTES {
        return Some(None);
    }
    if rest.len().saturating_sub(4) < length {
        return None;
    }
    waiting.advance(5);
    Some(Some(waiting.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_they_end_however_they_arrive() {
        let mut waiting = BytesMut::new();
        let frames = b"\0\0\0\0\x02ab\0\0\0\0\0\0\0\0\0\x01c";
        let mut seen = Vec::new();
        for byte in frames {
            waiting.extend_from_slice(&[*byte]);
            while let Some(message) = take_message(&mut waiting) {
                seen.push(message.unwrap());
            }
        }
        assert_eq!(seen, [&b"ab"[..], b"", b"c"]);
    }

    #[test]
    fn what_is_too_long_or_compressed_ends_the_stream_before_it_is_kept() {
        for bad in [b"\0\xff\xff\xff\xff".as_slice(), b"\x01\0\0\0\x01x"] {
            assert_eq!(take_message(&mut BytesMut::from(bad)), Some(None));
        }
        assert_eq!(take_message(&mut BytesMut::from(&b"\0\0\0"[..])), None);
    }
}
