//! Where requests of reqwest's client go, and where they do not.

use std::sync::{Arc, Mutex};

use hallpass::feign::{Feign, Identity};
use hallpass::upstream::{Network, StaticDiscovery};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;

use crate::arrived::elsewhere;
use crate::reqwest_client::{Estate, client, code, with};

#[tokio::test]
async fn no_request_goes_to_another_place_than_the_callers() {
    let estate = Estate::start().await;
    let (other, arrived) = elsewhere(None).await;
    for identity in [Identity::Service, Identity::None] {
        let request = estate.client(identity).get(other.url("/items/7"));
        let error = request.send().await.unwrap_err();
        assert_eq!(code(&error), "host_refused", "{identity:?}");
    }
    // Below the path of the url only.
    let items = estate.stock.url("/items");
    let client = client(estate.caller(&items, Identity::Service));
    let inside = client.get(format!("{items}/7")).send().await.unwrap();
    assert_eq!(inside.status(), StatusCode::OK);
    for outside in [
        "/open/7",
        "/itemsofothers",
        "/items%2f7",
        "/",
        "/items/../open/7",
        "/items/%2e%2e/open/7",
        "/items/..%2fopen/7",
        "/items/..%5copen/7",
        "/items/..;x=1/open/7",
    ] {
        let error = client.get(estate.stock.url(outside)).send().await;
        assert_eq!(code(&error.unwrap_err()), "host_refused", "{outside}");
    }
    // The same host and port, and not the same place.
    let address = items.trim_start_matches("http://");
    let error = client.get(format!("https://{address}/7")).send().await;
    assert_eq!(code(&error.unwrap_err()), "host_refused", "another scheme");
    // A name and a password are nobody's identity here: reqwest makes `Authorization` of them, which is removed.
    let named = client.get(format!("http://root:toor@{address}/7"));
    let named = named.send().await.unwrap();
    assert_eq!(named.text().await.unwrap(), "order-service ");
    // A caller that nobody has told where the service is.
    let nowhere = estate.caller("lb://stock-service", Identity::Service);
    let client = crate::reqwest_client::client(nowhere);
    let error = client.get(estate.stock.url("/items/7")).send().await;
    assert_eq!(code(&error.unwrap_err()), "host_refused");
    // The usual port may be written or not.
    let usual = "http://127.0.0.1:80";
    let client = crate::reqwest_client::client(estate.caller("http://127.0.0.1", Identity::None));
    let error = client.get(format!("{usual}/7")).send().await.map(drop);
    assert_ne!(error.map_err(|error| code(&error)), Err("host_refused"));
    assert!(arrived.all().is_empty());
    assert_eq!(estate.arrived.all().len(), 2);
}

/// What reqwest does with a redirect, without us, to another path of the same host: the token goes along.
#[tokio::test]
async fn a_redirect_is_a_response_and_no_token_goes_where_it_leads() {
    let estate = Estate::start().await;
    let (other, arrived) = elsewhere(None).await;
    for target in [other.url("/items/7"), "/billing/pay".to_owned()] {
        let (stock, asked) = elsewhere(Some(target.clone())).await;
        for client in [
            reqwest::Client::builder(),
            // Whatever the program says of it.
            reqwest::Client::builder().redirect(Policy::limited(10)),
        ] {
            let caller = estate.caller(&stock.url("/items"), Identity::Service);
            let request = with(client, caller).post(stock.url("/items/7"));
            let response = request.body("tea").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()["location"], target);
        }
        assert_eq!(asked.all().len(), 2, "nobody has followed it: {target}");
    }
    assert!(arrived.all().is_empty(), "nobody has followed it");
}

#[tokio::test]
async fn what_a_client_adds_to_all_requests_is_no_identity_and_leads_to_no_other_host() {
    let estate = Estate::start().await;
    let mut defaults = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer of-somebody"),
        ("host", "billing.example"),
        ("x-shop", "7"),
    ] {
        defaults.insert(name, value.parse().unwrap());
    }
    let caller = estate.caller(&estate.stock.url(""), Identity::Service);
    let client = with(reqwest::Client::builder().default_headers(defaults), caller);
    for path in ["/items/refused", "/items/7"] {
        let response = client.get(estate.stock.url(path)).send().await.unwrap();
        assert_eq!(response.text().await.unwrap(), "order-service ");
    }
    let host = estate.stock.url("").replace("http://", "");
    let all = estate.arrived.all();
    assert_eq!(all.len(), 3, "one was sent again");
    for headers in all {
        let hosts: Vec<_> = headers.get_all("host").iter().collect();
        assert_eq!(hosts, [host.as_str()]);
        assert_eq!(headers["x-shop"], "7");
        assert_ne!(headers["authorization"], "Bearer of-somebody");
        assert_eq!(headers.get_all("authorization").iter().count(), 1);
    }
}

#[tokio::test]
async fn an_observer_learns_that_reqwest_has_failed_and_nothing_of_the_address() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let network = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
    let feign = Feign::builder(&network)
        .observe(move |call| noted.lock().unwrap().push(format!("{:?}", call.error)));
    // Port 1 of loopback refuses.
    let url = "http://127.0.0.1:1".parse().unwrap();
    let caller = feign.build().caller("stock-service");
    let client = client(caller.identity(Identity::None).url(url));
    let request = client.get("http://127.0.0.1:1/items?card=hunter2");
    let error = request.send().await.unwrap_err();
    assert!(error.to_string().contains("hunter2"), "as reqwest has it");
    let told = told.lock().unwrap();
    assert!(
        told[0].contains("Connect") && !told[0].contains("hunter2"),
        "{told:?}"
    );
}
