//! Shapes of calls as estates have them: a path of the trait alone, text in both directions, and a DELETE that says what.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response as Answered};
use hallpass_client::TokenFeignSettings;
use hallpass_config::Loader;
use hallpass_feign::{Feign, FeignError, FeignSettings, feign_client};
use http::{Response, StatusCode};

use crate::support::{Upstream, runtime};

#[feign_client(name = "service-a", path = "/orders", identity = "none")]
trait Orders {
    #[get("/")]
    async fn list(&self, #[query] number: u32) -> Result<(), FeignError>;

    #[get]
    async fn all(&self) -> Result<(), FeignError>;

    #[post(idempotent = true)]
    async fn create(&self, #[text] note: &str) -> Result<(), FeignError>;

    #[get("/search")]
    async fn search(&self, #[query] filter: &BTreeMap<&str, &str>) -> Result<(), FeignError>;

    #[get("/open/")]
    async fn open(&self) -> Result<(), FeignError>;

    #[delete]
    async fn remove_all(&self, #[json] ids: &[u64]) -> Result<(), FeignError>;
}

#[feign_client(name = "service-a", identity = "none")]
trait Texts {
    #[get("/")]
    async fn root(&self) -> Result<(), FeignError>;

    #[get("/status")]
    async fn status(&self) -> Result<String, FeignError>;

    #[get("/status")]
    async fn status_if_any(&self) -> Result<Option<String>, FeignError>;

    #[get("/status")]
    async fn status_with_head(&self) -> Result<Response<Option<String>>, FeignError>;

    #[put("/csv")]
    async fn csv(&self, #[text("text/csv")] table: String) -> Result<(), FeignError>;
}

async fn answering(answer: impl Fn() -> Answered + Send + Sync + 'static) -> (Upstream, Feign) {
    let upstream = Upstream::answering(move |_, _| answer()).await;
    let feign = runtime(&[&upstream]).build();
    (upstream, feign)
}

fn sent(upstream: &Upstream) -> Vec<(String, String)> {
    let seen = upstream.seen().into_iter();
    seen.map(|seen| (seen.method, seen.target)).collect()
}

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    let lines = lines.iter();
    lines
        .map(|(verb, target)| ((*verb).to_owned(), (*target).to_owned()))
        .collect()
}

#[tokio::test]
async fn the_path_of_the_trait_alone_is_called_without_a_slash_behind_it() {
    let (upstream, feign) = answering(|| StatusCode::OK.into_response()).await;
    let orders = FeignOrders::new(&feign).unwrap();
    orders.list(1).await.unwrap();
    orders.all().await.unwrap();
    orders.create("x").await.unwrap();
    orders.open().await.unwrap();
    let filter = BTreeMap::from([("pageSize", "20"), ("state", "a b")]);
    orders.search(&filter).await.unwrap();
    let expected = [
        ("GET", "/orders?number=1"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/open/"),
        ("GET", "/orders/search?pageSize=20&state=a%20b"),
    ];
    assert_eq!(sent(&upstream), lines(&expected));
}

#[tokio::test]
async fn the_path_of_a_url_alone_is_called_without_a_slash_behind_it() {
    let (upstream, feign) = answering(|| StatusCode::OK.into_response()).await;
    FeignTexts::new(&feign).unwrap().root().await.unwrap();
    let url = format!("http://{}/base", upstream.address());
    let based = FeignTexts::builder(&feign).url(url.parse().unwrap());
    based.build().unwrap().root().await.unwrap();
    let based = FeignOrders::builder(&feign).url(url.parse().unwrap());
    based.build().unwrap().all().await.unwrap();
    let expected = [("GET", "/"), ("GET", "/base"), ("GET", "/base/orders")];
    assert_eq!(sent(&upstream), lines(&expected));
}

#[tokio::test]
async fn a_delete_says_in_its_body_what_is_deleted() {
    let (upstream, feign) = answering(|| StatusCode::NO_CONTENT.into_response()).await;
    let orders = FeignOrders::new(&feign).unwrap();
    orders.remove_all(&[7, 8]).await.unwrap();
    let seen = upstream.only();
    assert_eq!(
        (seen.method.as_str(), seen.body.as_str()),
        ("DELETE", "[7,8]")
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn text_goes_up_as_it_is_and_says_how_it_is_written() {
    let (upstream, feign) = answering(|| StatusCode::OK.into_response()).await;
    FeignOrders::new(&feign)
        .unwrap()
        .create("\u{fc}ber")
        .await
        .unwrap();
    let texts = FeignTexts::new(&feign).unwrap();
    texts.csv("a,b".to_owned()).await.unwrap();
    let sent: Vec<_> = upstream.seen();
    assert_eq!(sent[0].body, "\u{fc}ber");
    assert_eq!(
        sent[0].header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        (sent[1].body.as_str(), sent[1].header("content-type")),
        ("a,b", Some("text/csv"))
    );
}

#[tokio::test]
async fn text_comes_back_by_the_media_type_of_the_response() {
    let (upstream, feign) = answering(|| "paid".into_response()).await;
    let texts = FeignTexts::new(&feign).unwrap();
    assert_eq!(texts.status().await.unwrap(), "paid");
    let accept = upstream.only().header("accept").unwrap().to_owned();
    assert!(
        accept.starts_with("text/plain,") && accept.contains("application/json"),
        "{accept}"
    );

    let (_upstream, feign) = answering(|| Json("paid \"twice\"").into_response()).await;
    let texts = FeignTexts::new(&feign).unwrap();
    assert_eq!(texts.status().await.unwrap(), "paid \"twice\"");
    assert_eq!(
        texts.status_if_any().await.unwrap().unwrap(),
        "paid \"twice\""
    );

    // As Spring answers whoever accepts JSON.
    let spring = || ([("content-type", "application/json")], "paid").into_response();
    let (_upstream, feign) = answering(spring).await;
    assert_eq!(
        FeignTexts::new(&feign).unwrap().status().await.unwrap(),
        "paid"
    );

    let (_upstream, feign) = answering(|| vec![0xff_u8].into_response()).await;
    let error = FeignTexts::new(&feign).unwrap().status().await.unwrap_err();
    assert_eq!(error.code(), "decode");
}

#[tokio::test]
async fn text_that_is_not_there_is_empty_or_none() {
    let (_upstream, feign) = answering(|| StatusCode::OK.into_response()).await;
    let texts = FeignTexts::new(&feign).unwrap();
    assert_eq!(texts.status().await.unwrap(), "");
    assert_eq!(texts.status_if_any().await.unwrap(), None);
    let response = texts.status_with_head().await.unwrap();
    assert_eq!(
        (response.status(), response.into_body()),
        (StatusCode::OK, None)
    );
}

#[tokio::test]
async fn the_null_of_json_is_none_where_text_is_wanted_too_and_never_four_letters() {
    let (_upstream, feign) = answering(|| Json(None::<&str>).into_response()).await;
    let texts = FeignTexts::new(&feign).unwrap();
    assert_eq!(texts.status_if_any().await.unwrap(), None);
    assert_eq!(texts.status().await.unwrap_err().code(), "decode");
    let (_upstream, feign) = answering(|| "null".into_response()).await;
    let texts = FeignTexts::new(&feign).unwrap();
    assert_eq!(texts.status_if_any().await.unwrap().unwrap(), "null");
}

#[tokio::test]
async fn a_method_is_named_in_the_settings_with_or_without_the_slash_of_the_path_of_its_trait() {
    for (name, is_meant) in [
        ("GET /orders", true),
        ("GET /orders/", true),
        ("GET /orders/search/", false),
    ] {
        // What is forced open lets nothing through.
        let upstream = Upstream::answering(|_, _| StatusCode::OK).await;
        let yaml = format!(
            "hallpass: {{ feign: {{ clients: {{ service-a: {{ methods: {{ '{name}': {{ breaker: {{ state: forced-open }} }} }} }} }} }} }}"
        );
        let settings = Loader::new("hallpass").text("settings", yaml);
        let settings: FeignSettings = settings.load().unwrap().into_settings();
        let feign = runtime(&[&upstream]).settings(&settings, &TokenFeignSettings::default());
        let orders = FeignOrders::new(&feign.build()).unwrap();
        assert_eq!(orders.all().await.is_err(), is_meant, "{name}");
        assert_eq!(upstream.seen().is_empty(), is_meant, "{name}");
    }
}
