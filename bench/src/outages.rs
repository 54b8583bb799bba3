//! Outages under load: each row is an estate of its own, is called at a fixed rate by way of two services, and in its middle something of
//! it breaks. What it shows: calls that do not fail, and what an outage costs them.
//!
//! A caller, which is this process, calls `service-order`, and that calls `service-system`: both by the real call layer with tokens of a
//! real `hallpass issuer`, and both verify. Redis and Nacos are real servers. Each service is a process of its own.

mod clock;
mod edge;
mod estate;
mod faults;
mod instances;
mod load;
mod nacos;
mod proxy;
mod redis;
mod report;
mod row;
mod service;
mod times;
mod watch;

use std::time::Duration;

use hallpass::listen::raise_descriptor_limit;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::measure::{Failure, Outcome};
use estate::Estate;
use nacos::Nacos;
use report::Measured;
use row::{ROWS, Row};
use times::Times;

const SECONDS: u64 = 60;
const RATE: u32 = 2_000;
/// Before the row begins: connections, keys and tokens are there then.
const WARM_UP: Duration = Duration::from_secs(2);

/// `outages [--seconds 60] [--rate 2000] [ROW ...]`; `outages --rows` names the rows, each with the servers that it needs.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    if arguments == ["--rows"] {
        names();
        return Ok(());
    }
    let (mut seconds, mut rate, mut names) = (SECONDS, RATE, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--seconds" => seconds = value()?.parse()?,
            "--rate" => rate = value()?.parse()?,
            name => names.push(name.to_owned()),
        }
    }
    let (rows, edge_rows) = chosen(&names)?;
    let _as_many_as_allowed = raise_descriptor_limit();
    let length = Duration::from_secs(seconds);
    runtime()?.block_on(async {
        let mut faults = all(&rows, length, rate).await?;
        faults.extend(edge::all(&edge_rows, length, rate).await);
        match faults[..] {
            [] => Ok(()),
            _ => Err(faults.join("; ").into()),
        }
    })
}

#[expect(clippy::print_stdout, reason = "this program writes to its user")]
fn names() {
    for row in ROWS {
        let needs = [(row.redis.is_some(), " redis"), (row.nacos, " nacos")];
        let needs: String = needs.iter().filter(|it| it.0).map(|it| it.1).collect();
        println!("{}{needs}", row.name);
    }
    for row in &edge::ROWS {
        println!("{}", row.name);
    }
}

/// `outages-service ROLE FILE`: one of the services as a process of its own, until its standard input ends.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [role, file] = arguments else {
        return Err("outages-service needs a role and a file".into());
    };
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        match role.as_str() {
            edge::ROLE => edge::serve(file).await,
            role => service::serve(role, file).await,
        }
    });
    runtime.shutdown_background();
    served
}

fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

fn chosen(names: &[String]) -> Outcome<(Vec<Row>, Vec<edge::Row>)> {
    if names.is_empty() {
        return Ok((ROWS.to_vec(), edge::ROWS.to_vec()));
    }
    let (mut rows, mut edge_rows) = (Vec::new(), Vec::new());
    for name in names {
        let found = ROWS.iter().find(|row| row.name == *name);
        let at_the_edge = edge::ROWS.iter().find(|row| row.name == *name);
        if found.is_none() && at_the_edge.is_none() {
            let known = ROWS.iter().map(|row| row.name);
            let known: Vec<&str> = known.chain(edge::ROWS.iter().map(|row| row.name)).collect();
            return Err(format!("rows are: {}", known.join(", ")).into());
        }
        rows.extend(found);
        edge_rows.extend(at_the_edge);
    }
    Ok((rows, edge_rows))
}

/// What the rows have shown that they should not.
async fn all(rows: &[Row], length: Duration, rate: u32) -> Result<Vec<String>, Failure> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut nacos = match rows.iter().any(|row| row.nacos) {
        true => Some(Nacos::start().await?),
        false => None,
    };
    report::head();
    let mut faults = Vec::new();
    for row in rows {
        let nacos = nacos.as_mut().filter(|_| row.nacos);
        match one(row, nacos, length, rate).await {
            Ok(measured) => {
                let found = report::line(row, &measured);
                faults.extend(
                    found
                        .into_iter()
                        .map(|what| format!("{}: {what}", row.name)),
                );
            }
            Err(error) => faults.push(format!("{}: {error}", row.name)),
        }
    }
    Ok(faults)
}

async fn one(
    row: &Row,
    nacos: Option<&mut Nacos>,
    length: Duration,
    rate: u32,
) -> Result<Measured, Failure> {
    let mut estate = Estate::start(row, nacos.as_deref()).await?;
    let warm = load::run(&estate.orders, Instant::now(), rate / 4, WARM_UP, None).await?;
    if let Some(why) = warm.iter().find_map(|call| call.failure.as_deref()) {
        return Err(format!("calls fail before anything happens: {why}").into());
    }
    let begun = Instant::now();
    let (fault, end) = row.percent();
    let times = Times {
        begun,
        fault: length * fault / 100,
        end: length * end / 100,
        over: length,
    };
    let orders = estate.orders.clone();
    let hurry = row.hurry();
    let calling = tokio::spawn(async move { load::run(&orders, begun, rate, length, hurry).await });
    let watching = tokio::spawn(watch::watch(estate.order.address, begun, length));
    let seen = faults::make(row.fault, &mut estate, nacos, times).await?;
    let (calls, looks) = (calling.await??, watching.await??);
    Ok(Measured {
        calls,
        looks,
        caller: estate.caller.metrics().text(),
        order: estate.order.metrics().await?,
        seen,
        rate,
        fault: times.fault,
        end: times.end,
    })
}
