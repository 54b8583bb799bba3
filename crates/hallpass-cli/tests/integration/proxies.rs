//! Variables that lead other programs' requests through a proxy.

use std::fs;
use std::net::TcpListener;

use crate::issuer::Running;
use crate::process::command;

#[test]
fn no_variable_leads_a_secret_or_a_token_through_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let secret = folder.path().join("secret");
    fs::write(&secret, issuer.shown("client secret").unwrap()).unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let token_url = issuer.url("/oauth2/token");
    let mut ask = command(&["token", "get", "--token-url", &token_url]);
    ask.args(["--client-id", issuer.shown("client id").unwrap()]);
    ask.arg("--client-secret-file").arg(&secret);
    ask.args(["--audience", issuer.shown("audience").unwrap()]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        ask.env(name, &address);
        ask.env(name.to_uppercase(), &address);
    }
    // What is on loopback is what others leave out of a proxy by such a list.
    ask.env("no_proxy", "").env("NO_PROXY", "");
    let got = ask.output().unwrap();
    assert!(
        got.status.success(),
        "{}",
        String::from_utf8_lossy(&got.stderr)
    );
    let asked = proxy.accept().map(|(_stream, from)| from);
    assert!(asked.is_err(), "{asked:?} was led to the proxy");
}
