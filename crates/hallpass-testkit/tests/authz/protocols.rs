//! What each kind of proxy sends, and the exact answer.

use hallpass::{Hallpass, Settings};

use crate::estate::{Answer, Estate, load, token, token_of};

/// What a proxy sends about one request, by each protocol.
fn questions(method: &str, uri: &str, more: &[&str]) -> [(&'static str, Vec<String>); 3] {
    let with = |lines: Vec<String>| {
        let more = more.iter().map(|line| (*line).to_owned());
        lines.into_iter().chain(more).collect::<Vec<_>>()
    };
    [
        (
            "envoy",
            with(vec![
                format!("{method} /authz/envoy{uri} HTTP/1.1"),
                "Host: shop.example".to_owned(),
            ]),
        ),
        (
            "nginx",
            with(vec![
                "GET /authz/nginx HTTP/1.0".to_owned(),
                "Host: authz".to_owned(),
                format!("X-Original-Method: {method}"),
                format!("X-Original-URI: {uri}"),
                "X-Original-Host: shop.example".to_owned(),
            ]),
        ),
        (
            "forward",
            with(vec![
                "GET /authz/forward HTTP/1.1".to_owned(),
                "Host: authz:9191".to_owned(),
                format!("X-Forwarded-Method: {method}"),
                "X-Forwarded-Proto: https".to_owned(),
                "X-Forwarded-Host: shop.example".to_owned(),
                format!("X-Forwarded-Uri: {uri}"),
                "X-Forwarded-For: 203.0.113.7".to_owned(),
            ]),
        ),
    ]
}

pub(crate) async fn by_each(
    estate: &Estate,
    request: [&str; 2],
    more: &[&str],
) -> Vec<(&'static str, Answer)> {
    let mut answers = Vec::new();
    for (protocol, lines) in questions(request[0], request[1], more) {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        answers.push((protocol, estate.ask(&lines).await));
    }
    answers
}

#[tokio::test]
async fn who_may_pass_does_so_with_the_verified_identity_by_every_protocol() {
    let estate = Estate::start().await;
    let authorization = format!("Bearer {}", token_of("alice"));
    let line = format!("Authorization: {authorization}");
    for (protocol, answer) in by_each(&estate, ["GET", "/orders/7?a=b"], &[&line]).await {
        assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
        assert_eq!(answer.header("x-user-id"), Some("alice"), "{protocol}");
        assert_eq!(answer.header("x-username"), Some("Al%C3%A9"), "{protocol}");
        assert_eq!(
            answer.header("x-authorities"),
            Some("SCOPE_orders.read"),
            "{protocol}"
        );
        assert_eq!(answer.header("x-client-id"), Some("app"), "{protocol}");
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{protocol}"
        );
        assert_eq!(answer.body, "", "{protocol}");
        let kept = match protocol {
            // It keeps what it is not told to change.
            "envoy" => None,
            // They may be told to copy it: it must be there to stay.
            _ => Some(authorization.as_str()),
        };
        assert_eq!(answer.header("authorization"), kept, "{protocol}");
        let removed = (protocol == "envoy").then_some(
            "x_user_id,x-user_id,x_user-id,x_username,x_authorities,x_client_id,x-client_id,x_client-id",
        );
        assert_eq!(
            answer.header("x-envoy-auth-headers-to-remove"),
            removed,
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn who_is_nobody_bears_no_identity_that_it_wrote_itself() {
    let estate = Estate::start().await;
    let forged = [
        "X-User-Id: root",
        "X-Username: root",
        "X-Authorities: ROLE_ADMIN",
        "X-Client-Id: root",
    ];
    for (protocol, answer) in by_each(&estate, ["GET", "/public/a"], &forged).await {
        assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
        for name in ["x-user-id", "x-username", "x-authorities", "x-client-id"] {
            let (value, removed) = (
                answer.header(name),
                answer.header("x-envoy-auth-headers-to-remove"),
            );
            match protocol {
                "envoy" => {
                    assert_eq!(value, None);
                    assert!(
                        removed.unwrap().split(',').any(|it| it == name),
                        "{removed:?}"
                    );
                }
                _ => assert_eq!(
                    value,
                    Some(""),
                    "{protocol} {name}: would stay the caller's"
                ),
            }
        }
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_as_the_service_itself_would() {
    let estate = Estate::start().await;
    let line = format!("Authorization: Bearer {}", token_of("alice"));
    for (request, more, status, code) in [
        (["GET", "/orders/7"], None, 401, "missing_token"),
        (
            ["GET", "/orders/7"],
            Some("Authorization: Bearer a.b.c"),
            401,
            "invalid_token",
        ),
        (
            ["DELETE", "/orders/7"],
            Some(line.as_str()),
            403,
            "insufficient_scope",
        ),
        (
            ["GET", "/elsewhere"],
            Some(line.as_str()),
            403,
            "insufficient_scope",
        ),
        (
            ["GET", "/public/%2e%2e/orders/7"],
            Some(line.as_str()),
            400,
            "ambiguous_path",
        ),
    ] {
        for (protocol, answer) in by_each(&estate, request, more.as_slice()).await {
            let expected = match (protocol, status) {
                // It makes 500 of anything but 401 and 403.
                ("nginx", 400) => 403,
                _ => status,
            };
            assert_eq!(
                answer.status, expected,
                "{protocol} {request:?}: {answer:?}"
            );
            assert!(
                answer.body.contains(&format!("\"code\":\"{code}\"")),
                "{protocol} {request:?}: {answer:?}"
            );
            let told = answer.header("x-hallpass-status");
            let real = status.to_string();
            assert_eq!(
                told,
                (protocol == "nginx").then_some(real.as_str()),
                "{protocol}"
            );
            let challenges = answer.all("www-authenticate").len();
            assert_eq!(
                challenges > 0,
                status == 401 || status == 403,
                "{protocol} {request:?}: {answer:?}"
            );
            assert_eq!(answer.header("x-user-id"), None);
            assert_eq!(answer.header("authorization"), None);
        }
    }
}

#[tokio::test]
async fn an_upstream_gets_the_token_that_the_settings_name() {
    let estate = Estate::start().await;
    let sent = format!("Bearer {}", token_of("alice"));
    let line = format!("Authorization: {sent}");
    for (path, subject) in [
        ("/logistics/1", Some("alice")),
        ("/stock/1", Some("edge")),
        ("/alone/1", None),
    ] {
        for (protocol, answer) in by_each(&estate, ["GET", path], &[&line, "DPoP: x"]).await {
            assert_eq!(answer.status, 200, "{protocol} {path}: {answer:?}");
            let removed = answer
                .header("x-envoy-auth-headers-to-remove")
                .unwrap_or_default();
            let removed: Vec<_> = removed.split(',').collect();
            match (subject, answer.header("authorization")) {
                (Some(subject), Some(value)) => {
                    let token = value.strip_prefix("Bearer ").unwrap();
                    assert_ne!(value, sent, "{protocol} {path}");
                    assert_eq!(
                        subject_of(&estate, path, token).await,
                        subject,
                        "{protocol} {path}"
                    );
                    assert!(!removed.contains(&"authorization"), "{protocol}");
                }
                (None, value) if protocol == "envoy" => {
                    assert_eq!(value, None);
                    assert!(removed.contains(&"authorization"), "{removed:?}");
                }
                (None, value) => assert_eq!(value, Some(""), "{protocol}"),
                (Some(_), None) => panic!("{protocol} {path}: {answer:?}"),
            }
            assert_eq!(
                removed.contains(&"dpop"),
                protocol == "envoy",
                "{protocol} {path}"
            );
        }
    }
    // One exchange and one request for a service token, however many ask.
    assert_eq!(estate.issuer.tokens_issued(), 2);
    let [ok, other] = ["exchange", "service"].map(|identity| {
        estate.sample(&format!(
            "hallpass_authz_upstream_tokens_total{{identity=\"{identity}\",result=\"ok\"}}"
        ))
    });
    assert_eq!((ok, other), (3.0, 3.0));
}

/// Whom the upstream sees behind the token, which it verifies as its own.
async fn subject_of(estate: &Estate, path: &str, token: &str) -> String {
    let upstream = path.split('/').nth(1).unwrap();
    let yaml = estate
        .yaml
        .replace("name: edge", &format!("name: {upstream}-service"));
    let hallpass = Hallpass::from_settings(&load::<Settings>(&yaml)).unwrap();
    let server = hallpass.resource_server().build().unwrap();
    let verified = server.verify(token).await.unwrap();
    verified.context().subject().to_string()
}

#[tokio::test]
async fn another_host_gets_another_upstreams_token() {
    let estate = Estate::start().await;
    let line = format!("Authorization: Bearer {}", token("bob", "x"));
    let ask = async |host: &str| {
        let host = format!("Host: {host}");
        let lines = ["GET /authz/envoy/logistics/1 HTTP/1.1", &host, &line];
        estate.ask(&lines).await
    };
    assert!(
        ask("SHOP.example:8443")
            .await
            .header("authorization")
            .is_some()
    );
    // No entry fits: what the caller has sent stays.
    let other = ask("other.example").await;
    assert_eq!((other.status, other.header("authorization")), (200, None));
}

#[tokio::test]
async fn health_says_ready_when_the_keys_are_there() {
    let estate = Estate::start().await;
    loop {
        let ready = estate.management("/health/ready").await;
        match ready.status {
            200 => break assert_eq!(ready.body, "ready\n"),
            503 => assert_eq!(ready.body, "waiting for the keys of the issuers\n"),
            _ => panic!("{ready:?}"),
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(estate.management("/health/live").await.status, 200);
    let metrics = estate.management("/metrics").await;
    assert!(metrics.body.contains("# EOF"), "{metrics:?}");
    assert_eq!(estate.management("/authz/envoy/public/a").await.status, 404);
    estate.authz.begin_stopping();
    let stopping = estate.management("/health/ready").await;
    assert_eq!(
        (stopping.status, stopping.body.as_str()),
        (503, "stopping\n")
    );
    let answer = estate
        .ask(&["GET /authz/envoy/public/a HTTP/1.1", "Host: a"])
        .await;
    assert_eq!(answer.status, 200, "questions are answered until the end");
}
