//! `hallpass token verify`

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use hallpass::token::Algorithm;

use crate::process::{AUDIENCE, ISSUER, Keys, NOW, Outcome, command, run_with, spawn};

fn verify(keys: &Keys, more: &[&str], stdin: &[u8]) -> Outcome {
    let file = keys.file();
    let mut arguments = vec![
        "token",
        "verify",
        "--jwks",
        &file,
        "--issuer",
        ISSUER,
        "--audience",
        AUDIENCE,
    ];
    arguments.extend_from_slice(more);
    run_with(&arguments, stdin)
}

fn at(seconds: u64) -> String {
    format!("--at={seconds}")
}

#[test]
fn a_valid_token_exits_0_with_its_claims() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let keys = Keys::new(algorithm);
        let outcome = verify(&keys, &[&at(NOW + 5), &keys.token()], b"");
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let verdict = outcome.json();
        assert_eq!(verdict["valid"], true);
        assert_eq!(verdict["code"], "ok");
        assert_eq!(verdict["claims"]["sub"], "internal-service-client");
        assert_eq!(verdict["claims"]["scope"], "internal-service");
    }
}

#[test]
fn a_token_from_standard_input_may_end_with_a_line_feed() {
    let keys = Keys::new(Algorithm::EdDsa);
    for end in ["", "\n", "\r\n"] {
        let outcome = verify(
            &keys,
            &[&at(NOW), "-"],
            format!("{}{end}", keys.token()).as_bytes(),
        );
        assert_eq!(outcome.code, 0, "{outcome:?}");
    }
}

#[test]
fn time_and_leeway_decide_about_the_end() {
    let keys = Keys::new(Algorithm::EdDsa);
    let token = keys.token();
    let code = |more: &[&str]| {
        let mut arguments = more.to_vec();
        arguments.push(&token);
        let outcome = verify(&keys, &arguments, b"");
        (
            outcome.code,
            outcome.json()["code"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(code(&[&at(NOW + 609)]), (0, "ok".to_owned()));
    assert_eq!(code(&[&at(NOW + 610)]), (65, "expired".to_owned()));
    assert_eq!(
        code(&[&at(NOW + 600), "--leeway=0"]),
        (65, "expired".to_owned())
    );
    assert_eq!(
        code(&[&at(NOW + 3000), "--leeway=3600"]),
        (0, "ok".to_owned())
    );
    assert_eq!(
        code(&["--at=0", "--leeway=18446744073709551615"]),
        (0, "ok".to_owned())
    );
}

#[test]
fn what_is_not_valid_exits_65_with_a_code_and_without_claims() {
    let keys = Keys::new(Algorithm::Es256);
    let other = Keys::new(Algorithm::Es256);
    let good = keys.token();
    let (signed, _signature) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{signed}.");
    let now = at(NOW);
    let cases: [(&[&str], &str); 7] = [
        (&[&now, &other.token()], "unknown_key"),
        (&[&now, "--algorithm=EdDSA", &good], "algorithm_not_allowed"),
        (&[&now, &unsigned], "malformed_structure"),
        (&[&now, ""], "malformed_structure"),
        (&[&now, "-x"], "malformed_structure"),
        (&[&now, "--", "--leeway=9"], "malformed_structure"),
        (&[&now, "a.b.c"], "malformed_encoding"),
    ];
    for (arguments, code) in cases {
        let outcome = verify(&keys, arguments, b"");
        assert_eq!(outcome.code, 65, "{arguments:?} {outcome:?}");
        let verdict = outcome.json();
        assert_eq!(
            (&verdict["valid"], &verdict["claims"]),
            (&false.into(), &serde_json::Value::Null)
        );
        assert_eq!(verdict["code"], code, "{arguments:?}");
    }
}

#[test]
fn binary_and_huge_input_is_not_valid_and_no_crash() {
    let keys = Keys::new(Algorithm::EdDsa);
    for stdin in [
        &b"\xff\xfe\x00\x01"[..],
        &[b'a'; 1_000_000],
        &vec![b'.'; 6_000_000],
        b"",
    ] {
        let outcome = verify(&keys, &[&at(NOW), "-"], stdin);
        assert_eq!(outcome.code, 65, "{outcome:?}");
        assert_eq!(outcome.json()["valid"], false);
    }
}

#[test]
fn bad_usage_exits_64_and_says_what_is_wrong() {
    let keys = Keys::new(Algorithm::EdDsa);
    let token = keys.token();
    let cases: [&[&str]; 10] = [
        &[],
        &["--leeway", &token],
        &["--leeway=-1", &token],
        &["--at=tomorrow", &token],
        &["--algorithm=none", &token],
        &["--algorithm=HS256", &token],
        &["--algorithm"],
        &["--no-such-option", &token],
        &["--issuer=again", &token],
        &[&token, &token],
    ];
    for arguments in cases {
        let outcome = verify(&keys, arguments, b"");
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{arguments:?} {outcome:?}"
        );
        assert!(!outcome.stderr.is_empty());
    }
}

#[test]
fn keys_that_cannot_be_read_exit_64() {
    let keys = Keys::new(Algorithm::EdDsa);
    let token = keys.token();
    let html = keys.beside("page.html", b"<!doctype html><p>sign in</p>");
    let binary = keys.beside("binary", b"\xff\xfe\x00");
    let huge = keys.beside("huge", &vec![b' '; 2_000_000]);
    let folder = html.trim_end_matches("/page.html");
    let page = html_server();
    let locations = [
        "/no/such/file",
        &html,
        &binary,
        &huge,
        folder,
        &page,
        "http://127.0.0.1:1/",
        "lb://a/b",
        "http://issuer.example/jwks",
        "ftp://issuer.example/jwks",
        "://",
    ];
    for jwks in locations {
        let arguments = [
            "token",
            "verify",
            "--jwks",
            jwks,
            "--issuer=a",
            "--audience=b",
            &token,
        ];
        let outcome = run_with(&arguments, b"");
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{jwks} {outcome:?}"
        );
        assert!(!outcome.stderr.contains(&token), "no token in a message");
    }
}

#[test]
fn a_closed_standard_output_does_not_change_the_verdict() {
    let keys = Keys::new(Algorithm::EdDsa);
    let (file, at) = (keys.file(), at(NOW));
    let arguments = [
        "token",
        "verify",
        "--jwks",
        &file,
        "--issuer",
        ISSUER,
        "--audience",
        AUDIENCE,
        &at,
        "-",
    ];
    for (token, code) in [(keys.token(), 0), ("a.b.c".to_owned(), 65)] {
        let mut child = spawn(&mut command(&arguments));
        drop(child.stdout.take());
        child
            .stdin
            .take()
            .unwrap()
            .write_all(token.as_bytes())
            .unwrap();
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), stderr.as_str()),
            (Some(code), "")
        );
    }
}

/// Answers every request with a sign-in page, as a proxy in front of an issuer does.
fn html_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/oauth2/jwks", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _read = stream.read(&mut request);
            let page = "<!doctype html><p>sign in</p>";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
            let _sent = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
        }
    });
    url
}
