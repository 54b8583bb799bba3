//! The carrier goes down and comes back; the customer keeps her identity all the way.

use std::time::Duration;

use hallpass::BoxError;

use crate::estate::{CUSTOMER, CUSTOMER_AT_ISSUER, Estate, Response};
use crate::scene::Scene;
use crate::table::{Column, Table, Tone};

const COLUMNS: &[Column] = &[
    Column::left("the carrier is"),
    Column::right("status"),
    Column::left("shipment of the first order"),
    Column::left("asked for"),
    Column::right("µs"),
];

/// Customer calls (of two orders each) until the breaker must be open: it needs five failures.
const CALLS: usize = 4;
/// Longest wait for the carrier's return to be noticed: the breaker of `shop.yaml` stays open for a second.
const RECOVERY_LIMIT: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn play(estate: &mut Estate) -> Result<Scene, BoxError> {
    let mut scene = Scene::new(
        "The carrier goes down",
        "Calls fail, the circuit breaker opens, the fallback steps in, and it still knows the customer: it runs in\n\
         order-service, which knows her as `alice`; to the carrier she is `login|alice`. Then the carrier is back.",
        Table::new(COLUMNS),
    );
    let token = estate.token().clone();
    estate.shop.stop_carrier().await;
    let mut last = String::new();
    for _call in 0..CALLS {
        let response = estate.orders(Some(&token)).await?;
        last = row(&mut scene, "down", &response);
    }
    if !last.contains("breaker_open") {
        scene
            .unmet
            .push(format!("the breaker did not open: {last}"));
    }
    estate.shop.start_carrier().await?;
    let recovered = async {
        loop {
            let response = estate.orders(Some(&token)).await?;
            if status_of_first(&response) == "delivered" {
                return Ok::<_, BoxError>(response);
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    };
    match tokio::time::timeout(RECOVERY_LIMIT, recovered).await {
        Ok(response) => drop(row(&mut scene, "back", &response?)),
        Err(_elapsed) => scene
            .unmet
            .push("the breaker did not close again".to_owned()),
    }
    drop(estate.calls());
    Ok(scene)
}

/// Adds a row and returns the status of the shipment.
fn row(scene: &mut Scene, carrier: &str, response: &Response) -> String {
    let shipment = status_of_first(response);
    let asked_for = text(response, "/0/shipment/asked_for");
    // The fallback runs in order-service, which knows her by her own token.
    let expected = match carrier {
        "down" => CUSTOMER,
        _ => CUSTOMER_AT_ISSUER,
    };
    let fine = response.status == 200 && asked_for == expected;
    if !fine {
        scene.unmet.push(format!(
            "carrier {carrier}: {} for {asked_for:?}",
            response.status
        ));
    }
    let status = response.status.as_u16().to_string();
    let elapsed = response.elapsed.as_micros().to_string();
    let cells = [
        carrier.to_owned(),
        status,
        shipment.clone(),
        asked_for.to_owned(),
        elapsed,
    ];
    scene.table.row(Tone::of(fine), cells);
    shipment
}

fn status_of_first(response: &Response) -> String {
    text(response, "/0/shipment/status").to_owned()
}

fn text<'a>(response: &'a Response, pointer: &str) -> &'a str {
    let value = response.body.pointer(pointer);
    value.and_then(|value| value.as_str()).unwrap_or_default()
}
