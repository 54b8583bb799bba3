//! Values in paths: what a client sends, the resource server reads.

use axum::extract::Path;
use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass_testkit::TestServer;

#[feign_client(name = "item-service", identity = "none")]
trait Items {
    #[get("/items/{id}")]
    async fn item(&self, id: &str) -> Result<String, FeignError>;
}

/// What values are made of: everything that some program reads in a way of its own.
const PIECES: [&str; 22] = [
    "a", "A", "7", ".", "..", "/", "\\", ";", "%", "2f", "2e", "41", "%41", " ", "?", "#", "&",
    ":", "@", "\u{e9}", "\n", "+",
];

fn load(yaml: &str) -> Settings {
    let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
    loader.load::<Settings>().unwrap().into_settings()
}

/// All values of one and two pieces, and some of three.
fn values() -> impl Iterator<Item = String> {
    let ones = PIECES.iter().map(|one| (*one).to_owned());
    let twos = PIECES
        .iter()
        .flat_map(|one| PIECES.iter().map(move |two| format!("{one}{two}")));
    let threes = PIECES.iter().map(|one| format!("x{one}y"));
    ones.chain(twos).chain(threes)
}

#[tokio::test]
async fn a_client_refuses_just_the_path_values_that_its_own_server_would() {
    let callee =
        Hallpass::from_settings(&load("hallpass: { service: { name: item-service } }")).unwrap();
    let guard = callee
        .resource_server()
        .route_any("/items/{id}", Rule::Anonymous)
        .build()
        .unwrap();
    let item = get(async |Path(id): Path<String>| Json(id));
    let router = Router::new()
        .route("/items/{id}", item)
        .layer(guard.layer());
    let server = TestServer::start(router).await.unwrap();
    let client = |path_values: &str| {
        let yaml = format!(
            "hallpass: {{ discovery: {{ static: {{ item-service: ['{}'] }} }}, feign: {{ defaults: {{ path-values: {path_values} }} }} }}",
            server.address()
        );
        FeignItems::new(Hallpass::from_settings(&load(&yaml)).unwrap().feign()).unwrap()
    };
    let (safe, any) = (client("safe"), client("any"));
    let (mut sent, mut refused) = (0, 0);
    for value in values() {
        match safe.item(&value).await {
            Ok(seen) => {
                assert_eq!(seen, value);
                sent += 1;
            }
            Err(FeignError::InvalidArgument { argument, .. }) => {
                assert_eq!(argument, "id");
                refused += 1;
                // Nobody is kept from a value that this server would have taken.
                let insisted = any.item(&value).await;
                assert!(insisted.is_err(), "{value:?}: {insisted:?}");
            }
            Err(error) => panic!("{value:?} was sent and not understood: {error:?}"),
        }
    }
    assert!(
        sent > 200 && refused > 200,
        "{sent} sent, {refused} refused"
    );
}
