//! `hallpass key import`: replace an issuer without breaking a verifier.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::{Imported, ImportedKey, import_keys};

use crate::input;
use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;

/// What audit events call it.
const ACTION: &str = "key_import";

/// Bring existing keys into the issuer's store
///
/// Takes a private key in PEM, a private JWK, or a JWK set. The first private key of each algorithm
/// signs: at once in a store without keys, else after it was announced. What signed before stays
/// published until the tokens that it signed have ended. A running issuer follows at once.
#[derive(Args, Debug)]
pub(crate) struct KeyImport {
    /// The file, or `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    store: IssuerStore,
}

impl KeyImport {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (store, changes) = (self.store.to_change()?, Changes::of(ACTION));
        let input = input::read(&self.file, input::MAX_KEY_FILE_BYTES)?;
        let text = input
            .trimmed_text()
            .filter(|_text| !input.cut)
            .ok_or_else(|| {
                Failure::usage(format_args!(
                    "{} is not a text of at most 1 MiB",
                    self.file.display()
                ))
            })?;
        let imported = store.make(&changes, async {
            let imported = import_keys(&store.settings, &store.clock, text).await?;
            let keys = imported.signing.iter().chain(&imported.announced);
            let keys = keys.chain(&imported.published);
            changes.are(keys.map(|key| (ACTION, key.key_id.to_string())));
            Ok(imported)
        })?;
        output::print_line(&report(&imported))?;
        Ok(Exit::Ok)
    }
}

fn report(imported: &Imported) -> String {
    let mut lines = Vec::new();
    let line = |word: &str, key: &ImportedKey| format!("{word}  {}  {}", key.algorithm, key.key_id);
    lines.extend(imported.signing.iter().map(|key| line("signs    ", key)));
    lines.extend(imported.announced.iter().map(|key| line("announced", key)));
    lines.extend(imported.published.iter().map(|key| line("published", key)));
    for key in &imported.skipped {
        lines.push(format!(
            "left out   {}: {}",
            key.key_id.as_deref().unwrap_or("-"),
            key.reason
        ));
    }
    if let Some(algorithm) = imported.issuer_algorithm
        && !imported
            .signing
            .iter()
            .chain(&imported.announced)
            .any(|key| key.algorithm == algorithm)
    {
        lines.push(format!("The issuer is set to sign with {algorithm}; none of these keys signs until `issuer.algorithm` is changed."));
    }
    if !imported.announced.is_empty() {
        lines.push(
            "An announced key is published first, and signs after `issuer.key-announce-seconds`."
                .to_owned(),
        );
    }
    lines.push("A running issuer follows at once.".to_owned());
    lines.join("\n")
}
