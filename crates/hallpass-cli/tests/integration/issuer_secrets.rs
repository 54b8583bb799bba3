//! What secrets of clients cost a running issuer, and who sees the first one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::issuer::Running;

/// The section of clients whose secrets people chose.
fn chosen_secrets(clients: usize) -> String {
    let client = |n| {
        format!(
            "      - {{ client-id: chosen-{n}, client-secret: chosen by {n}, audiences: [a] }}\n"
        )
    };
    let clients: String = (0..clients).map(client).collect();
    format!("hallpass:\n  issuer:\n    clients:\n{clients}")
}

/// The status of a request for a token.
pub(crate) fn ask_for_token(url: &str, id: &str, secret: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    let (host, path) = host.split_once('/').unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={id}&client_secret={}",
        secret.replace(' ', "+")
    );
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.split(' ').nth(1).unwrap().to_owned()
}

/// What the process has used of its cores: no other work on the machine makes it more.
#[cfg(target_os = "linux")]
fn cpu_seconds(issuer: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", issuer.child.id())).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = after_name.split_whitespace().collect();
    // `utime` and `stime`, in hundredths (proc_pid_stat(5)).
    let ticks: u64 = [11, 12]
        .map(|field| fields[field].parse::<u64>().unwrap())
        .iter()
        .sum();
    ticks / 100
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_secrets_that_people_chose_do_not_delay_the_first_token() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("issuer.yaml"), chosen_secrets(1_000)).unwrap();
    let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let token = ask_for_token(&issuer.url("/oauth2/token"), "chosen-999", "chosen by 999");
    assert_eq!(token, "200");
    // A hash of each at 16 ms would take sixteen seconds of a core, beside some four in which a debug build reads the file.
    let used = cpu_seconds(&issuer);
    assert!(used < 12, "{used} s");
    assert_eq!(issuer.stop(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn wrong_secrets_leave_the_issuer_small() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("issuer.yaml"), chosen_secrets(10)).unwrap();
    let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let url = issuer.url("/oauth2/token");
    for n in 0..120 {
        let status = ask_for_token(&url, &format!("chosen-{}", n % 10), "guess");
        assert!(status == "401" || status == "429", "{status}");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", issuer.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = resident
        .and_then(|line| line.split_whitespace().next())
        .unwrap()
        .parse()
        .unwrap();
    // Some 30 MiB, and what the allocator still holds of two hashes of 19 MiB. All of them would be 2 GiB.
    assert!(kibibytes < 100 * 1_024, "{kibibytes} KiB");
    assert_eq!(issuer.stop(), 0);
}
