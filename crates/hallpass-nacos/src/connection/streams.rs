//! The two directions of the stream on which the server speaks first.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::messages::{ClientResponse, ServerRequest, ServiceInfo};
use crate::payload::{MAX_MESSAGE_BYTES, Payload};

/// Messages of the server that may wait to be read, and how many kilobytes of instances they may have together.
const MAX_WAITING_PUSHES: usize = 1024;
const MAX_WAITING_KILOBYTES: usize = 16 * 1024;
/// What an instance takes in memory, beside its texts.
const HOST_BYTES: usize = 256;
/// Longest name and identifier of a message that are sent back in its answer.
const MAX_NAME_BYTES: usize = 128;

/// What the server says by itself.
#[derive(Debug)]
pub(crate) enum Push {
    /// A document has changed; which one and what is in it, is asked for.
    ConfigChanged,
    /// The instances of a service are these now.
    Instances(ServiceInfo, Room),
}

/// What a push that waits takes of the memory for all of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _kilobytes: OwnedSemaphorePermit,
}

/// Where pushes go, of all connections of a session. What there is no room for is left out: the next pull brings it.
#[derive(Clone, Debug)]
pub(crate) struct PushSender {
    sender: mpsc::Sender<Push>,
    room: Arc<Semaphore>,
}

impl PushSender {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Push>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_PUSHES);
        let room = Arc::new(Semaphore::new(MAX_WAITING_KILOBYTES));
        (Self { sender, room }, receiver)
    }

    fn changed(&self) {
        // One that waits already says the same.
        let _full = self.sender.try_send(Push::ConfigChanged);
    }

    fn instances(&self, info: ServiceInfo, message_bytes: usize) {
        let bytes = info.hosts.len().saturating_mul(HOST_BYTES);
        let kilobytes = message_bytes.saturating_add(bytes) / 1024 + 1;
        let kilobytes = u32::try_from(kilobytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(kilobytes);
        if let Ok(_kilobytes) = room {
            let _full = self
                .sender
                .try_send(Push::Instances(info, Room { _kilobytes }));
        }
    }
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
    pub(super) pushes: PushSender,
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
        let request_id = request.request_id.as_deref();
        let longest = name.len().max(request_id.map_or(0, str::len));
        if longest > MAX_NAME_BYTES {
            tracing::debug!("Nacos sends a message whose name is none: the connection is closed");
            return false;
        }
        self.answer(name, request_id);
        match (name, request.service_info) {
            ("ConfigChangeNotify", _) => self.pushes.changed(),
            ("NotifySubscriber", Some(info)) => self.pushes.instances(info, payload.body.len()),
            _ => {}
        }
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

    fn push(name: &str, request_id: &str, hosts: usize) -> Payload {
        let host = r#"{"ip":"10.0.0.1","port":80,"metadata":{"secure":"true"}}"#;
        let hosts = vec![host; hosts].join(",");
        let body = format!(
            r#"{{"requestId":"{request_id}","serviceInfo":{{"name":"a","hosts":[{hosts}]}}}}"#
        );
        Payload {
            kind: format!("{name}Request"),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    fn pushes() -> (Pushes, mpsc::Receiver<Push>, mpsc::Receiver<Bytes>) {
        let (sender, waiting) = PushSender::channel();
        let (answers, answered) = mpsc::channel(64);
        let pushes = Pushes {
            answers,
            pushes: sender,
            close: watch::Sender::new(false),
        };
        (pushes, waiting, answered)
    }

    #[test]
    fn of_pushes_that_nobody_reads_some_megabytes_are_kept() {
        let (pushes, mut waiting, _answered) = pushes();
        let large = push("NotifySubscriber", "1", 9_000);
        for _ in 0..60 {
            assert!(pushes.take(&large));
        }
        let mut kept = 0;
        while waiting.try_recv().is_ok() {
            kept += 1;
        }
        assert!((2..10).contains(&kept), "{kept}");
        assert!(pushes.take(&large));
        assert!(waiting.try_recv().is_ok(), "there is room again");
    }

    #[test]
    fn no_long_text_of_a_message_is_kept_for_its_answer() {
        let (pushes, _waiting, mut answered) = pushes();
        assert!(pushes.take(&push("ClientDetection", &"x".repeat(MAX_NAME_BYTES), 0)));
        assert!(answered.try_recv().is_ok());
        for (name, id) in [("ClientDetection", MAX_NAME_BYTES + 1), ("", 1)] {
            let name = if name.is_empty() {
                "x".repeat(129)
            } else {
                name.to_owned()
            };
            assert!(!pushes.take(&push(&name, &"x".repeat(id), 0)));
            assert!(answered.try_recv().is_err());
        }
    }

    #[test]
    fn what_is_too_long_or_compressed_ends_the_stream_before_it_is_kept() {
        for bad in [b"\0\xff\xff\xff\xff".as_slice(), b"\x01\0\0\0\x01x"] {
            assert_eq!(take_message(&mut BytesMut::from(bad)), Some(None));
        }
        assert_eq!(take_message(&mut BytesMut::from(&b"\0\0\0"[..])), None);
    }
}
