//! The same from the customer's side: by the gateway, which takes her token and nothing else that she says of herself.

use std::time::Duration;

use hallpass::BoxError;
use hallpass::feign::FinishedCall;
use hallpass::token::AccessToken;
use serde_json::Value;

use crate::estate::{ACTOR, CUSTOMER, CUSTOMER_AT_ISSUER, Estate, Events, Response};
use crate::scene::Scene;
use crate::table::{Column, Table, Tone};

const COLUMNS: &[Column] = &[
    Column::left("from"),
    Column::left("to"),
    Column::left("identity"),
    Column::left("subject"),
    Column::left("actors"),
    Column::left("audience"),
    Column::right("status"),
    Column::right("µs"),
];

/// The client of the gateway.
const EDGE: &str = "edge";
/// What a customer may write, and what nobody behind the gateway must see.
const FORGED: [(&str, &str); 4] = [
    ("X-User-Id", "admin"),
    ("x_user_id", "admin"),
    ("X.User.Id", "admin"),
    ("X-Authorities", "ROLE_ADMIN"),
];
/// After so long a token that was taken back must count nowhere.
const LIMIT: Duration = Duration::from_secs(1);
/// How often that is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) async fn play(estate: &Estate) -> Result<Scene, BoxError> {
    let mut scene = Scene::new(
        "From the customer's side",
        "alice comes in by the gateway. It exchanges her token for one that order-service takes: about her, with the gateway (edge)\n\
         as the actor; order-service exchanges that again for the carrier, which sees both. Whom she says she is counts nowhere.",
        Table::new(COLUMNS),
    );
    estate.calls();
    let token = estate.another_token()?;
    let response = estate.orders_by_gateway(Some(&token), &[]).await?;
    hops(&mut scene, &response, &estate.calls(), "customer");
    let forged = estate.orders_by_gateway(Some(&token), &FORGED).await?;
    let caller = "customer as X-User-Id: admin";
    hops(&mut scene, &forged, &estate.calls(), caller);
    without_token(&mut scene, estate).await?;
    logout(&mut scene, estate, &token).await?;
    Ok(scene)
}

/// What the gateway, order-service and the carrier have seen of one request.
fn hops(scene: &mut Scene, response: &Response, calls: &[FinishedCall], caller: &str) {
    let order = response.body.pointer("/0").unwrap_or(&Value::Null);
    let text = |pointer: &str| {
        order
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("?")
    };
    let status = response.status.as_u16();
    let elapsed = response.elapsed.as_micros();
    let at_orders = (text("/ordered_by"), text("/brought_by"));
    let at_carrier = (text("/shipment/asked_for"), text("/shipment/asked_by"));
    let both = format!("{ACTOR}, {EDGE}");
    let rows = [
        (caller, "gateway", "user", (CUSTOMER, ""), "shop", true),
        (
            "gateway",
            ACTOR,
            "exchange",
            at_orders,
            ACTOR,
            at_orders == (CUSTOMER_AT_ISSUER, EDGE),
        ),
        (
            ACTOR,
            "logistics-service",
            "exchange",
            at_carrier,
            "logistics-service",
            at_carrier == (CUSTOMER_AT_ISSUER, both.as_str()),
        ),
    ];
    for (from, to, identity, (subject, actors), audience, is_so) in rows {
        let fine = is_so && status == 200;
        if !fine {
            let seen = format!("{caller} at {to}: {status} as {subject} by {actors}");
            scene.unmet.push(seen);
        }
        let carrier = calls.iter().find(|call| call.client == to);
        let (status, elapsed) = match carrier {
            Some(call) => (
                call.status.map_or(0, |it| it.as_u16()),
                call.elapsed.as_micros(),
            ),
            None => (status, elapsed),
        };
        let took = if to == ACTOR {
            String::new()
        } else {
            elapsed.to_string()
        };
        let cells = [from, to, identity, subject, actors, audience].map(str::to_owned);
        let [from, to, identity, subject, actors, audience] = cells;
        let cells = [
            from,
            to,
            identity,
            subject,
            actors,
            audience,
            status.to_string(),
            took,
        ];
        scene.table.row(Tone::of(fine), cells);
    }
}

