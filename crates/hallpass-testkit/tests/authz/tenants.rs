//! The header that names a tenant: what was held against the token goes on, and nothing else does.

use crate::estate::{Answer, Estate, token_of, token_of_tenant, token_through};
use crate::grpc::Question;
use crate::protocols::by_each;

const TENANTS: &str = "    grpc-listen: 127.0.0.1:0
  context:
    headers: [X-Tenant-Id, X-Gray-Tag]
    tenant: { header: X-Tenant-Id }
";

const NAME: &str = "x-tenant-id";
const ENVOY_REMOVES: &str = "x-envoy-auth-headers-to-remove";

/// What becomes of the header, as a proxy is told: the value that is set, or `None` where it is taken away.
fn told(protocol: &str, answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
    let value = answer.header("x-tenant-id").map(str::to_owned);
    let removed = answer.header(ENVOY_REMOVES).unwrap_or_default();
    let is_removed = removed.split(',').any(|it| it == "x-tenant-id");
    match (protocol, value) {
        ("envoy", value) => {
            assert!(value.is_some() != is_removed, "{answer:?}");
            value
        }
        // They copy it: an empty one is none, and one that were left out would stay the caller's in some of them.
        (protocol, None) => panic!("{protocol}: nothing is said of it: {answer:?}"),
        (_, Some(value)) => (!value.is_empty()).then_some(value),
    }
}

/// By each protocol, gRPC among them: the tenant that goes on, or the status of a refusal.
async fn asked(
    estate: &Estate,
    path: &str,
    headers: &[(&str, &str)],
) -> Vec<(&'static str, Result<Option<String>, u16>)> {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<_> = lines.collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut all = Vec::new();
    for (protocol, answer) in by_each(estate, ["GET", path], &lines).await {
        let result = match answer.status {
            200 => Ok(told(protocol, &answer)),
            refused => {
                assert_eq!(answer.header("x-tenant-id"), None);
                Err(refused)
            }
        };
        all.push((protocol, result));
    }
    let answer = estate.check(&Question::new("GET", path, headers)).await;
    let result = match answer.status {
        None => {
            let value = answer.header("x-tenant-id").map(str::to_owned);
            let is_removed = answer.removed.iter().any(|it| it == "x-tenant-id");
            assert!(value.is_some() != is_removed, "{answer:?}");
            Ok(value)
        }
        Some(refused) => Err(refused),
    };
    all.push(("grpc", result));
    all
}

