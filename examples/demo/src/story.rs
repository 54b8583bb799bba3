//! What happens when all goes well: each hop, and whose identity it carries.

use hallpass::BoxError;
use hallpass::client::{Identity, TokenSource};
use hallpass::feign::FinishedCall;
use serde_json::Value;
use shop::identity_provider::SCOPE;

use crate::estate::{ACTOR, CUSTOMER, CUSTOMER_AT_ISSUER, Estate, Response};
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
        "alice asks order-service for her orders. For her it asks the carrier (exchange): one token says who she is\n\
         (subject), who acts for her (actor) and whom it is for (audience). `login|alice` is alice as she has logged in at\n\
         her identity provider, which takes nothing but her own token (relay). In the evening order-service reports with a\n\
         token of its own (service).",
        Table::new(COLUMNS),
    );
    let response = estate.orders(Some(estate.token())).await?;
    let seen = customer_hop(&mut scene, &response);
    for call in estate.calls() {
        let report = call.identity.as_ref();
        let is_exchanged = report.is_some_and(|report| report.identity == Identity::Exchange);
        let seen = seen.as_ref().filter(|_| is_exchanged);
        hop(&mut scene, &call, CUSTOMER, seen);
    }
    for _evening in 0..2 {
        let receipt = estate.shop.orders.report_the_day().await;
        if !receipt.is_ok_and(|receipt| receipt.received_from == SERVICE) {
            scene
                .unmet
                .push(format!("service-system did not see {SERVICE}"));
        }
        for call in estate.calls() {
            hop(&mut scene, &call, SERVICE, None);
        }
    }
    Ok(scene)
}

/// Whom the carrier has seen itself: the issuer writes its own name for the customer into the token.
struct Seen {
    subject: String,
    actor: String,
}

fn customer_hop(scene: &mut Scene, response: &Response) -> Option<Seen> {
    let orders = response
        .body
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let seen: Vec<_> = orders
        .iter()
        .map(|order| {
            let [subject, actor] = ["/shipment/asked_for", "/shipment/asked_by"];
            (text(order, subject), text(order, actor))
        })
        .collect();
    let fine = response.status == 200 && seen == [(CUSTOMER_AT_ISSUER, ACTOR); 2];
    if !fine {
        scene.unmet.push(format!(
            "alice's orders: {}, the carrier saw {seen:?}",
            response.status
        ));
    }
    let name = orders
        .first()
        .map_or("?", |order| text(order, "/ordered_by"));
    let received: Vec<String> = orders.iter().map(line).collect();
    scene.remark = Some(format!("{name} got: {}", received.join(", ")));
    scene.table.row(
        Tone::of(fine),
        [
            "customer".to_owned(),
            "order-service".to_owned(),
            "user".to_owned(),
            CUSTOMER.to_owned(),
            String::new(),
            "shop".to_owned(),
            SCOPE.to_owned(),
            "login".to_owned(),
            response.status.as_u16().to_string(),
            response.elapsed.as_micros().to_string(),
        ],
    );
    seen.first().map(|(subject, actor)| Seen {
        subject: (*subject).to_owned(),
        actor: (*actor).to_owned(),
    })
}

fn line(order: &Value) -> String {
    let (article, status) = (text(order, "/article"), text(order, "/shipment/status"));
    format!("{article} ({status})")
}

fn text<'a>(order: &'a Value, pointer: &str) -> &'a str {
    let value = order.pointer(pointer);
    value.and_then(Value::as_str).unwrap_or("?")
}

/// `seen` is what the callee has said of it, where it has.
fn hop(scene: &mut Scene, call: &FinishedCall, expected_subject: &str, seen: Option<&Seen>) {
    let report = call.identity.as_ref();
    let subject = report
        .and_then(|report| report.subject.as_ref())
        .map(ToString::to_string);
    let actor = report
        .and_then(|report| report.actor.as_ref())
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
            shown(seen.map(|seen| seen.subject.clone()).or(subject)),
            shown(seen.map(|seen| seen.actor.clone()).or(actor)),
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
