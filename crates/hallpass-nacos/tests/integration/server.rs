//! A server that speaks the protocol of Nacos, and answers as a test says.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hallpass_clock::{Clock, SystemClock};
use hallpass_nacos::{NacosParts, NacosSettings};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);
const OK: &str = r#"{"resultCode":200}"#;

type Answer = dyn Fn(&str) -> Option<String> + Send + Sync;
/// Kind and bytes of each request.
type Asked = Arc<Mutex<Vec<(String, String)>>>;
type Streams = Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>;

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) accepted: Arc<AtomicUsize>,
    asked: Asked,
    streams: Streams,
}

impl Server {
    /// `answer`: JSON for a request of this kind; without one it is that all is well.
    pub(crate) async fn start(
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_at(listener, answer)
    }

    pub(crate) fn start_at(
        listener: TcpListener,
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            accepted: Arc::default(),
            asked: Arc::default(),
            streams: Arc::default(),
        };
        let (accepted, asked) = (Arc::clone(&server.accepted), Arc::clone(&server.asked));
        let (streams, answer): (_, Arc<Answer>) = (Arc::clone(&server.streams), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (asked, streams, answer) = (
                    Arc::clone(&asked),
                    Arc::clone(&streams),
                    Arc::clone(&answer),
                );
                let service = service_fn(move |request| {
                    serve(
                        request,
                        Arc::clone(&asked),
                        Arc::clone(&streams),
                        Arc::clone(&answer),
                    )
                });
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        server
    }

    pub(crate) fn settings(&self) -> NacosSettings {
        let address = format!("127.0.0.1:{}", self.port).parse().unwrap();
        let mut settings = NacosSettings::new([address]);
        settings.grpc_port_offset = 0;
        settings
    }

    pub(crate) fn parts(&self) -> NacosParts {
        NacosParts::new(self.settings(), None, Arc::new(SystemClock::new()))
    }

    /// How often it was asked this.
    pub(crate) fn asked(&self, kind: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(it, _)| it == kind).count()
    }

    /// The requests of this kind as they came, what is no text of them left out.
    pub(crate) fn heard(&self, kind: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let of_kind = asked.iter().filter(|(it, _)| it == kind);
        of_kind.map(|(_, text)| text.clone()).collect()
    }

    /// Says this to everybody who listens; whether somebody did.
    pub(crate) fn push(&self, kind: &str, json: &str) -> bool {
        let frame = frame(kind, json);
        let streams = self.streams.lock().unwrap();
        streams
            .iter()
            .filter(|it| it.try_send(frame.clone()).is_ok())
            .count()
            > 0
    }

    /// Ends every connection.
    pub(crate) fn hang_up(&self) {
        self.streams.lock().unwrap().clear();
    }
}

async fn serve(
    request: Request<Incoming>,
    asked: Asked,
    streams: Streams,
    answer: Arc<Answer>,
) -> Result<Response<Sent>, Infallible> {
    if request.uri().path().contains("BiRequestStream") {
        let (sender, frames) = mpsc::channel(1_000);
        streams.lock().unwrap().push(sender);
        // What the client says there is read, and left alone.
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
        });
        return Ok(Response::new(Sent(frames)));
    }
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    let kind = kind_of(&bytes[5..]);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    asked.lock().unwrap().push((kind.clone(), text));
    let json = answer(&kind).unwrap_or_else(|| OK.to_owned());
    let (sender, frames) = mpsc::channel(1);
    let name = kind.replace("Request", "Response");
    sender.try_send(frame(&name, &json)).unwrap();
    Ok(Response::new(Sent(frames)))
}

/// Frames, as they come.
struct Sent(mpsc::Receiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.0.poll_recv(context);
        frame.map(|frame| frame.map(|frame| Ok(Frame::data(frame))))
    }
}

fn frame(kind: &str, json: &str) -> Bytes {
    let metadata = field(3, kind.as_bytes());
    let body = field(2, json.as_bytes());
    let message = [field(2, &metadata), field(3, &body)].concat();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &message].concat().into()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(bytes);
    field
}

/// The type of a message of the client: it stands first.
fn kind_of(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let end = text.find("Request").unwrap() + "Request".len();
    let start = text[..end].rfind(|c: char| !c.is_ascii_alphabetic());
    text[start.map_or(0, |at| at + 1)..end].to_owned()
}

/// Tries until it is so, and says how long that took.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let clock = SystemClock::new();
    while !is_so().await {
        assert!(
            clock.monotonic() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    clock.monotonic()
}
