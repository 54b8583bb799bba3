//! What reaches the program: who calls by the word of the sidecar alone.

use crate::raw::{Raw, Says};
use crate::rig::{Rig, bearer, issuer, say};

/// Names that some program or other reads as what the sidecar writes.
const SPELLINGS: [&str; 14] = [
    "X-User-Id",
    "x-user-id",
    "X_User_Id",
    "x.user.id",
    "X-USER_ID",
    "X-Username",
    "x_username",
    "X-Authorities",
    "x~authorities",
    "X-Client-Id",
    "x_client_id",
    "X-Hallpass-Context",
    "x_hallpass_context",
    "x.hallpass.context",
];

fn inbound(program: &Raw, lend: bool) -> String {
    format!(
        "    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}', identity: none, lend-context: {lend} }}\n",
        program.address
    )
}

/// Letters and digits alone.
fn plain(name: &str) -> String {
    let name = name.chars().filter(char::is_ascii_alphanumeric);
    name.collect::<String>().to_ascii_lowercase()
}

#[tokio::test]
async fn no_identity_from_outside_reaches_the_program_in_any_spelling() {
    for lend in [true, false] {
        let program = Raw::start().await;
        let rig = Rig::start(
            issuer(None).await,
            program.address,
            &inbound(&program, lend),
        )
        .await;
        let forged: Vec<_> = SPELLINGS.iter().map(|it| format!("{it}: admin")).collect();
        // What becomes of one that names the handle itself is tested where handles are lent.
        let others = SPELLINGS.iter().filter(|it| !plain(it).contains("context"));
        let others: Vec<_> = others.copied().collect();
        let named = format!("Connection: {}", others.join(", "));
        let trailers: Vec<_> = SPELLINGS.iter().map(|it| format!("{it}: admin")).collect();
        let chunked = format!("5\r\nhello\r\n0\r\n{}", trailers.join("\r\n"));
        for (path, credentials) in [("/orders/1", Some(bearer("alice"))), ("/open/1", None)] {
            let line = format!("GET {path} HTTP/1.1");
            let post = format!("POST {path} HTTP/1.1");
            let mut head = vec![&*line, "Host: shop.example"];
            head.extend(credentials.as_deref());
            let mut plain_ones = head.clone();
            plain_ones.extend(forged.iter().map(String::as_str));
            let mut by_connection = plain_ones.clone();
            by_connection.push(&named);
            let mut in_trailers = vec![&*post, "Host: shop.example"];
            in_trailers.extend(credentials.as_deref());
            in_trailers.extend(["TE: trailers", "Transfer-Encoding: chunked", "", &*chunked]);
            for lines in [plain_ones, by_connection, in_trailers] {
                let answer = say(rig.inbound(), &lines).await;
                assert_eq!(answer.status, 200, "{lines:?} {answer:?}");
                let seen = program.only();
                program.forget();
                let expected = credentials.as_ref().map(|_| "alice");
                assert_eq!(seen.header("x-user-id"), expected, "{seen:?}");
                assert_eq!(seen.header("authorization"), None);
                for (name, value) in &seen.headers {
                    let is_one = SPELLINGS.iter().any(|it| plain(it) == plain(name));
                    assert!(!is_one || value != "admin", "{name}: {value}");
                }
                let handles = seen.all("x-hallpass-context").len();
                let expected = usize::from(lend && credentials.is_some());
                assert_eq!(handles, expected, "{lines:?} {seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_of_a_refused_call_reaches_the_program() {
    let program = Raw::answering(|_| Says::ok("program")).await;
    let rig = Rig::start(
        issuer(None).await,
        program.address,
        &inbound(&program, true),
    )
    .await;
    let other = bearer("alice").replace("Bearer ", "Bearer x");
    for credentials in [
        None,
        Some("Authorization: Basic YWxpY2U6eA=="),
        Some(&*other),
    ] {
        let mut lines = vec!["GET /orders/1 HTTP/1.1", "Host: a", "X-User-Id: admin"];
        lines.extend(credentials);
        let refused = say(rig.inbound(), &lines).await;
        assert_eq!(refused.status, 401, "{lines:?}");
        assert!(refused.head.contains("content-length"), "{refused:?}");
    }
    let nowhere = ["GET /else HTTP/1.1", "Host: a", &bearer("alice")];
    assert_eq!(say(rig.inbound(), &nowhere).await.status, 403);
    let connect = ["CONNECT a.example:443 HTTP/1.1", "Host: a.example:443"];
    assert_eq!(say(rig.inbound(), &connect).await.status, 405);
    assert_eq!(program.connections(), 0);
}
