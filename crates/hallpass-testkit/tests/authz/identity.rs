//! Identity headers of the caller's own making, which must not reach the service in any spelling.

use crate::estate::{Estate, token_of, token_through};
use crate::grpc::Question;
use crate::protocols::by_each;

/// What CGI-like servers read as `X-User-Id`, `X-Authorities` and `X-Client-Id`.
const SPELLED: [&str; 6] = [
    "x_user_id",
    "X.User.Id",
    "x-user~id",
    "X_Authorities",
    "x.client-id",
    "X-CLIENT_ID",
];

#[tokio::test]
async fn the_name_of_any_client_takes_the_place_of_what_its_caller_wrote() {
    let estate = Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await;
    for (client, told) in [
        ("b\u{fc}cher", "b%C3%BCcher"),
        ("a, root", "a%2C%20root"),
        ("100%", "100%25"),
    ] {
        let authorization = format!("Bearer {}", token_through(client));
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-client-id", "root"),
        ];
        let question = Question::new("GET", "/orders/7", &headers);
        let answer = estate.check(&question).await;
        assert_eq!(answer.header("x-client-id"), Some(told), "{answer:?}");
        let line = format!("Authorization: {authorization}");
        let asked = by_each(&estate, ["GET", "/orders/7"], &[&line, "X-Client-Id: root"]).await;
        for (protocol, answer) in asked {
            assert_eq!(answer.header("x-client-id"), Some(told), "{protocol}");
        }
    }
}

#[tokio::test]
async fn envoy_removes_each_spelling_of_an_identity_header_that_the_caller_wrote() {
    let estate = Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await;
    let authorization = format!("Bearer {}", token_of("alice"));
    for name in SPELLED {
        let name = name.to_ascii_lowercase();
        for path in ["/orders/7", "/public/a"] {
            let headers = [
                ("authorization", authorization.as_str()),
                (name.as_str(), "root"),
                ("x-user", "kept"),
                ("x-user-idx", "kept"),
            ];
            let answer = estate.check(&Question::new("GET", path, &headers)).await;
            assert_eq!(answer.code, 0, "{name}: {answer:?}");
            assert!(answer.removed.contains(&name), "{name}: {answer:?}");
            assert!(
                !answer.removed.iter().any(|it| it.starts_with("x-user-idx")),
                "{answer:?}"
            );
        }
        let line = format!("{name}: root");
        let [envoy, ..] = &by_each(&estate, ["GET", "/public/a"], &[&line]).await[..] else {
            panic!("three protocols");
        };
        let removed = envoy.1.header("x-envoy-auth-headers-to-remove").unwrap();
        assert!(removed.split(',').any(|it| it == name), "{name}: {removed}");
    }
}

/// They copy headers of the answer and can remove none.
#[tokio::test]
async fn a_proxy_that_cannot_remove_another_spelling_is_told_to_refuse() {
    let estate = Estate::start().await;
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    for name in SPELLED {
        let forged = format!("{name}: root");
        for path in ["/orders/7", "/public/a"] {
            for (protocol, answer) in by_each(&estate, ["GET", path], &[&line, &forged]).await {
                let status = match protocol {
                    "envoy" => 200,
                    _ => 400,
                };
                assert_eq!(answer.status, status, "{protocol} {name}: {answer:?}");
            }
        }
    }
    for kept in ["X-User: a", "X-User-Idx: a", "x_request_id: a"] {
        for (protocol, answer) in by_each(&estate, ["GET", "/orders/7"], &[&line, kept]).await {
            assert_eq!(answer.status, 200, "{protocol} {kept}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn where_identity_headers_are_stripped_nobody_bears_any() {
    let estate = Estate::start_with("    identity-headers: strip\n").await;
    let lines = [
        &*format!("Authorization: Bearer {}", token_of("alice")),
        "X-User-Id: root",
        "X-Client-Id: root",
    ];
    for (protocol, answer) in by_each(&estate, ["GET", "/orders/7"], &lines).await {
        assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
        let removed = answer.header("x-envoy-auth-headers-to-remove");
        for name in ["x-user-id", "x-username", "x-authorities", "x-client-id"] {
            let told = answer.header(name);
            match removed {
                Some(removed) => {
                    assert_eq!(told, None, "{protocol} {name}");
                    assert!(removed.split(',').any(|it| it == name), "{removed}");
                }
                None => assert_eq!(told, Some(""), "{protocol} {name}"),
            }
        }
    }
}
