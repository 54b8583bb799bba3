//! Puts the first client and existing keys into a store, whether or not an issuer is running on it.

use std::sync::Arc;

use crate::settings::IssuerSettings;
use crate::store::{Store, keys};
use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use crate::clients::first_client::{self, FirstClient};
use crate::error::Error;
use crate::keys::import::{self, Imported};

/// Creates a client in the store when neither the settings nor the store know one; `None` when one exists.
///
/// `show` gets it, secret included, before it is stored: the store keeps a digest only, so a client whose secret
/// nobody has seen would be of no use and in the way of another first client. The store is created when there is none.
///
/// # Errors
/// [`Error::FirstClientNotShown`] when `show` fails, and the errors of opening and writing the store; no client is
/// stored then.
pub async fn first_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    show: impl FnOnce(&FirstClient) -> std::io::Result<()>,
) -> Result<Option<FirstClient>, Error> {
    if !settings.clients.is_empty() {
        return Ok(None);
    }
    let store = Store::open(settings.place(), settings.sealing_keys()).await?;
    if store.client_count().await? > 0 {
        store.close().await;
        return Ok(None);
    }
    let (shown, registration) = first_client::create(settings.token_life)?;
    show(&shown).map_err(|source| Error::FirstClientNotShown { source })?;
    store
        .add_client(&registration, UnixTime::from(clock.now()))
        .await?;
    store.close().await;
    Ok(Some(shown))
}

/// Puts the keys of `text` into the issuer's store: a private key in PEM, a private JWK, or a JWK set.
///
/// In a store without keys the first private key of each algorithm signs from the issuer's first start on. Beside other
/// keys it is announced, by a running issuer at once, and signs after
/// `key_announce` of the settings; the one that signed before stays published, so tokens it signed stay
/// valid. Further private keys and public keys are published.
/// The store is created when there is none. All or nothing: on an error the store keeps what it had.
///
/// Not checked: whether a key was used elsewhere, its age, certificates beside it.
///
/// # Errors
/// [`Error::Import`] when `text` holds no usable private key, or more keys than can be published; [`Error::KeyIdTaken`] when the store knows another
/// key by the same name, and the errors of opening the store.
///
/// ```
/// # use std::sync::Arc;
/// # use hallpass_clock::{Clock, SystemClock};
/// # use hallpass_issuer::{IssuerSettings, import_keys};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
/// let settings = IssuerSettings {
///     store: folder.path().join("issuer.db"),
///     ..IssuerSettings::default()
/// };
/// // RFC 8037 appendix A.1: never use a published key.
/// let key = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "old", "alg": "EdDSA",
///     "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;
/// let imported = import_keys(&settings, &clock, key).await?;
/// assert_eq!(imported.signing[0].key_id.to_string(), "old");
/// # Ok(())
/// # }
/// ```
pub async fn import_keys(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    text: &str,
) -> Result<Imported, Error> {
    let mut found = import::parse(text, UnixTime::from(clock.now()))?;
    Store::check_reaches_issuer(settings.place())?;
    let store = Store::open(settings.place(), settings.sealing_keys()).await?;
    for _ in 0..keys::MAX_WRITES {
        let stored = store.keys().await?;
        found.reconcile(&stored.records)?;
        found.check_room(&stored.records)?;
        if store.write_keys(&stored, found.keys(), &[]).await? {
            store.close().await;
            return found.report(settings.algorithm);
        }
    }
    Err(store.busy())
}
