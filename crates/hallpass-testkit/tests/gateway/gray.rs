//! Instances by tag: a request goes to those that its header names.

use super::estate::{Estate, Setup, bearer};
use super::raw::{Raw, Says};

const ORDERS: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: open, path: /open/**, to: 'lb://orders', identity: none, rule: anonymous }";

/// One plain instance and one with the tag `v2`.
async fn estate(plain: &Raw, gray: &Raw, context: &str) -> Estate {
    let discovery = format!(
        "  discovery: {{ gray-metadata: version, static: {{ orders: ['{}', '{} tag.version=v2'] }} }}\n",
        plain.address, gray.address
    );
    Estate::of(Setup {
        routes: ORDERS,
        above: &format!("{context}{discovery}"),
        ..Setup::default()
    })
    .await
}

#[tokio::test]
async fn a_request_goes_to_instances_with_its_tag_and_all_others_stay_away() {
    let (plain, gray) = (Raw::start().await, Raw::start().await);
    let context = "  context: { headers: [X-Gray-Tag], gray-header: X-Gray-Tag }\n";
    let estate = estate(&plain, &gray, context).await;
    let alice = bearer("alice");
    let rows = [
        (Some("v2"), (0, 5)),
        (None, (5, 5)),
        (Some("v3"), (10, 5)),
        (Some(""), (15, 5)),
    ];
    for (tag, expected) in rows {
        let tag = tag.map(|tag| format!("X-Gray-Tag: {tag}"));
        let mut lines = vec!["GET /orders/7 HTTP/1.1", "Host: a", &alice];
        lines.extend(tag.as_deref());
        for _request in 0..5 {
            assert_eq!(estate.ask(&lines).await.status, 200);
        }
        let seen = (plain.seen().len(), gray.seen().len());
        assert_eq!(seen, expected, "{tag:?}");
    }
    // It goes on, so that the next service finds its own.
    let mut tags = gray
        .seen()
        .into_iter()
        .map(|it| it.header("x-gray-tag").map(str::to_owned));
    assert!(tags.all(|tag| tag.as_deref() == Some("v2")));
    let count = |result: &str| {
        let name = format!("hallpass_gateway_gray_total{{service=\"orders\",result=\"{result}\"}}");
        estate.sample(&name)
    };
    assert_eq!((count("tagged"), count("fallback")), (5.0, 5.0));
    // Who is nobody chooses too: a tag proves nothing, and opens nothing.
    gray.forget();
    let lines = ["GET /open/7 HTTP/1.1", "Host: a", "X-Gray-Tag: v2"];
    assert_eq!(estate.ask(&lines).await.status, 200);
    gray.only();
}

#[tokio::test]
async fn where_no_instance_with_the_tag_is_well_another_takes_the_request() {
    let fails = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let (plain, gray) = (
        Raw::start().await,
        Raw::answering(move |_| Says::text(fails)).await,
    );
    let context = "  context: { headers: [X-Gray-Tag], gray-header: X-Gray-Tag }\n";
    let estate = estate(&plain, &gray, context).await;
    let lines = [
        "GET /orders/7 HTTP/1.1",
        "Host: a",
        &bearer("alice"),
        "X-Gray-Tag: v2",
    ];
    assert_eq!(estate.ask(&lines).await.status, 200);
    assert_eq!((gray.seen().len(), plain.seen().len()), (1, 1));
}

#[tokio::test]
async fn without_the_setting_a_tag_chooses_nothing() {
    let (plain, gray) = (Raw::start().await, Raw::start().await);
    let estate = estate(&plain, &gray, "  context: { headers: [X-Gray-Tag] }\n").await;
    let alice = bearer("alice");
    for _request in 0..20 {
        let lines = [
            "GET /orders/7 HTTP/1.1",
            "Host: a",
            &alice,
            "X-Gray-Tag: v2",
        ];
        assert_eq!(estate.ask(&lines).await.status, 200);
    }
    assert_eq!((plain.seen().len(), gray.seen().len()), (20, 0));
}
