//! `hallpass key rotate`: another key takes over.

use clap::Args;
use hallpass::token::Algorithm;
use hallpass_issuer::{KeyInfo, KeyState, TakeOver, key_report, rotate_key};

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::store_change::Changes;

/// Let a new key take over from the one that signs
///
/// It is announced first: published for `issuer.key-announce-seconds`, so that verifiers know it before it signs. What the
/// former key has signed stays valid. A running issuer follows at once.
#[derive(Args, Debug)]
pub(crate) struct KeyRotate {
    #[command(flatten)]
    store: IssuerStore,
    /// Whose turn it is; default: the issuer's algorithm (`issuer.algorithm`).
    #[arg(long)]
    algorithm: Option<Algorithm>,
    /// Sign no sooner than every verifier that is known by name has fetched it (see `hallpass key list`).
    #[arg(long, conflicts_with = "now")]
    when_adopted: bool,
    /// Sign at once: verifiers ask for the key set when they meet its first token.
    #[arg(long)]
    now: bool,
}

impl KeyRotate {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (store, changes) = (self.store.to_change()?, Changes::of("key_rotate"));
        let take_over = match (self.when_adopted, self.now) {
            (true, _) => TakeOver::WhenAdopted,
            (false, true) => TakeOver::Now,
            (false, false) => TakeOver::Announced,
        };
        let key = store.make(&changes, async {
            let rotated = rotate_key(&store.settings, &store.clock, self.algorithm, take_over);
            let key = rotated.await?;
            changes.are([("key_rotate", key.key_id.clone())]);
            Ok(key)
        })?;
        output::print_line(&report(&key))?;
        if key.awaits_adoption {
            let known = runtime::block_on(key_report(&store.settings, &store.clock))?;
            if known.is_ok_and(|known| known.verifiers.is_empty()) {
                output::print_line(
                    "No verifier is known by a name yet: whoever asks by one until then is waited for, and nobody else.",
                )?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn report(key: &KeyInfo) -> String {
    let then = match (key.state, key.awaits_adoption) {
        (KeyState::Signing, _) => "It signs from now on.",
        (_, true) => {
            "It signs after `issuer.key-announce-seconds`, and when every verifier of `hallpass key list` has it."
        }
        (_, false) => "It signs after `issuer.key-announce-seconds`; see `hallpass key schedule`.",
    };
    format!(
        "{:<9}  {:<6}  {}\n{then}",
        key.state, key.algorithm, key.key_id
    )
}
