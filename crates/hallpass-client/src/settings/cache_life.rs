//! `cache-expire-seconds` and `refresh-ahead-seconds`: how long a token is used.

use hallpass_config::Section;

use crate::credential::cache_life::CacheLife;

pub(super) fn read_cache_life(section: &Section<'_>) -> Option<CacheLife> {
    let expire = section.seconds("cache-expire-seconds");
    let refresh_ahead = section.seconds("refresh-ahead-seconds");
    let (expire, refresh_ahead) = (expire?, refresh_ahead?);
    let life = CacheLife::new(expire, refresh_ahead);
    // The one of the two that was given here is the one to change.
    let is_expire_to_blame =
        section.has_own("cache-expire-seconds") && !section.has_own("refresh-ahead-seconds");
    if life.is_err() && is_expire_to_blame {
        let message = format!(
            "must be above refresh-ahead-seconds, which is {}",
            refresh_ahead.as_secs()
        );
        section.problem("cache-expire-seconds", message);
    } else if life.is_err() {
        let message = format!(
            "must be below cache-expire-seconds, which is {}",
            expire.as_secs()
        );
        section.problem("refresh-ahead-seconds", message);
    }
    life.ok()
}
