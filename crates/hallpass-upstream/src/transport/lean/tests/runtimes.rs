//! Runtimes that end before the transport does, and threads without one.

use std::io::{Read as _, Write as _};

use tokio::runtime::Runtime;

use super::*;

/// Answers each request on a connection, in threads of its own. Gives its port.
fn server() -> (u16, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n";
                    stream.write_all(response).unwrap();
                }
            });
        }
    });
    (port, connections)
}

fn get(port: u16) -> Request<Body> {
    let uri = format!("http://127.0.0.1:{port}/");
    Request::get(uri).body(Body::empty()).unwrap()
}

#[test]
fn a_connection_of_a_runtime_that_has_ended_is_not_used() {
    let (port, connections) = server();
    let transport = HttpTransport::new().unwrap();
    for made in 1..=3 {
        let runtime = Runtime::new().unwrap();
        for _twice in 0..2 {
            let answer = runtime.block_on(ask(&transport, get(port)));
            assert_eq!(answer, ok("own"));
            assert_eq!(connections.load(Ordering::SeqCst), made);
        }
    }
}

#[test]
fn a_response_may_be_dropped_where_there_is_no_runtime() {
    let (port, connections) = server();
    let transport = HttpTransport::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let response = runtime.block_on(call(&transport, get(port))).unwrap();
    drop(response);
    // Who looks after unused connections runs in a runtime, so this one was not kept.
    assert_eq!(runtime.block_on(ask(&transport, get(port))), ok("own"));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let response = runtime.block_on(call(&transport, get(port))).unwrap();
    drop(runtime);
    drop(response);
    drop(transport);
}
