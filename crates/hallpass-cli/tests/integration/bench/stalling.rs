//! A server that answers at once, but for two seconds.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::gateway::read_head;

const STALL: Duration = Duration::from_secs(2);
/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(600);

/// While it stalls it answers nobody. Ends with the process.
pub(super) struct Stalling {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Stalling {
    /// Stalls at the request of this number; the first is 1. At 0 it never answers.
    pub(super) fn start(at: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, gate) = (Arc::clone(&asked), Arc::new(Mutex::new(())));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counted, gate) = (Arc::clone(&counted), Arc::clone(&gate));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while read_head(&mut stream).is_some() {
                        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                        {
                            let _nobody_else = gate.lock().unwrap();
                            match at {
                                Some(0) => wait(FOR_EVER),
                                Some(at) if at == number => wait(STALL),
                                _ => {}
                            }
                        }
                        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        if stream.write_all(response).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many requests have come.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn wait(time: Duration) {
    let (_nobody, never) = mpsc::channel::<()>();
    let _in_vain = never.recv_timeout(time);
}
