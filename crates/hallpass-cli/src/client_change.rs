//! What the commands that change a client of the issuer's store have in common.

use std::io;
use std::path::Path;

use clap::Args;
use hallpass::config::{Secret, files};
use hallpass_issuer::{ClientChangeRequest, ClientChanged, KeyChange, Revision, change_client};
use serde::Serialize;

use crate::issuer_store::IssuerStore;
use crate::moment;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;

/// Most bytes read of a registration.
const MAX_BYTES: usize = 64 * 1024;

/// Of which store, of which state, and how it is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct ChangeArguments {
    /// Change nothing unless this is the revision of the client, as `hallpass client show` prints it.
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<Revision>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

#[derive(Serialize)]
struct New<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// Until when the secret before that one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<String>,
}

#[derive(Serialize)]
struct Done<'a> {
    client_id: &'a str,
    /// What was done; `unchanged`: there was nothing to do.
    done: &'a str,
    changed_keys: Vec<&'a str>,
}

impl ChangeArguments {
    /// Makes the change and says that it was `done`. A new secret is shown before it counts.
    pub(crate) fn run(
        &self,
        done: &str,
        request: ClientChangeRequest<'_>,
    ) -> Result<Exit, Failure> {
        let store = self.store.to_change()?;
        let (action, changes) = audited(&request);
        let show = |changed: &ClientChanged| {
            let id = changed.client_id.as_ref();
            changes.are([(action, id.to_owned())]);
            match &changed.client_secret {
                Some(secret) => show_new(self.json, id, Some(secret), changed.previous_until),
                None => Ok(()),
            }
        };
        let expected = self.if_revision;
        let changed = change_client(&store.settings, &store.clock, request, expected, show);
        let changed = store.make(&changes, changed)?;
        let id = changed.client_id.as_ref();
        let done = if changed.is_nothing {
            "unchanged"
        } else {
            done
        };
        match (self.json, &changed.client_secret) {
            // One object is enough.
            (true, Some(_)) => {}
            (true, None) => output::print_json(&Done {
                client_id: id,
                done,
                changed_keys: changed.keys.iter().map(|key| key.key.as_str()).collect(),
            })?,
            (false, _) => {
                output::print_line(&format!("{done:<10} {id}"))?;
                for key in &changed.keys {
                    output::print_line(&key_change(key))?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// What audit events call it, and the change as far as it is known before it is prepared: of a file it is not known which client it has.
fn audited(request: &ClientChangeRequest<'_>) -> (&'static str, Changes) {
    use ClientChangeRequest::{Delete, Disable, Enable, RotateSecret};
    let (action, client_id) = match request {
        RotateSecret { client_id, .. } => ("client_rotate_secret", client_id),
        Disable { client_id, .. } => ("client_disable", client_id),
        Enable { client_id } => ("client_enable", client_id),
        Delete { client_id, .. } => ("client_delete", client_id),
        _ => return ("client_set", Changes::of("client_set")),
    };
    (action, Changes::to(action, *client_id))
}

/// The key before and after.
pub(crate) fn key_change(change: &KeyChange) -> String {
    let shown = |value: &Option<serde_json::Value>| {
        let value = value.as_ref().map(ToString::to_string);
        value.unwrap_or_else(|| "(default)".to_owned())
    };
    let KeyChange {
        key, before, after, ..
    } = change;
    format!("  {key}: {} -> {}", shown(before), shown(after))
}

/// Shows a client, and the secret that was made for it for the only time.
///
/// # Errors
/// As [`output::show_secret`].
pub(crate) fn show_new(
    as_json: bool,
    client_id: &str,
    secret: Option<&Secret>,
    previous_until: Option<u64>,
) -> io::Result<()> {
    let until = previous_until.map(moment::text);
    let secret = secret.map(Secret::expose);
    if as_json {
        let new = New {
            client_id,
            client_secret: secret,
            previous_until: until,
        };
        let text = serde_json::to_string(&new).map_err(io::Error::other)?;
        return output::show_secret(&text);
    }
    let mut lines = vec![format!("client-id:     {client_id}")];
    lines.extend(secret.map(|secret| format!("client-secret: {secret}")));
    lines.extend(until.map(|until| format!("the one before counts until {until}")));
    output::show_secret(&lines.join("\n"))
}

/// What problems call the file, and what it says.
///
/// # Errors
/// A usage failure when it cannot be read.
pub(crate) fn read_text(file: &Path) -> Result<(String, Secret), Failure> {
    let name = file.display().to_string();
    let text = files::read_text(file, MAX_BYTES)
        .map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
    Ok((name, Secret::new(text.as_str())))
}
