//! `hallpass client list`: the clients of the issuer's store.

use clap::Args;
use hallpass_issuer::{
    ClientAuthentication, ClientProfile, ClientSettings, StoredClient, stored_clients,
};

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::shown_client::ShownClient;

/// Show the clients of the issuer's store
///
/// Those of the configuration are not among them: `hallpass config check --explain` shows these. A client that does not fit the
/// configuration, so that the issuer leaves it out, is shown with the reason.
#[derive(Args, Debug)]
pub(crate) struct ClientList {
    /// Print one JSON object a line, a line for each client.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientList {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clients = runtime::block_on(stored_clients(&settings, &clock()))?;
        let clients = clients.map_err(|error| Failure::issuer(&error))?;
        for client in &clients {
            match self.json {
                true => output::print_json(&ShownClient::of(client))?,
                false => output::print_line(&line(client))?,
            }
        }
        Ok(Exit::Ok)
    }
}

fn line(client: &StoredClient) -> String {
    let mut line = client.client_id.clone();
    match &client.settings {
        Some(_) if client.is_first => line.push_str("  the first client"),
        Some(settings) => line.push_str(&registered(settings)),
        None => {}
    }
    if let Some(problem) = &client.problem {
        line.push_str("\n  left out: ");
        line.push_str(problem);
    }
    line
}

fn registered(client: &ClientSettings) -> String {
    let grants: Vec<_> = client.grant_types.iter().map(|it| it.as_str()).collect();
    let method = match &client.authentication {
        ClientAuthentication::Secret(_) => "secret",
        ClientAuthentication::PrivateKeyJwt(_) => "private_key_jwt",
        ClientAuthentication::TlsClientAuth(_) => "tls_client_auth",
        ClientAuthentication::SelfSignedTlsClientAuth(_) => "self_signed_tls_client_auth",
        ClientAuthentication::FederatedJwt(_) => "federated_jwt",
    };
    let disabled = if client.enabled { "" } else { "disabled, " };
    let calls = client.calls.iter().map(|call| call.audience.as_ref());
    let audiences = client.audiences.iter().map(AsRef::as_ref);
    let audiences: Vec<_> = audiences.chain(calls).collect();
    let is_bound =
        client.dpop_bound_access_tokens || client.tls_client_certificate_bound_access_tokens;
    let bound = if is_bound { ", bound tokens" } else { "" };
    let profile = match client.profile {
        Some(ClientProfile::Fapi2) => ", fapi2",
        Some(_) => ", a profile",
        None => "",
    };
    format!(
        "  {disabled}{method}{bound}{profile}; grants {}; scopes {}; audiences {}; {} exchange rules",
        grants.join(" "),
        shown(client.scope.as_str()),
        shown(&audiences.join(" ")),
        client.exchange.len()
    )
}

fn shown(text: &str) -> &str {
    match text {
        "" => "-",
        text => text,
    }
}
