//! Keys that are not known while the issuer is down.

use serde_json::json;

use crate::keys_trouble::{Setting, start};
use crate::support::{AppBuilder, Behaviour, Forge, get};

#[tokio::test]
async fn a_new_key_while_the_issuer_is_down_is_an_outage_and_not_a_bad_token() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    app.server.load_keys().await.unwrap();
    let next = Forge::new("internal", &clock);
    issuer.set(Behaviour::status(500));
    // The fetch that fails, and what comes while it is too early for the next one.
    for scope in ["a", "b"] {
        let response = get(app.address, "/whoami", Some(&next.user(scope))).await;
        assert_eq!(response.refusal(), (503, "unavailable".to_owned()));
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    // Tokens of keys that are known go on, and forged ones are bad.
    let known = get(app.address, "/whoami", Some(&forge.user(""))).await;
    assert_eq!(known.status, 200);
    let kid = forge.key.key_id().to_string();
    let forged = Forge::new("internal", &clock).with_key_id(&kid).user("");
    let forged = get(app.address, "/whoami", Some(&forged)).await;
    assert_eq!(forged.refusal(), (401, "invalid_token".to_owned()));
    issuer.set(Behaviour::keys(next.keys()));
    clock.advance_seconds(1);
    let found = get(app.address, "/whoami", Some(&next.user("c"))).await;
    assert_eq!(found.status, 200);
}

#[tokio::test]
async fn a_kid_that_the_issuer_did_not_know_is_no_outage_when_it_goes_down() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let bogus = forge.changed(|header, _| header["kid"] = json!("bogus"));
    let status = async || get(app.address, "/whoami", Some(&bogus)).await.status;
    assert_eq!(status().await, 401);
    clock.advance_seconds(2);
    assert_eq!(status().await, 401);
    issuer.set(Behaviour::status(500));
    let other = Forge::new("internal", &clock).user("");
    let response = get(app.address, "/whoami", Some(&other)).await;
    assert_eq!(response.status, 503);
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn an_issuer_that_says_when_it_serves_keys_again_is_not_asked_before() {
    let Setting {
        clock,
        forge,
        issuer,
    } = start().await;
    issuer.set(Behaviour::Busy("20"));
    let app = AppBuilder::new(&clock)
        .trusting(&issuer, &forge)
        .start()
        .await;
    let status = async || {
        let response = get(app.address, "/whoami", Some(&forge.user(""))).await;
        response.status
    };
    assert_eq!(status().await, 503);
    let asked = issuer.requests();
    issuer.set(Behaviour::keys(forge.keys()));
    // The cool-down of 10 s alone would allow the next fetch after half a second.
    clock.advance_seconds(19);
    assert_eq!((status().await, issuer.requests()), (503, asked));
    clock.advance_seconds(1);
    assert_eq!((status().await, issuer.requests()), (200, asked + 1));
}
