//! `hallpass revoke`: what is to count no more.

use std::time::Duration;

use clap::{ArgGroup, Args};
use hallpass_issuer::{RevocationEnd, RevocationTarget, Revoked, revoke};

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;
use crate::{moment, span};

/// Take back a token, or all tokens of a client, of a subject or of a key
///
/// Services that follow the issuer refuse them within a second. A client or subject that is revoked gets no new token either
/// until the end, unless `--only-issued` is given. An entry ends by itself, and there is no way to take it back earlier.
/// `hallpass revocations` shows what is revoked.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true))]
#[command(group = ArgGroup::new("whose").args(["client", "subject"]))]
pub(crate) struct Revoke {
    /// One token, by its `jti` (`hallpass token inspect`, or the audit log).
    #[arg(long, value_name = "JTI", group = "what", allow_hyphen_values = true)]
    token_id: Option<String>,
    /// The tokens of this client.
    #[arg(long, value_name = "CLIENT-ID", group = "what")]
    client: Option<String>,
    /// The tokens of this subject (`sub`).
    #[arg(long, value_name = "SUB", group = "what")]
    subject: Option<String>,
    /// What this key has signed (`kid`); the key itself stays in use: see `hallpass key taint`.
    #[arg(long, value_name = "KID", group = "what", allow_hyphen_values = true)]
    key: Option<String>,
    /// Only tokens that were issued until now; new ones are good.
    #[arg(long, requires = "whose")]
    only_issued: bool,
    /// For how long, such as `90s`, `15m`, `12h` or `30d`. Default: until every token has ended that was issued so far, which
    /// is a day and five minutes.
    #[arg(long = "for", value_name = "TIME", value_parser = span::parse, conflicts_with = "until")]
    life: Option<Duration>,
    /// Until when, such as `2026-12-31T18:00:00Z`.
    #[arg(long, value_name = "MOMENT", value_parser = moment::parse)]
    until: Option<u64>,
    #[command(flatten)]
    store: IssuerStore,
}

impl Revoke {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (target, shown) = self.target()?;
        let end = match (self.life, self.until) {
            (Some(life), _) => RevocationEnd::After(life),
            (None, Some(moment)) => RevocationEnd::At(moment),
            (None, None) => RevocationEnd::WithTheLastToken,
        };
        let store = self.store.to_change()?;
        let revoked = revoke(&store.settings, &store.clock, &target, end);
        let Revoked {
            asked,
            holds,
            unknown,
        } = store.make(&Changes::to("revoke", &shown), revoked)?;
        let end = moment::text(holds.ends_at.as_secs());
        let mut lines = vec![format!("revoked    {shown}\nuntil      {end}")];
        if (holds.issued_before, holds.ends_at) != (asked.issued_before, asked.ends_at) {
            let own = moment::text(asked.ends_at.as_secs());
            lines.push(format!(
                "It was revoked before: both are one entry now, which denies what either would, and ends then and not at {own}."
            ));
        }
        lines.extend(unknown.map(|near| self.unknown(&near)));
        let is_kept_out = holds.issued_before.is_none();
        if matches!(target, RevocationTarget::Client { .. }) && is_kept_out {
            lines.push(
                "It gets no token until then. To keep it out for good, take away its registration or change its secret."
                    .to_owned(),
            );
        }
        output::print_line(&lines.join("\n"))?;
        Ok(Exit::Ok)
    }

    /// What is said of a name that nobody knows.
    fn unknown(&self, near: &[String]) -> String {
        let what = match (&self.client, &self.subject) {
            (Some(_), _) => "client in this configuration or store (one may come from Nacos)",
            (_, Some(_)) => {
                "client in this configuration or store that is such a subject (users are not known here)"
            }
            _ => "key in this store",
        };
        let near = match near {
            [] => String::new(),
            near => format!(" Near to it: {}.", near.join(", ")),
        };
        format!("Warning: there is no such {what}; it is revoked all the same.{near}")
    }

    fn target(&self) -> Result<(RevocationTarget, String), Failure> {
        let only_issued = self.only_issued;
        let targets = [
            self.token_id.clone().map(RevocationTarget::Token),
            self.client
                .clone()
                .map(|id| RevocationTarget::Client { id, only_issued }),
            self.subject
                .clone()
                .map(|name| RevocationTarget::Subject { name, only_issued }),
            self.key.clone().map(RevocationTarget::Key),
        ];
        let names = [
            ("token", &self.token_id),
            ("client", &self.client),
            ("subject", &self.subject),
            ("key", &self.key),
        ];
        let name = names
            .into_iter()
            .find_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?)));
        let target = targets.into_iter().flatten().next();
        // The command line was read by then.
        let missing = || Failure::usage("say what is to be revoked");
        target.zip(name).ok_or_else(missing)
    }
}