#[tokio::test]
async fn the_tenant_that_was_judged_goes_on_and_one_that_was_not_is_taken_away() {
    let estate = Estate::start_with(TENANTS).await;
    let bearer = |token: String| format!("Bearer {token}");
    let north = bearer(token_of_tenant("alice", "app", "north"));
    let nowhere = bearer(token_of("alice"));
    let service = bearer(token_through("alice"));
    let name = "authorization";
    for (path, headers, expected) in [
        (
            "/orders/7",
            vec![(name, &*north), ("x-tenant-id", "north")],
            Ok(Some("north")),
        ),
        // The proxy has not handed it in: what its caller wrote is not known, and must not stay.
        ("/orders/7", vec![(name, &*north)], Ok(None)),
        (
            "/orders/7",
            vec![(name, &*north), ("x-tenant-id", "south")],
            Err(403),
        ),
        (
            "/orders/7",
            vec![(name, &*nowhere), ("x-tenant-id", "south")],
            Err(403),
        ),
        (
            "/orders/7",
            vec![(name, &*service), ("x-tenant-id", "south")],
            Ok(Some("south")),
        ),
        // An empty one names none: so another proxy in front says it.
        (
            "/orders/7",
            vec![(name, &*north), ("x-tenant-id", "")],
            Ok(None),
        ),
        (
            "/orders/7",
            vec![(name, &*nowhere), ("x-tenant-id", "")],
            Ok(None),
        ),
        ("/public/a", vec![("x-tenant-id", "south")], Ok(None)),
        (
            "/public/a",
            vec![(name, &*north), ("x-tenant-id", "south")],
            Err(403),
        ),
        (
            "/public/a",
            vec![(name, &*north), ("x-tenant-id", "north")],
            Ok(Some("north")),
        ),
    ] {
        let expected = expected.map(|it: Option<&str>| it.map(str::to_owned));
        for (protocol, result) in asked(&estate, path, &headers).await {
            assert_eq!(result, expected, "{protocol} {path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn no_other_spelling_of_the_tenant_gets_past_a_proxy() {
    let estate = Estate::start_with(TENANTS).await;
    let north = format!("Bearer {}", token_of_tenant("alice", "app", "north"));
    for spelling in ["x_tenant_id", "x-tenant_id", "x.tenant.id"] {
        let headers = [("authorization", north.as_str()), (spelling, "north")];
        for (protocol, result) in asked(&estate, "/orders/7", &headers).await {
            match protocol {
                // It removes what it is told to.
                "envoy" | "grpc" => assert_eq!(result, Ok(None), "{protocol} {spelling}"),
                _ => assert_eq!(result, Err(400), "{protocol} {spelling}"),
            }
        }
        let answer = estate
            .check(&Question::new("GET", "/orders/7", &headers))
            .await;
        assert!(answer.removed.contains(&spelling.to_owned()), "{answer:?}");
    }
}

#[tokio::test]
async fn without_such_a_setting_the_header_is_left_to_the_proxy() {
    let estate = Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await;
    let token = format!("Bearer {}", token_of("alice"));
    let headers = [("authorization", token.as_str()), ("x-tenant-id", "south")];
    let lines = headers.map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for (protocol, answer) in by_each(&estate, ["GET", "/orders/7"], &lines).await {
        assert_eq!(answer.status, 200, "{protocol}");
        assert_eq!(answer.header("x-tenant-id"), None, "{protocol}");
    }
    let answer = estate
        .check(&Question::new("GET", "/orders/7", &headers))
        .await;
    assert!(!answer.removed.contains(&"x-tenant-id".to_owned()));
}

/// Whoever looks at whose tokens lack the claim, before he enforces it, must not take the tenant from the services behind.
#[tokio::test]
async fn what_is_not_enforced_leaves_the_tenant_to_the_service_as_it_came() {
    let north = format!("Bearer {}", token_of_tenant("alice", "app", "north"));
    let nowhere = format!("Bearer {}", token_of("alice"));
    for mode in ["report", "off"] {
        let lenient = format!("{TENANTS}  security.internal-jwt.mode: {mode}\n");
        let estate = Estate::start_with(&lenient).await;
        let token = "authorization";
        for (path, headers) in [
            ("/orders/7", vec![(token, &*north), (NAME, "north")]),
            ("/orders/7", vec![(token, &*north), (NAME, "south")]),
            ("/orders/7", vec![(token, &*nowhere), (NAME, "south")]),
            ("/public/a", vec![(NAME, "south")]),
            ("/no/rule", vec![(token, &*nowhere), (NAME, "south")]),
            ("/orders//7", vec![(token, &*nowhere), (NAME, "south")]),
            ("/orders/7", vec![(token, &*north)]),
            (
                "/orders/7",
                vec![(token, &*north), ("x_tenant_id", "south")],
            ),
        ] {
            stays(&estate, path, &headers).await;
        }
    }
}

/// A proxy that copies is told what it has handed in, since some take the caller's away for any answer; Envoy is told nothing.
async fn stays(estate: &Estate, path: &str, headers: &[(&str, &str)]) {
    let sent = headers.iter().find(|(name, _)| *name == NAME);
    let sent = sent.map(|(_, value)| *value);
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<_> = lines.collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let is_tenant = |name: &str| name.replace(['_', '.'], "-") == NAME;
    for (protocol, answer) in by_each(estate, ["GET", path], &lines).await {
        assert_eq!(answer.status, 200, "{protocol} {path}: {answer:?}");
        let told = (protocol != "envoy").then_some(sent).flatten();
        assert_eq!(answer.header(NAME), told, "{protocol} {path} {headers:?}");
        let removed = answer.header(ENVOY_REMOVES).unwrap_or_default();
        assert!(!removed.split(',').any(is_tenant), "{path}: {removed}");
    }
    let answer = estate.check(&Question::new("GET", path, headers)).await;
    assert_eq!(answer.status, None, "{path}: {answer:?}");
    assert_eq!(answer.header(NAME), None, "{path}: {answer:?}");
    let removed = answer.removed.iter();
    assert!(!removed.map(String::as_str).any(is_tenant), "{answer:?}");
}
