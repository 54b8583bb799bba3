//! What the fuzz target does with its input; the smoke test in `tests/integration` runs it too.

#[path = "naive.rs"]
mod naive;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{HttpServer, RunningServer};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use self::naive::{Read, read};

/// Longer than any input takes: a server that waits for nothing.
const LIMIT: Duration = Duration::from_secs(20);

/// What a service was called with.
#[derive(Debug)]
struct Called {
    method: String,
    /// In small letters, sorted.
    fields: Vec<(String, Vec<u8>)>,
    /// Once the whole of it has come.
    body: Option<Bytes>,
}

type AllCalled = Arc<Mutex<Vec<Called>>>;

struct Rig {
    server: RunningServer,
    called: AllCalled,
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(
        || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(problem) => panic!("no runtime: {problem}"),
        },
    );
static LENIENT: LazyLock<Rig> = LazyLock::new(|| start(false));
static STRICT: LazyLock<Rig> = LazyLock::new(|| start(true));

fn start(is_strict: bool) -> Rig {
    let called = AllCalled::default();
    let calls = Arc::clone(&called);
    let server = RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut server = HttpServer::new(listener);
        if is_strict {
            server = server.strict_lines();
        }
        server.serve(move |_peer| {
            let calls = Arc::clone(&calls);
            tower::service_fn(move |request| serve(request, Arc::clone(&calls)))
        })
    });
    match server {
        Ok(server) => Rig { server, called },
        Err(problem) => panic!("no server: {problem}"),
    }
}

async fn serve(
    request: Request<Incoming>,
    called: AllCalled,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut fields: Vec<_> = fields.collect();
    fields.sort();
    let one = Called {
        method: request.method().to_string(),
        fields,
        body: None,
    };
    let place = {
        let mut called = called.lock().unwrap_or_else(PoisonError::into_inner);
        called.push(one);
        called.len()
    };
    if let Ok(body) = request.into_body().collect().await {
        let mut called = called.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = called.get_mut(place.saturating_sub(1)) {
            one.body = Some(body.to_bytes());
        }
    }
    Ok(Response::new(Empty::new()))
}

/// The bytes of a connection, behind one that says whether lines are strict. What is served is what a reader sees that knows
/// nothing of hyper, request by request: the same fields, among them one that says a length, and the same body.
pub(crate) fn framing(input: &[u8]) {
    served(input);
}

/// How many requests of that connection reach a service.
pub(crate) fn served(input: &[u8]) -> usize {
    let Some((first, bytes)) = input.split_first() else {
        return 0;
    };
    let is_strict = *first == b's';
    let rig = if is_strict { &*STRICT } else { &*LENIENT };
    RUNTIME.block_on(talk(rig.server.local_addr(), bytes));
    let called = std::mem::take(&mut *rig.called.lock().unwrap_or_else(PoisonError::into_inner));
    let mut rest = Some(bytes);
    for one in &called {
        let Some(Read {
            method,
            mut fields,
            body,
            rest: behind,
        }) = rest.and_then(|rest| read(rest, is_strict))
        else {
            panic!("{one:?} is served, and nobody else sees it");
        };
        fields.sort();
        assert_eq!((&one.method, &one.fields), (&method, &fields));
        let lengths = fields
            .iter()
            .filter(|(name, _)| name == "content-length" || name == "transfer-encoding");
        assert!(lengths.count() < 2, "{one:?} has two lengths");
        if let Some(served) = &one.body {
            assert_eq!(Some(&served[..]), body.as_deref());
        }
        rest = behind;
    }
    called.len()
}

/// Sends `bytes`, and waits until the server has ended the connection.
async fn talk(server: SocketAddr, bytes: &[u8]) {
    // From many addresses: the ports of one are used up soon.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let own = SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), 0);
    let talked = timeout(LIMIT, async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(own.into())?;
        let mut stream = socket.connect(server).await?;
        // The server may have enough before it has read all.
        let _closed = stream.write_all(bytes).await;
        let _closed = stream.shutdown().await;
        let mut response = Vec::new();
        let _reset = stream.read_to_end(&mut response).await;
        Ok::<_, std::io::Error>(())
    });
    match talked.await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => panic!("no connection: {problem}"),
        Err(_late) => panic!("the connection does not end"),
    }
}
