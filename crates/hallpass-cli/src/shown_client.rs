//! A client of the issuer's store as JSON.

use hallpass_issuer::{ClientDocument, StoredClient, StoredSecret};
use serde::Serialize;

use crate::moment;

#[derive(Serialize)]
pub(crate) struct ShownClient<'a> {
    client_id: &'a str,
    revision: String,
    enabled: bool,
    registered: String,
    /// Whether the issuer has made it itself, and nobody has changed it since.
    first: bool,
    secrets: Vec<ShownSecret>,
    registration: Option<&'a ClientDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownSecret {
    chosen: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// The day, of one that ends the minute; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

/// When a secret was used last, in words: the day, or the minute of one that ends.
pub(crate) fn last_use(secret: &StoredSecret) -> String {
    match last_used(secret) {
        Some(moment) => format!("last used {moment}"),
        None => "never used".to_owned(),
    }
}

fn last_used(secret: &StoredSecret) -> Option<String> {
    let moment = moment::text(secret.last_used?);
    Some(match (secret.until, moment.split_once('T')) {
        (None, Some((day, _))) => day.to_owned(),
        _ => moment,
    })
}

impl<'a> ShownClient<'a> {
    pub(crate) fn of(client: &'a StoredClient) -> Self {
        let secrets = client.secrets.iter().map(|secret| ShownSecret {
            chosen: secret.is_chosen,
            until: secret.until.map(moment::text),
            last_used: last_used(secret),
        });
        Self {
            client_id: &client.client_id,
            revision: client.revision.to_string(),
            enabled: client.is_enabled(),
            registered: moment::text(client.created_at),
            first: client.is_first,
            secrets: secrets.collect(),
            registration: client.document.as_ref(),
            left_out: client.problem.as_deref(),
        }
    }
}
