//! `hallpass client show`: one client of the issuer's store.

use clap::Args;
use hallpass_issuer::{StoredClient, StoredSecret, stored_client};

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::shown_client::{ShownClient, last_use};
use crate::{moment, runtime};

/// Show a client of the issuer's store
///
/// What it is registered for, its secrets without the secrets, and the revision: `--if-revision` of the commands that change a client refuses the change
/// when it is another one by then.
#[derive(Args, Debug)]
pub(crate) struct ClientShow {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientShow {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let client = runtime::block_on(stored_client(&settings, &clock, &self.client_id))?;
        let client = client.map_err(|error| Failure::issuer(&error))?;
        match self.json {
            true => output::print_json(&ShownClient::of(&client))?,
            false => output::print_line(text(&client).trim_end())?,
        }
        Ok(Exit::Ok)
    }
}

fn text(client: &StoredClient) -> String {
    let mut lines = vec![
        format!("client-id  {}", client.client_id),
        format!("revision   {}", client.revision),
        format!("registered {}", moment::text(client.created_at)),
    ];
    if !client.is_enabled() && client.problem.is_none() {
        lines.push("disabled   it gets no token".to_owned());
    }
    if let Some(problem) = &client.problem {
        lines.push(format!("left out   {problem}"));
    }
    lines.extend(client.secrets.iter().map(secret));
    if let Some(document) = &client.document {
        lines.push(document.to_yaml(0, &[]));
    }
    lines.join("\n")
}

fn secret(secret: &StoredSecret) -> String {
    let kind = match secret.is_chosen {
        true => "chosen",
        false => "generated",
    };
    let used = last_use(secret);
    match secret.until {
        None => format!("secret     {kind}, {used}"),
        Some(until) => format!("previous   {kind}, until {}, {used}", moment::text(until)),
    }
}
