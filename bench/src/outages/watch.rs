//! What `service-order` counts while a row runs.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass::upstream::HttpTransport;
use tokio::time::Instant;

use crate::children::{get_by, sum};
use crate::measure::Failure;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(100);

/// What was counted at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) at: Duration,
    /// Tokens that Redis had.
    pub(super) hits: u64,
}

/// Looks until `length` is over.
pub(super) async fn watch(
    service: SocketAddr,
    begun: Instant,
    length: Duration,
) -> Result<Vec<Look>, Failure> {
    let transport = HttpTransport::new()?;
    let url = format!("http://{service}/metrics");
    let mut looks = Vec::new();
    let mut ticks = tokio::time::interval(LOOK);
    while begun.elapsed() < length {
        ticks.tick().await;
        let text = get_by(&transport, &url).await?;
        looks.push(Look {
            at: begun.elapsed(),
            hits: sum(&text, "hallpass_token_cache_hits_total", "tier=\"redis\""),
        });
    }
    Ok(looks)
}

/// From when to when no token came from Redis, the longest such time that ended after `since`.
pub(super) fn longest_pause(looks: &[Look], since: Duration) -> Option<(Duration, Duration)> {
    let mut pauses: Vec<(Duration, Duration)> = Vec::new();
    let mut rising = looks.first().map(|look| look.at);
    for (before, now) in looks.iter().zip(looks.iter().skip(1)) {
        if now.hits > before.hits {
            if let Some(from) = rising.filter(|from| *from < before.at) {
                pauses.push((from, now.at));
            }
            rising = Some(now.at);
        }
    }
    if let (Some(from), Some(last)) = (rising, looks.last())
        && from < last.at
    {
        pauses.push((from, last.at));
    }
    pauses.retain(|(_, end)| *end > since);
    pauses.into_iter().max_by_key(|(from, end)| *end - *from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_without_a_token_from_redis_is_found() {
        let second = Duration::from_secs;
        let looks: Vec<Look> = [0, 10, 20, 20, 20, 30, 30, 40]
            .into_iter()
            .zip(0..)
            .map(|(hits, at)| Look {
                at: second(at),
                hits,
            })
            .collect();
        assert_eq!(
            longest_pause(&looks, second(0)),
            Some((second(2), second(5)))
        );
        assert_eq!(
            longest_pause(&looks, second(6)),
            Some((second(5), second(7)))
        );
        assert_eq!(longest_pause(&looks[..3], second(0)), None);
        assert_eq!(
            longest_pause(&looks[..5], second(0)),
            Some((second(2), second(4)))
        );
    }
}
