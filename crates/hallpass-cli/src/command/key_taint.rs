//! `hallpass key taint`: a key that somebody else may have.

use clap::Args;
use hallpass_issuer::{KeyReport, key_report, taint_key};

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::store_change::Changes;

/// Most verifiers that are named.
const MAX_NAMED: usize = 20;

/// Withdraw a key in an emergency: what it signed counts no more
///
/// The key leaves the key set and never signs again; its private half is deleted. When it signed, an announced key, or a
/// new one, signs from now on. Services ask for new tokens by themselves. There is no way back.
#[derive(Args, Debug)]
pub(crate) struct KeyTaint {
    /// The name of the key (`kid`), as `hallpass key list` shows it.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    store: IssuerStore,
}

impl KeyTaint {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = self.store.to_change()?;
        // Who has which key is written down from time to time: what stands there now is from before.
        let before = runtime::block_on(key_report(&store.settings, &store.clock))?.ok();
        let tainted = taint_key(&store.settings, &store.clock, &self.kid);
        let successor = store.make(&Changes::to("key_taint", &self.kid), tainted)?;
        let mut lines = vec![format!("tainted    {}", self.kid)];
        if let Some(key) = successor {
            let line = format!("{:<9}  {:<6}  {}", key.state, key.algorithm, key.key_id);
            lines.push(line);
            if let Some(before) = &before {
                lines.extend(not_waited_for(before, &key.key_id));
            }
        }
        output::print_line(&lines.join("\n"))?;
        Ok(Exit::Ok)
    }
}

/// Whom the successor did not wait for: an emergency comes before `--when-adopted`.
fn not_waited_for(before: &KeyReport, successor: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keys = before.keys.iter();
    if keys.any(|key| key.key_id == successor && key.awaits_adoption) {
        lines.push("It was to sign when its verifiers have it, and signs now.".to_owned());
    }
    let missing: Vec<_> = before.missing_at(successor).collect();
    if !missing.is_empty() {
        let named: Vec<_> = missing.iter().take(MAX_NAMED).copied().collect();
        let more = match missing.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!(
            "{} of {} known verifiers did not have it yet, and ask for it at its first token: {}{more}",
            missing.len(),
            before.verifiers.len(),
            named.join(", ")
        ));
    }
    lines
}
