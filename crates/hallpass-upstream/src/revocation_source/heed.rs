//! Heeds notices of revocations: when something is said to be revoked that does not come by itself, the issuer is asked.

use std::time::Duration;

use hallpass_token::Revocation;
use tokio::time::sleep;

use super::fetch::Place;
use super::poll::{Known, Whole, poll};
use super::received::Received;
use crate::random::random_below;
use crate::revocation_notices::{NoticeReader, RevocationNotice};

/// The time that a stream has to bring what was said, and the shortest between two requests. Up to half as much is added at random, so that not
/// everybody asks at once.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest, when what is said is never true: the list is asked for as often without notices.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often the issuer is asked for one thing: a process of it that responds may not have it yet.
const LOOKS: usize = 3;
/// So many notices in vain are an accident; with each one more the pauses double.
const ACCIDENTS: u32 = 3;
/// Most entries that are looked for by themselves; more are looked for once, all together.
const MAX_LOOKED_FOR: usize = 256;

/// Heeds `notices` without an end.
pub(super) async fn heed(
    place: &Place,
    received: &Received,
    known: &Known,
    mut notices: NoticeReader,
) {
    let mut in_vain = 0_u32;
    loop {
        let mut wanted = Wanted::default();
        wanted.add(notices.next().await);
        let (mut has_asked, mut has_found) = (false, false);
        for _ in 0..LOOKS {
            pause(in_vain).await;
            while let Some(more) = notices.waiting() {
                wanted.add(more);
            }
            has_found |= wanted.forget_known(received) && has_asked;
            if wanted.is_nothing() || !known.may_be_asked() {
                break;
            }
            match poll(place, received, known, Whole::Adds).await {
                Ok(is_more) => {
                    wanted.is_something_missed = false;
                    has_asked = true;
                    has_found |= is_more;
                }
                Err(error) => {
                    received.count(error.code());
                    tracing::debug!(url = %place.url(), %error, "what is said to be revoked cannot be asked for");
                }
            }
            wanted.forget_known(received);
            if wanted.is_nothing() {
                break;
            }
        }
        // What is known already needs no request, and says nothing of what is not.
        if has_found {
            in_vain = 0;
        } else if has_asked {
            in_vain = in_vain.saturating_add(1);
        }
    }
}

/// What is not here yet.
#[derive(Default)]
struct Wanted {
    entries: Vec<Revocation>,
    is_something_missed: bool,
}

impl Wanted {
    fn add(&mut self, notice: RevocationNotice) {
        match notice {
            RevocationNotice::New(entries)
                if self.entries.len() + entries.len() <= MAX_LOOKED_FOR =>
            {
                self.entries.extend(entries);
            }
            RevocationNotice::New(_) | RevocationNotice::Missed => {
                self.is_something_missed = true;
            }
        }
    }

    /// Gives whether some of it has come.
    fn forget_known(&mut self, received: &Received) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| !received.has(entry));
        self.entries.len() < before
    }

    fn is_nothing(&self) -> bool {
        self.entries.is_empty() && !self.is_something_missed
    }
}

async fn pause(in_vain: u32) {
    let doubled = 2_u32.saturating_pow(in_vain.saturating_sub(ACCIDENTS).min(10));
    let pause = SHORTEST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
    let more = Duration::from_millis(random_below(half));
    sleep(pause.saturating_add(more)).await;
}
