//! Which responses are worth another attempt.

use std::fmt;

use http::StatusCode;

/// The first status that can be one of them.
const FIRST: u16 = 400;
/// Statuses from there on.
const COUNT: u16 = 200;
const BITS: u16 = 64;

/// A set of statuses from 400 to 599, of which a response is worth another attempt. By default 425, 429, 502, 503 and 504.
///
/// 401 and 403 are never in it: the same call would be answered alike, and a token that is refused is renewed elsewhere.
///
/// ```
/// use hallpass_upstream::RetryStatuses;
/// use http::StatusCode;
///
/// let statuses: RetryStatuses = [StatusCode::SERVICE_UNAVAILABLE].into_iter().collect();
/// assert!(statuses.contains(StatusCode::SERVICE_UNAVAILABLE));
/// assert!(!statuses.contains(StatusCode::BAD_GATEWAY));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RetryStatuses([u64; 4]);

impl RetryStatuses {
    /// None: only a connection that fails is worth another attempt.
    pub const NONE: Self = Self([0; 4]);

    /// Whether a response with this status is worth another attempt.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        let Some((word, bit)) = place(status) else {
            return false;
        };
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// One of them, by its number in configuration.
    pub(crate) fn one(text: &str) -> Result<StatusCode, &'static str> {
        const WRONG: &str = "is not a status from 400 to 599 other than 401 and 403";
        let status: StatusCode = text.parse().map_err(|_| WRONG)?;
        place(status).map(|_| status).ok_or(WRONG)
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        (FIRST..FIRST + COUNT)
            .filter(|status| StatusCode::from_u16(*status).is_ok_and(|it| self.contains(it)))
    }
}

/// What is no such status is left out.
impl FromIterator<StatusCode> for RetryStatuses {
    fn from_iter<I: IntoIterator<Item = StatusCode>>(statuses: I) -> Self {
        let mut set = Self::NONE;
        for status in statuses {
            if let Some((word, bit)) = place(status)
                && let Some(word) = set.0.get_mut(word)
            {
                *word |= bit;
            }
        }
        set
    }
}

impl Default for RetryStatuses {
    fn default() -> Self {
        [
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ]
        .into_iter()
        .collect()
    }
}

impl fmt::Debug for RetryStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

fn place(status: StatusCode) -> Option<(usize, u64)> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return None;
    }
    let offset = status.as_u16().checked_sub(FIRST)?;
    (offset < COUNT).then(|| (usize::from(offset / BITS), 1 << (offset % BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_into_it_and_no_neighbour() {
        for number in FIRST..FIRST + COUNT {
            let status = StatusCode::from_u16(number).unwrap();
            let set: RetryStatuses = [status].into_iter().collect();
            let can_be_one = number != 401 && number != 403;
            let expected: Vec<u16> = can_be_one.then_some(number).into_iter().collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), expected);
            assert_eq!(RetryStatuses::one(&number.to_string()).is_ok(), can_be_one);
        }
        assert_eq!(
            format!("{:?}", RetryStatuses::default()),
            "{425, 429, 502, 503, 504}"
        );
    }

    #[test]
    fn what_is_no_status_of_a_failure_is_not_read() {
        for text in ["200", "301", "399", "600", "401", "403", "5xx", "", "-1"] {
            assert!(RetryStatuses::one(text).is_err(), "{text}");
        }
    }
}
