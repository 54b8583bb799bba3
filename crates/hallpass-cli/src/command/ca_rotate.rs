//! `hallpass ca rotate`: another certificate authority takes over.

use clap::Args;
use hallpass_issuer::rotate_authority;

use super::ca_list::line;
use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;

/// Let a new certificate authority take over from the one that signs
///
/// It is announced first: in the bundle for `issuer.ca.announce-seconds`, so that every peer trusts it before it signs. What the former one
/// has signed stays good. A running issuer follows at once.
#[derive(Args, Debug)]
pub(crate) struct CaRotate {
    #[command(flatten)]
    store: IssuerStore,
    /// Sign at once: peers refuse its certificates until they have fetched the bundle anew.
    #[arg(long)]
    now: bool,
}

impl CaRotate {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (store, changes) = (self.store.to_change()?, Changes::of("ca_rotate"));
        let rotated = store.make(&changes, async {
            let rotated = rotate_authority(&store.settings, &store.clock, self.now).await?;
            changes.are([("ca_rotate", rotated.id.clone())]);
            Ok(rotated)
        })?;
        output::print_line(&line(&rotated))?;
        Ok(Exit::Ok)
    }
}
