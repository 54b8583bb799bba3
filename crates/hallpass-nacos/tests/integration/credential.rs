//! Secrets in files, which change.

use std::sync::{Arc, Mutex};

use hallpass_clock::SystemClock;
use hallpass_config::Loader;
use hallpass_nacos::{NacosDocuments, NacosParts, NacosSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::until;

#[tokio::test]
async fn a_password_file_that_changes_is_read_again_before_each_login() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let yaml = format!(
        "hallpass: {{ nacos: {{ server-addr: '{address}', username: nacos, password-file: '{}' }} }}",
        file.display()
    );
    let loaded = Loader::new("hallpass").text("test", yaml).load();
    let settings: NacosSettings = loaded.unwrap().into_settings();
    let logins: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&logins);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            seen.lock().unwrap().push(text);
            let no = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _sent = stream.write_all(no).await;
        }
    });
    let came = async |password: &str| {
        logins.lock().unwrap().clear();
        let text = format!("password={password}");
        let is_there = async || {
            logins
                .lock()
                .unwrap()
                .iter()
                .any(|login| login.contains(&text))
        };
        until(password, is_there).await;
    };
    let parts = NacosParts::new(settings, None, Arc::new(SystemClock::new()));
    let _documents = NacosDocuments::connect(&parts).unwrap();
    came("first").await;
    // Half written: the last good one stays.
    std::fs::write(&file, "").unwrap();
    came("first").await;
    std::fs::write(&file, "second\n").unwrap();
    came("second").await;
}
