//! What mutual TLS by certificates of the issuer's authority costs: a connection, a call over one that is kept, and certificates and an
//! authority that change under load.
//!
//! Everything runs in this process: issuer, servers and callers. So what is counted of the CPU is that of both sides.

mod handshakes;
mod kept;
mod load;
mod rotation;
mod stand;

use std::time::Duration;

use hallpass::listen::raise_descriptor_limit;

use crate::measure::Outcome;

use rotation::Plan;
use stand::Stand;

/// Of one side in one round.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;
const RATE: u32 = 300;
const ROTATIONS: u32 = 100;
/// From one rotation to the next.
const EVERY_MS: u64 = 600;

/// `mutual-tls [--seconds 3] [--rounds 5] [--rate 300] [--rotations 100] [--every-ms 600]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut seconds, mut rounds) = (SECONDS, ROUNDS);
    let (mut rate, mut rotations, mut every) = (RATE, ROTATIONS, EVERY_MS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--seconds" => seconds = value.parse()?,
            "--rounds" => rounds = value.parse()?,
            "--rate" => rate = value.parse()?,
            "--rotations" => rotations = value.parse()?,
            "--every-ms" => every = value.parse()?,
            other => return Err(format!("{other} is no argument").into()),
        }
    }
    let _as_many_as_allowed = raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stand = Stand::start().await?;
        let length = (rounds.max(1), Duration::from_secs(seconds.max(1)));
        let [server, client] = [
            stand.bystander("server").await?,
            stand.bystander("client").await?,
        ];
        handshakes::measure(&stand, [&server, &client], length).await?;
        kept::measure(&stand, [&server, &client], length).await?;
        let plan = Plan {
            rate: rate.max(1),
            rotations,
            every: Duration::from_millis(every.max(1)),
        };
        rotation::measure(&stand, &plan).await
    })
}
