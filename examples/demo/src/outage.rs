//! The carrier goes down and comes back; the customer keeps her identity all the way.

use std::time::Duration;

use hallpass::BoxError;

use crate::estate::{Answer, CUSTOMER, Estate};
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
        "Calls fail, the circuit breaker opens, the fallback answers, and it still knows for whom.\n\
         Then the carrier is back.",
        Table::new(COLUMNS),
    );
    let token = estate.token()?;
    estate.shop.stop_carrier().await;
    let mut last = String::new();
    for _call in 0..CALLS {
        let answer = estate.orders(Some(&token)).await?;
        last = row(&mut scene, "down", &answer);
    }
    if !last.contains("breaker_open") {
        scene
            .unmet
            .push(format!("the breaker did not open: {last}"));
    }
    estate.shop.start_carrier().await?;
    let recovered = async {
        loop {
            let answer = estate.orders(Some(&token)).await?;
            if status_of_first(&answer) == "delivered" {
                return Ok::<_, BoxError>(answer);
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    };
    match tokio::time::timeout(RECOVERY_LIMIT, recovered).await {
        Ok(answer) => drop(row(&mut scene, "back", &answer?)),
        Err(_elapsed) => scene
            .unmet
            .push("the breaker did not close again".to_owned()),
    }
    drop(estate.calls());
    Ok(scene)
}

/// Adds a row and returns what it says of the shipment.
fn row(scene: &mut Scene, carrier: &str, answer: &Answer) -> String {
    let shipment = status_of_first(answer);
    let asked_for = text(answer, "/0/shipment/asked_for");
    let fine = answer.status == 200 && asked_for == CUSTOMER;
    if !fine {
        scene.unmet.push(format!(
            "carrier {carrier}: {} for {asked_for:?}",
            answer.status
        ));
    }
    let status = answer.status.as_u16().to_string();
    let elapsed = answer.elapsed.as_micros().to_string();
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

fn status_of_first(answer: &Answer) -> String {
    text(answer, "/0/shipment/status").to_owned()
}

fn text<'a>(answer: &'a Answer, pointer: &str) -> &'a str {
    let value = answer.body.pointer(pointer);
    value.and_then(|value| value.as_str()).unwrap_or_default()
}
