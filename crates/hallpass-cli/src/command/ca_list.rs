//! `hallpass ca list`: the certificate authorities, and what becomes of them.

use clap::Args;
use hallpass_issuer::{AuthorityInfo, AuthorityState, authority_report};
use serde::Serialize;

use crate::issuer_store::{IssuerStore, clock};
use crate::moment;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Show the issuer's certificate authorities, and until when each is what it is
///
/// All of them are in the bundle that peers trust: `announced` until it signs, `signing` until another one is to sign, `retired` until the
/// last certificate of it has ended.
#[derive(Args, Debug)]
pub(crate) struct CaList {
    #[command(flatten)]
    store: IssuerStore,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    authorities: Vec<ShownAuthority<'a>>,
}

#[derive(Serialize)]
struct ShownAuthority<'a> {
    id: &'a str,
    state: &'a str,
    trust_domain: &'a str,
    created: String,
    since: String,
    until: String,
    not_after: String,
}

impl CaList {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let report = runtime::block_on(authority_report(&settings, &clock()))?;
        let report = report.map_err(|error| Failure::issuer(&error))?;
        if self.json {
            let authorities = report.iter().map(shown).collect();
            output::print_json(&Shown { authorities })?;
        } else if report.is_empty() {
            output::print_line(
                "There is no certificate authority yet: the issuer makes one when it starts.",
            )?;
        } else {
            let lines: Vec<_> = report.iter().map(line).collect();
            output::print_line(&lines.join("\n"))?;
        }
        Ok(Exit::Ok)
    }
}

fn shown(info: &AuthorityInfo) -> ShownAuthority<'_> {
    ShownAuthority {
        id: &info.id,
        state: info.state.as_str(),
        trust_domain: &info.trust_domain,
        created: moment::text(info.created_at),
        since: moment::text(info.since),
        until: moment::text(info.until),
        not_after: moment::text(info.not_after),
    }
}

/// One authority, for people.
pub(super) fn line(info: &AuthorityInfo) -> String {
    let until = match info.state {
        AuthorityState::Announced => "signs from",
        AuthorityState::Retired => "is deleted at",
        _ => "signs until",
    };
    format!(
        "{:<9}  {}  {}  {until} {}, ends {}",
        info.state,
        info.id,
        info.trust_domain,
        moment::text(info.until),
        moment::text(info.not_after)
    )
}