/// Nothing is reached without one.
async fn without_token(scene: &mut Scene, estate: &Estate) -> Result<(), BoxError> {
    let response = estate.orders_by_gateway(None, &FORGED).await?;
    let reached = !estate.calls().is_empty();
    let fine = response.status == 401 && !reached;
    if !fine {
        let seen = format!("without a token: {}, reached: {reached}", response.status);
        scene.unmet.push(seen);
    }
    row(scene, "customer without a token", fine, &response);
    Ok(())
}

/// She takes her token back: at the gateway, and so at every service.
async fn logout(scene: &mut Scene, estate: &Estate, token: &AccessToken) -> Result<(), BoxError> {
    let (response, mut events) = estate.events_by_gateway(token).await?;
    let fine = response.status == 200 && response.body == true;
    if !fine {
        let seen = format!("events of her orders: {}", response.status);
        scene.unmet.push(seen);
    }
    row(scene, "customer reads events", fine, &response);
    let began = estate.monotonic();
    let response = estate.log_out(token).await?;
    let fine = response.status == 204;
    if !fine {
        scene.unmet.push(format!("logout: {}", response.status));
    }
    row(scene, "customer: POST /logout", fine, &response);
    let after = estate.orders_by_gateway(Some(token), &[]).await?;
    let fine = after.status == 401;
    if !fine {
        let seen = format!(
            "a token that was taken back, at the gateway: {}",
            after.status
        );
        scene.unmet.push(seen);
    }
    row(scene, "customer with that token", fine, &after);
    let ended = stream_ends(scene, estate, (&mut events, began)).await;
    // Past the gateway, at a service that asks the issuer's list by itself.
    let mut last = estate.orders(Some(token)).await?;
    while last.status != 401 && estate.elapsed(began) < LIMIT {
        tokio::time::sleep(LOOK_EVERY).await;
        last = estate.orders(Some(token)).await?;
    }
    let took = estate.elapsed(began);
    let fine = last.status == 401 && took < LIMIT;
    if !fine {
        let seen = format!(
            "a token that was taken back, after {} ms: {}",
            took.as_millis(),
            last.status
        );
        scene.unmet.push(seen);
    }
    estate.calls();
    scene.remark = Some(format!(
        "logged out: the gateway refused at once and had ended the events after {} ms, order-service itself refused after {} ms",
        ended.as_millis(),
        took.as_millis()
    ));
    Ok(())
}

/// What she reads since before ends too.
async fn stream_ends(
    scene: &mut Scene,
    estate: &Estate,
    (events, began): (&mut Events, Duration),
) -> Duration {
    let last = async { while events.go_on().await {} };
    let has_ended = tokio::time::timeout(LIMIT, last).await.is_ok();
    let took = estate.elapsed(began);
    let fine = has_ended && took < LIMIT;
    if !fine {
        let seen = format!("events after a logout: open after {} ms", took.as_millis());
        scene.unmet.push(seen);
    }
    let [from, to, none] = ["customer's events since", "gateway", ""].map(str::to_owned);
    let status = if fine { "ended" } else { "open" }.to_owned();
    let took_micros = took.as_micros().to_string();
    let nothing = || none.clone();
    let cells = [
        from,
        to,
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        status,
        took_micros,
    ];
    scene.table.row(Tone::of(fine), cells);
    took
}

fn row(scene: &mut Scene, from: &str, fine: bool, response: &Response) {
    let nothing = String::new;
    let elapsed = response.elapsed.as_micros().to_string();
    let cells = [
        from.to_owned(),
        "gateway".to_owned(),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
        response.status.as_u16().to_string(),
        elapsed,
    ];
    scene.table.row(Tone::of(fine), cells);
}
