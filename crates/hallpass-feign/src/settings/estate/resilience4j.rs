//! `resilience4j`: circuit breakers, bulkheads, rate limiters, time limiters and retries by name, as its Spring starter reads them.

mod derived;
mod effective;
mod exceptions;
mod part;
mod rows;

use hallpass_config::Foreign;

use super::saying::Sayings;
use super::switches::Switches;

pub(super) use rows::PARTS;

/// What `resilience4j` says.
pub(super) fn read<'a>(root: &Foreign<'a>, switches: Switches<'_, 'a>) -> Sayings<'a> {
    let reading = part::Reading {
        circuit_breakers: switches.circuit_breakers(),
        semaphores: switches.semaphores(),
        no_time_limiter: switches.no_time_limiter(),
    };
    let mut sayings = Sayings::default();
    let mut left_out = false;
    for part in PARTS {
        if let Some(found) = root.get(part.name) {
            left_out |= part.read(&found, &reading, &mut sayings);
        }
    }
    if left_out {
        root.warn(
            "is not about all Feign clients, as `spring.cloud.openfeign.circuitbreaker.enabled` is not true: `configs` alone bound no \
             client; set it, or write `feign.estate: [resilience4j]` to take them",
        );
    }
    sayings
}
