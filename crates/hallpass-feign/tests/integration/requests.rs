//! What goes over the wire.

use std::collections::BTreeMap;

use hallpass_client::TokenFeignSettings;
use hallpass_feign::{ArgumentProblem, FeignError, FeignSettings, PathValues};
use hallpass_upstream::EndpointUrl;

use crate::clients::{FeignOrders, Filter, Order, Orders};
use crate::support::{Upstream, runtime};

async fn echo() -> (Upstream, FeignOrders) {
    echo_of(PathValues::Safe).await
}

async fn echo_of(path_values: PathValues) -> (Upstream, FeignOrders) {
    let order = r#"{"id":1,"note":"x"}"#;
    let upstream = Upstream::answering(move |_, _| order).await;
    let mut settings = FeignSettings::default();
    settings.defaults.path_values = path_values;
    let feign = runtime(&[&upstream]).settings(&settings, &TokenFeignSettings::default());
    let feign = feign.build();
    let orders = FeignOrders::new(&feign).unwrap();
    (upstream, orders)
}

fn order() -> Order {
    Order {
        id: 7,
        note: "<&>".to_owned(),
    }
}

#[tokio::test]
async fn verb_path_query_and_headers_are_as_the_trait_says() {
    let (upstream, orders) = echo().await;
    orders.find("7").await.unwrap();
    orders.part("a b", 3).await.unwrap();
    let filter = Filter {
        state: Some("open & late"),
        id: vec![1, 2],
    };
    orders.list(filter, Some(4)).await.unwrap_err();
    orders
        .list(
            Filter {
                state: None,
                id: vec![],
            },
            None,
        )
        .await
        .unwrap_err();
    orders.traced("abc", Some(9)).await.unwrap();
    orders.traced("abc", None).await.unwrap();
    let seen = upstream.seen();
    let targets: Vec<(&str, &str)> = seen
        .iter()
        .map(|seen| (seen.method.as_str(), seen.target.as_str()))
        .collect();
    let expected = [
        ("GET", "/api/orders/7"),
        ("GET", "/api/orders/a%20b/3.json"),
        (
            "GET",
            "/api/orders?state=open%20%26%20late&id=1&id=2&page=4",
        ),
        ("GET", "/api/orders"),
        ("GET", "/api/traced"),
        ("GET", "/api/traced"),
    ];
    assert_eq!(targets, expected);
    assert_eq!(
        (seen[4].header("x-trace"), seen[4].header("x-span")),
        (Some("abc"), Some("9"))
    );
    assert_eq!(seen[5].header("x-span"), None);
    assert_eq!(seen[0].header("host"), Some(upstream.address()));
    assert_eq!(seen[0].header("accept"), Some("application/json"));
}

#[tokio::test]
async fn an_accept_header_of_the_trait_stays() {
    let (upstream, orders) = echo().await;
    orders.accepting("application/problem+json").await.unwrap();
    assert_eq!(
        upstream.only().header("accept"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn bodies_are_json_or_a_form() {
    let (upstream, orders) = echo().await;
    orders.create(&order()).await.unwrap();
    orders.replace(7, order()).await.unwrap();
    orders
        .change(7, BTreeMap::from([("note", "a&b c")]))
        .await
        .unwrap();
    orders.remove(7).await.unwrap();
    let seen = upstream.seen();
    let bodies: Vec<(&str, &str, Option<&str>)> = seen
        .iter()
        .map(|seen| {
            (
                seen.method.as_str(),
                seen.body.as_str(),
                seen.header("content-type"),
            )
        })
        .collect();
    let json = (r#"{"id":7,"note":"<&>"}"#, Some("application/json"));
    let expected = [
        ("POST", json.0, json.1),
        ("PUT", json.0, json.1),
        (
            "PATCH",
            "note=a%26b+c",
            Some("application/x-www-form-urlencoded"),
        ),
        ("DELETE", "", None),
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_path_value_stays_one_segment_of_the_path_on_the_wire() {
    let (upstream, orders) = echo_of(PathValues::Any).await;
    for (value, target) in [
        ("a/b", "/api/orders/a%2Fb"),
        ("x?admin=1#y", "/api/orders/x%3Fadmin%3D1%23y"),
        ("%2fadmin", "/api/orders/%252fadmin"),
        ("a\r\nHost: evil", "/api/orders/a%0D%0AHost%3A%20evil"),
        ("//evil.example/", "/api/orders/%2F%2Fevil.example%2F"),
        ("@evil.example", "/api/orders/%40evil.example"),
        (
            "http://evil.example",
            "/api/orders/http%3A%2F%2Fevil.example",
        ),
    ] {
        orders.find(value).await.unwrap();
        assert_eq!(upstream.seen().last().unwrap().target, target, "{value}");
    }
}

#[tokio::test]
async fn a_path_value_that_would_leave_its_segment_is_refused_before_anything_is_sent() {
    let (upstream, orders) = echo().await;
    for value in [
        "..",
        "../admin",
        "a/../../admin",
        "%2e%2e",
        "%2e%2e/admin",
        "..\\admin",
        ".",
    ] {
        let problem = ArgumentProblem::DotSegment;
        let error = orders.find(value).await.unwrap_err();
        assert_eq!(
            error,
            FeignError::InvalidArgument {
                argument: "id",
                problem
            },
            "{value}"
        );
    }
    let error = orders.find("").await.unwrap_err();
    assert_eq!(
        error,
        FeignError::InvalidArgument {
            argument: "id",
            problem: ArgumentProblem::Empty
        }
    );
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_path_value_that_servers_refuse_is_refused_before_anything_is_sent() {
    let (upstream, orders) = echo().await;
    for value in ["2024/001", "a;b", "%41", "a\\b", "a\nb"] {
        let problem = ArgumentProblem::UnsafePath;
        let expected = FeignError::InvalidArgument {
            argument: "id",
            problem,
        };
        assert_eq!(orders.find(value).await.unwrap_err(), expected, "{value}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_header_value_cannot_begin_a_second_header() {
    let (upstream, orders) = echo().await;
    let problem = ArgumentProblem::HeaderText;
    for value in ["a\r\nX-Admin: 1", "a\nb", "a\0b", "\u{fc}"] {
        let error = orders.traced(value, None).await.unwrap_err();
        assert_eq!(
            error,
            FeignError::InvalidArgument {
                argument: "x-trace",
                problem
            }
        );
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_target_that_is_too_long_is_refused_before_anything_is_sent() {
    let (upstream, orders) = echo().await;
    let error = orders.find(&"x".repeat(8 * 1024)).await.unwrap_err();
    assert!(
        matches!(
            error,
            FeignError::InvalidArgument {
                problem: ArgumentProblem::TooLong,
                ..
            }
        ),
        "{error}"
    );
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_url_replaces_the_service_name_and_its_path_goes_before_all_others() {
    let upstream = Upstream::answering(|_, _| "null").await;
    let feign = runtime(&[]).build();
    let url: EndpointUrl = format!("http://{}/estate/", upstream.address())
        .parse()
        .unwrap();
    let orders = FeignOrders::builder(&feign).url(url).build().unwrap();
    orders.remove(7).await.unwrap();
    assert_eq!(upstream.only().target, "/estate/api/orders/7");
}

#[tokio::test]
async fn a_service_that_nobody_knows_is_an_error_of_its_own() {
    let feign = runtime(&[]).build();
    let error = FeignOrders::new(&feign)
        .unwrap()
        .remove(7)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "no_instance");
    assert_eq!(error.to_string(), "no instance of `service-a` is known");
}
