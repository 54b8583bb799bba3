//! Heads whose framing is odd, sent to Debian's nginx and to our listener: what nginx refuses, ours refuses, and of what both take, both
//! hand the same requests on. Where one is stricter it stands in the table, with the reason.

mod rows;

use std::convert::Infallible;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{HttpServer, RunningServer};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use self::rows::{
    By::{Both, Neither, NginxAlone, OursAlone},
    rows,
};
use crate::process::{Process, free_ports};
use crate::tools;

/// Longer than any answer takes.
const LIMIT: Duration = Duration::from_secs(20);
/// Follows each head and its body on the connection, and ends it.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A listener with strict lines, whose service notes each request that has come whole.
struct Listener {
    server: RunningServer,
    reached: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    async fn start() -> Self {
        let reached = Arc::<Mutex<Vec<String>>>::default();
        let notes = Arc::clone(&reached);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = HttpServer::new(listener).strict_lines();
        let server = server.serve(move |_peer| {
            let notes = Arc::clone(&notes);
            tower::service_fn(move |request: Request<Incoming>| {
                let notes = Arc::clone(&notes);
                async move {
                    let path = request.uri().path().to_owned();
                    if request.into_body().collect().await.is_ok() {
                        notes.lock().unwrap().push(path);
                    }
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            })
        });
        Self {
            server: server.unwrap(),
            reached,
        }
    }

    fn port(&self) -> u16 {
        self.server.local_addr().port()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.reached.lock().unwrap())
    }
}

/// nginx as a proxy that checks nothing but HTTP.
async fn nginx(port: u16, upstream: u16, folder: &TempDir) -> Option<Process> {
    let file = format!(
        "worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }}
    }}
}}
"
    );
    std::fs::write(folder.path().join("nginx.conf"), file).unwrap();
    let mut command = Command::new(tools::nginx()?);
    command.args(["-p", ".", "-c", "nginx.conf"]);
    command.args(["-g", "daemon off; master_process off;"]);
    Some(Process::start(command, folder.path(), port).await)
}

/// Sends it, and waits until the server closes.
async fn send(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // A server may close before it has read everything.
    let _closed = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _reset = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_nginx_refuses_of_a_head_is_refused_here_and_both_hand_the_same_requests_on() {
    let upstream = Listener::start().await;
    let folder = tempfile::tempdir().unwrap();
    let [port] = free_ports();
    let Some(_nginx) = nginx(port, upstream.port(), &folder).await else {
        return;
    };
    let ours = Listener::start().await;
    let mut wrong = Vec::new();
    for (name, text, by) in rows() {
        let text = text + BEHIND;
        let said = [send(port, &text).await, send(ours.port(), &text).await];
        let reached = [upstream.take(), ours.take()];
        let expected = match by {
            Both => [true, true],
            Neither => [false, false],
            NginxAlone(_) => [true, false],
            OursAlone(_) => [false, true],
        };
        let is_odd = |path: &String| path.starts_with("/odd");
        let found = reached.clone().map(|reached| reached.iter().any(is_odd));
        let is_smuggled = reached
            .iter()
            .zip(found)
            .any(|(reached, found)| reached.len() > 1 + usize::from(found));
        if found != expected || is_smuggled || by == Both && reached[0] != reached[1] {
            wrong.push(format!("{name}: {by:?}\n  {reached:?}\n  {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
