//! What callers are told of their quotas: `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`
//! (draft-ietf-httpapi-ratelimit-headers-03).

use std::time::Duration;

use hallpass_upstream::{Left, Quota, RateRefusal};
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Of the quotas that count for a request, the one that has least left, or that has refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateTold {
    /// Most at once.
    limit: u32,
    remaining: u32,
    /// When it is whole again; where it has refused: when there is room for one.
    reset: Duration,
}

impl RateTold {
    /// What one quota says; `None` where it is not known.
    pub(super) fn of(quota: Quota, taken: &Result<Left, RateRefusal>) -> Option<Self> {
        let limit = quota.burst.max(1);
        let (remaining, reset) = match taken {
            Ok(left) => {
                let remaining = left.remaining.min(limit);
                let used = limit.saturating_sub(remaining);
                (remaining, quota.interval().saturating_mul(used))
            }
            Err(RateRefusal::UsedUp(wait)) => (0, *wait),
            Err(RateRefusal::Away) => return None,
        };
        Some(Self {
            limit,
            remaining,
            reset,
        })
    }

    /// That of two which says more of what may come next.
    pub(super) fn nearer(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.remaining < self.remaining => other,
            _ => self,
        }
    }

    /// Says it, in place of whatever an upstream has said of quotas of its own.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        // Rounded up: who comes back then is not too early.
        let seconds = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        count: 10,
        per: Duration::from_secs(60),
        burst: 20,
    };

    fn lines(told: RateTold) -> [String; 3] {
        let mut headers = HeaderMap::new();
        headers.insert(LIMIT, HeaderValue::from_static("of the upstream"));
        told.write(&mut headers);
        [LIMIT, REMAINING, RESET].map(|name| headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_quota_says_what_is_left_and_when_it_is_whole_again() {
        let told = |taken| RateTold::of(QUOTA, &taken).map(lines);
        let text = |of: [&str; 3]| Some(of.map(str::to_owned));
        let left = |remaining| Ok(Left { remaining });
        assert_eq!(told(left(19)), text(["20", "19", "6"]));
        assert_eq!(told(left(0)), text(["20", "0", "120"]));
        assert_eq!(told(left(u32::MAX)), text(["20", "20", "0"]));
        let used_up = Err(RateRefusal::UsedUp(Duration::from_millis(1_001)));
        assert_eq!(told(used_up), text(["20", "0", "2"]));
        assert_eq!(told(Err(RateRefusal::Away)), None);
    }

    #[test]
    fn of_several_quotas_the_one_with_least_left_is_told() {
        let of = |remaining| RateTold::of(QUOTA, &Ok(Left { remaining })).unwrap();
        assert_eq!(of(3).nearer(None), of(3));
        assert_eq!(of(3).nearer(Some(of(2))), of(2));
        assert_eq!(of(2).nearer(Some(of(3))), of(2));
    }
}
