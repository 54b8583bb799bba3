//! Headers that every call has, and keys that make a call one.

use hallpass_client::TokenFeignSettings;
use hallpass_client::context::{AllowList, CallContext, scope_all};
use hallpass_config::Loader;
use hallpass_feign::{ContextHeadersSettings, FeignError, FeignSettings, feign_client};
use http::{HeaderName, StatusCode};

use crate::support::{Upstream, runtime};

#[feign_client(
    name = "service-a",
    identity = "none",
    headers = ["X-Api-Version: 1", "Accept-Language: de, en"]
)]
trait Versioned {
    #[get("/plain")]
    async fn plain(&self) -> Result<(), FeignError>;

    #[get("/own", headers = ["X-Api-Version: 2", "Accept: text/csv"])]
    async fn own(
        &self,
        #[header("Accept-Language")] language: Option<&str>,
    ) -> Result<(), FeignError>;

    #[post("/once", idempotency_key = true)]
    async fn once(&self, #[json] amount: u8) -> Result<(), FeignError>;

    #[post("/keyed", idempotency_key = true)]
    async fn keyed(&self, #[header("Idempotency-Key")] key: Option<&str>)
    -> Result<(), FeignError>;
}

fn settings(yaml: &str) -> Result<FeignSettings, String> {
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    let loaded = loader.load();
    loaded
        .map(|loaded| loaded.into_settings())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn constants_are_sent_once_and_what_is_nearer_to_the_call_goes_over_them() {
    let upstream = Upstream::answering(|_, _| "").await;
    let versioned = FeignVersioned::new(&runtime(&[&upstream]).build()).unwrap();
    versioned.plain().await.unwrap();
    versioned.own(Some("fr")).await.unwrap();
    versioned.own(None).await.unwrap();
    let sent: Vec<[Vec<String>; 3]> = upstream
        .seen()
        .iter()
        .map(|seen| {
            ["x-api-version", "accept-language", "accept"].map(|name| {
                let values = seen.headers.get_all(name).iter();
                values
                    .map(|value| value.to_str().unwrap().to_owned())
                    .collect()
            })
        })
        .collect();
    let of = |values: [&str; 3]| values.map(|value| vec![value.to_owned()]);
    let expected = [
        of(["1", "de, en", "*/*"]),
        of(["2", "fr", "text/csv"]),
        of(["2", "de, en", "text/csv"]),
    ];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn headers_of_the_configuration_go_over_the_constants_and_an_argument_over_them() {
    let yaml = "
hallpass:
  feign:
    defaults: { headers: { X-Estate: [blue] } }
    clients:
      service-a: { headers: { X-Api-Version: 3, Accept-Language: [fr, it], X-Region: eu } }
      service-b: { deadline-ms: 100 }
";
    let settings = settings(yaml).unwrap();
    let inherited: Vec<_> = settings.client("service-b").headers.iter().collect();
    assert_eq!(inherited.len(), 1);
    assert_eq!(settings.client("service-c").headers.iter().count(), 1);
    let upstream = Upstream::answering(|_, _| "").await;
    let feign = runtime(&[&upstream]).settings(&settings, &TokenFeignSettings::default());
    let versioned = FeignVersioned::new(&feign.build()).unwrap();
    versioned.own(None).await.unwrap();
    versioned.own(Some("es")).await.unwrap();
    let seen = upstream.seen();
    for (index, language) in [(0, "fr, it"), (1, "es")] {
        assert_eq!(seen[index].header("x-api-version"), Some("3"));
        assert_eq!(seen[index].header("x-region"), Some("eu"));
        assert_eq!(seen[index].header("accept-language"), Some(language));
        assert_eq!(seen[index].header("x-estate"), None);
    }
}

#[test]
fn headers_that_belong_to_identity_or_are_for_a_secret_are_refused_with_their_place() {
    for (name, reason) in [
        ("Authorization", "belongs to the identity"),
        ("dpop", "belongs to the identity"),
        ("Content-Type", "belongs to the identity"),
        ("Transfer-Encoding", "belongs to the identity"),
        ("X-Api-Key", "for a secret"),
        ("Cookie", "for a secret"),
        ("Idempotency-Key", "another one for each call"),
        ("X-Request-Timeout-Ms", "another one for each call"),
        ("grpc_timeout", "another one for each call"),
        ("X_User_Id", "another one for each call"),
        ("traceparent", "another one for each call"),
    ] {
        let yaml = format!(
            "hallpass: {{ feign: {{ clients: {{ a: {{ headers: {{ {name}: [x] }} }} }} }} }}"
        );
        let message = settings(&yaml).unwrap_err();
        assert!(
            message.contains(reason) && message.contains("feign.clients.a.headers"),
            "{name}: {message}"
        );
    }
    let yaml =
        "hallpass: { feign: { clients: { a: { headers: { X-A: [\"b\\r\\nX-Admin: 1\"] } } } } }";
    assert!(settings(yaml).unwrap_err().contains("printable ASCII"));
}

#[tokio::test]
async fn a_constant_that_travels_with_the_context_is_for_calls_whose_context_has_none() {
    let mut settings = settings(
        "hallpass: { feign: { clients: { service-a: { headers: { X-Tenant-Id: none, X-Else: 1 } } } } }",
    )
    .unwrap();
    let service = settings.clients.get_mut("service-a").unwrap();
    service.context_headers = ContextHeadersSettings::All;
    settings.context.headers = AllowList::new(["X-Tenant-Id", "Accept-Language"]).unwrap();
    let upstream = Upstream::answering(|_, _| "").await;
    let feign = runtime(&[&upstream]).settings(&settings, &TokenFeignSettings::default());
    let versioned = FeignVersioned::new(&feign.build()).unwrap();
    let of_north = || {
        let header = |name| HeaderName::from_static(name);
        CallContext::default()
            .with_header(header("x-tenant-id"), "north".parse().unwrap())
            .with_header(header("accept-language"), "it".parse().unwrap())
    };
    scope_all(of_north(), versioned.own(None)).await.unwrap();
    scope_all(of_north(), versioned.own(Some("es")))
        .await
        .unwrap();
    versioned.own(None).await.unwrap();
    let seen = upstream.seen();
    let of = |name: &str| {
        seen.iter()
            .map(|seen| seen.header(name).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("x-tenant-id"), ["north", "north", "none"]);
    assert_eq!(
        of("accept-language"),
        ["it", "es", "de, en"],
        "an argument goes over both"
    );
    assert_eq!(of("x-else"), ["1"; 3]);
}

#[tokio::test]
async fn a_call_with_an_idempotency_key_is_repeated_with_the_same_key() {
    let upstream = Upstream::answering(|_, number| match number % 2 {
        1 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    })
    .await;
    let versioned = FeignVersioned::new(&runtime(&[&upstream]).build()).unwrap();
    versioned.once(1).await.unwrap();
    versioned.once(1).await.unwrap();
    let keys: Vec<String> = upstream
        .seen()
        .iter()
        .map(|seen| seen.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!((&keys[0], &keys[2]), (&keys[1], &keys[3]));
    assert_ne!(keys[0], keys[2]);
    assert!(keys[0].len() == 34 && keys[0].starts_with('"'), "{keys:?}");
}

#[tokio::test]
async fn a_call_is_repeated_with_the_headers_that_it_had() {
    let upstream = Upstream::answering(|_, number| match number % 2 {
        1 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    })
    .await;
    let versioned = FeignVersioned::new(&runtime(&[&upstream]).build()).unwrap();
    versioned.plain().await.unwrap();
    versioned.own(None).await.unwrap();
    versioned.own(Some("fr")).await.unwrap();
    let seen = upstream.seen();
    let of_all: Vec<_> = seen
        .iter()
        .map(|seen| {
            let mut headers = seen.headers.clone();
            // Each attempt is a span of its own.
            assert!(headers.remove("traceparent").is_some());
            headers
        })
        .collect();
    assert_eq!(of_all.len(), 6);
    for pair in of_all.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(seen[1].header("accept-language"), Some("de, en"));
    assert_eq!(seen[3].header("accept"), Some("text/csv"));
    assert_eq!(seen[5].header("accept-language"), Some("fr"));
}

#[tokio::test]
async fn an_idempotency_key_of_the_caller_stays() {
    let upstream = Upstream::answering(|_, _| "").await;
    let versioned = FeignVersioned::new(&runtime(&[&upstream]).build()).unwrap();
    versioned.keyed(Some("\"order-7\"")).await.unwrap();
    versioned.keyed(None).await.unwrap();
    let seen = upstream.seen();
    assert_eq!(seen[0].header("idempotency-key"), Some("\"order-7\""));
    assert_eq!(seen[1].header("idempotency-key").unwrap().len(), 34);
}
