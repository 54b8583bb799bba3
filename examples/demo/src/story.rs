//! What happens when all goes well: each hop, and whose identity it carries.

use hallpass::BoxError;
use hallpass::client::{Identity, TokenSource};
use hallpass::feign::FinishedCall;
use serde_json::Value;

use crate::estate::{CUSTOMER, Estate, Response};
use crate::scene::Scene;
use crate::table::{Column, Table, Tone};

const COLUMNS: &[Column] = &[
    Column::left("from"),
    Column::left("to"),
    Column::left("identity"),
    Column::left("subject"),
    Column::left("actor"),
    Column::left("audience"),
    Column::left("scope"),
    Column::left("token from"),
    Column::right("status"),
    Column::right("µs"),
];

/// The client of the estate's own configuration file.
const SERVICE: &str = "internal-service-client";

pub(crate) async fn play(estate: &Estate) -> Result<Scene, BoxError> {
    let mut scene = Scene::new(
        "The story",
        "alice asks order-service for her orders. It asks the carrier with her token (relay), which\n\
         survives the circuit breaker's hop to another task. In the evening it reports to\n\
         service-system with a token of its own.",
        Table::new(COLUMNS),
    );
    let response = estate.orders(Some(&estate.token()?)).await?;
    customer_hop(&mut scene, &response);
    for call in estate.calls() {
        hop(&mut scene, &call, CUSTOMER);
    }
    for _evening in 0..2 {
        let receipt = estate.shop.orders.report_the_day().await;
        if !receipt.is_ok_and(|receipt| receipt.received_from == SERVICE) {
            scene
                .unmet
                .push(format!("service-system did not see {SERVICE}"));
        }
        for call in estate.calls() {
            hop(&mut scene, &call, SERVICE);
        }
    }
    Ok(scene)
}

fn customer_hop(scene: &mut Scene, response: &Response) {
    let orders = response
        .body
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let seen: Vec<&str> = orders
        .iter()
        .filter_map(|order| order.pointer("/shipment/asked_for")?.as_str())
        .collect();
    let fine = response.status == 200 && seen == [CUSTOMER, CUSTOMER];
    if !fine {
        scene.unmet.push(format!(
            "alice's orders: {}, the carrier saw {seen:?}",
            response.status
        ));
    }
    let received: Vec<String> = orders.iter().map(line).collect();
    scene.remark = Some(format!("alice got: {}", received.join(", ")));
    scene.table.row(
        Tone::of(fine),
        [
            "customer".to_owned(),
            "order-service".to_owned(),
            "user".to_owned(),
            CUSTOMER.to_owned(),
            String::new(),
            "shop".to_owned(),
            "orders:read".to_owned(),
            "login".to_owned(),
            response.status.as_u16().to_string(),
            response.elapsed.as_micros().to_string(),
        ],
    );
}

fn line(order: &Value) -> String {
    let text = |pointer: &str| {
        order
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("?")
    };
    format!("{} ({})", text("/article"), text("/shipment/status"))
}

fn hop(scene: &mut Scene, call: &FinishedCall, expected_subject: &str) {
    let report = call.identity.as_ref();
    let subject = report
        .and_then(|report| report.subject.as_ref())
        .map(ToString::to_string);
    let fine = call.error.is_none()
        && !call.fallback
        && call.status.is_some_and(|status| status == 200)
        && subject.as_deref() == Some(expected_subject);
    if !fine {
        scene.unmet.push(format!(
            "call to {}: {:?} as {subject:?}",
            call.client, call.status
        ));
    }
    let shown = |text: Option<String>| text.unwrap_or_default();
    scene.table.row(
        Tone::of(fine),
        [
            "order-service".to_owned(),
            call.client.to_owned(),
            shown(report.map(|report| identity(report.identity).to_owned())),
            shown(subject),
            shown(
                report
                    .and_then(|report| report.actor.as_ref())
                    .map(ToString::to_string),
            ),
            shown(
                report
                    .and_then(|report| report.audience.as_ref())
                    .map(ToString::to_string),
            ),
            shown(
                report
                    .and_then(|report| report.scope.as_ref())
                    .map(ToString::to_string),
            ),
            shown(report.map(|report| source(report.source).to_owned())),
            shown(call.status.map(|status| status.as_u16().to_string())),
            call.elapsed.as_micros().to_string(),
        ],
    );
}

fn identity(identity: Identity) -> &'static str {
    match identity {
        Identity::Service => "service",
        Identity::Relay => "relay",
        Identity::Exchange => "exchange",
        Identity::None => "none",
        _ => "?",
    }
}

fn source(source: Option<TokenSource>) -> &'static str {
    match source {
        Some(TokenSource::Cache) => "cache",
        Some(TokenSource::Issuer) => "issuer",
        None => "caller",
    }
}
