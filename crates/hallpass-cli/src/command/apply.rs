//! `hallpass apply`: makes the issuer's store have the clients of a file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use hallpass::config::{MAX_SOURCE_BYTES, Secret, files};
use hallpass_issuer::{
    ApplyOptions, ClientPlan, Error, KeyChange, PlannedChange, PlannedKind, apply_clients,
    plan_clients,
};
use serde::Serialize;

use crate::client_change::key_change;
use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::store_change::Changes;

/// Most files that are read of a folder.
const MAX_FILES: usize = 1_000;

/// Make the issuer's store have the clients of a file
///
/// The file is a list of clients: `issuer.clients`, in the form of the configuration or alone; of a folder all files that end in .yaml, .yml or .json
/// count. Clients that the store does not have are added, others become what the file says and keep their secrets, and with `--prune` those that are in no
/// file are deleted as `hallpass client delete` does. All of it is done in one transaction, or nothing: where somebody else has changed a client since the
/// plan was made, nothing is. `--plan` shows what would be done, and ends with 2 when that is anything.
#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// The YAML file, or a folder of such files.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show what would be done, and do nothing: exit code 2 when there is something to do.
    #[arg(long)]
    plan: bool,
    /// Delete clients of the store that no file has.
    #[arg(long)]
    prune: bool,
    /// Make secrets for new clients that have no digest in the file, and print them this once. Without it such a client is a problem.
    #[arg(long, conflicts_with = "plan")]
    print_secrets: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

#[derive(Serialize)]
struct ShownPlan<'a> {
    changes: Vec<ShownChange<'a>>,
    unchanged: usize,
}

#[derive(Serialize)]
struct ShownChange<'a> {
    client_id: &'a str,
    change: &'a str,
    keys: Vec<ShownKey<'a>>,
    secrets_change: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownKey<'a> {
    key: &'a str,
    before: Option<&'a serde_json::Value>,
    after: Option<&'a serde_json::Value>,
}

impl Apply {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let texts = read(&self.file)?;
        let store = self.store.to_change()?;
        let mut options = ApplyOptions::default();
        (options.prunes, options.makes_secrets) = (self.prune, self.print_secrets || self.plan);
        if self.plan {
            let plan = plan_clients(&store.settings, &store.clock, &texts, options);
            let plan = runtime::block_on(plan)?;
            let plan = plan.map_err(|error| Failure::issuer(&error))?;
            output::print_line(&self.shown(&plan)?)?;
            return Ok(match plan.changes.is_empty() {
                true => Exit::Ok,
                false => Exit::Changes,
            });
        }
        // What is refused as a whole has changed no client.
        let changes = Changes::of("apply");
        let has_secret =
            |plan: &ClientPlan| plan.changes.iter().any(|it| it.client_secret.is_some());
        // Secrets are seen before it is done: one that nobody has seen would be of no use. All else is said when it is so.
        let show = |plan: &ClientPlan| {
            changes.are(plan.changes.iter().map(audited));
            if !has_secret(plan) {
                return Ok(());
            }
            let text = self.shown(plan);
            let text = text.map_err(|failure| io::Error::other(failure.to_string()))?;
            output::show_secret(&text)
        };
        let applied = async {
            let applied = apply_clients(&store.settings, &store.clock, &texts, options, show);
            let applied = applied.await;
            if let Err(Error::Client { .. }) = &applied {
                output::complain("nothing was changed, whatever was shown");
            }
            applied
        };
        let plan = store.make(&changes, applied)?;
        if !has_secret(&plan) {
            output::print_line(&self.shown(&plan)?)?;
        }
        Ok(Exit::Ok)
    }

    fn shown(&self, plan: &ClientPlan) -> Result<String, Failure> {
        if !self.json {
            return Ok(text(plan, self.plan));
        }
        let shown = ShownPlan {
            changes: plan
                .changes
                .iter()
                .map(|change| self.shown_change(change))
                .collect(),
            unchanged: plan.unchanged,
        };
        serde_json::to_string(&shown).map_err(Failure::failed)
    }

    fn shown_change<'c>(&self, change: &'c PlannedChange) -> ShownChange<'c> {
        let secret = change.client_secret.as_ref().filter(|_| !self.plan);
        ShownChange {
            client_id: &change.client_id,
            change: change.kind.as_str(),
            keys: change.keys.iter().map(shown_key).collect(),
            secrets_change: change.changes_secrets,
            client_secret: secret.map(Secret::expose),
        }
    }
}

/// What audit events call it.
fn audited(change: &PlannedChange) -> (&'static str, String) {
    let action = match change.kind {
        PlannedKind::Added => "client_add",
        PlannedKind::Removed => "client_delete",
        _ => "client_set",
    };
    (action, change.client_id.clone())
}

fn shown_key(change: &KeyChange) -> ShownKey<'_> {
    ShownKey {
        key: &change.key,
        before: change.before.as_ref(),
        after: change.after.as_ref(),
    }
}

fn text(plan: &ClientPlan, is_plan: bool) -> String {
    let mut lines = Vec::new();
    for change in &plan.changes {
        lines.push(format!("{:<10} {}", change.kind.as_str(), change.client_id));
        lines.extend(change.keys.iter().map(key_change));
        if change.changes_secrets {
            lines.push("  its secrets change".to_owned());
        }
        match &change.client_secret {
            Some(_) if is_plan => lines.push(
                "  it needs a secret: `client-secret-digest` in the file, or `--print-secrets`"
                    .to_owned(),
            ),
            Some(secret) => lines.push(format!("  client-secret: {}", secret.expose())),
            None => {}
        }
    }
    lines.push(format!("{:<10} {}", "unchanged", plan.unchanged));
    lines.join("\n")
}

/// What problems call each file, and what it says.
fn read(path: &Path) -> Result<Vec<(String, Secret)>, Failure> {
    let unusable =
        |error: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {error}", path.display()));
    if !path.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unusable(&error))? {
        let file = entry.map_err(|error| unusable(&error))?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("yaml" | "yml" | "json")) && file.is_file() {
            found.push(file);
        }
        if found.len() > MAX_FILES {
            return Err(unusable(&format_args!("has more than {MAX_FILES} files")));
        }
    }
    if found.is_empty() {
        return Err(unusable(&"has no file that ends in .yaml, .yml or .json"));
    }
    found.sort();
    found.iter().map(|file| read_file(file)).collect()
}

fn read_file(file: &Path) -> Result<(String, Secret), Failure> {
    let name = file.display().to_string();
    let text = files::read_text(file, MAX_SOURCE_BYTES)
        .map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
    Ok((name, Secret::new(text.as_str())))
}
