//! What can go wrong for the person who runs the issuer.
//!
//! An [`Error`] stops a start, an import or a reload and is printed. It is never sent to a client: that
//! is a [`Refusal`](crate::Refusal).

mod of_database;
mod of_store;

use std::net::SocketAddr;
use std::path::PathBuf;

use hallpass_tls::TlsError;
use hallpass_token::{ClientId, SealingError};
use sqlx::migrate::MigrateError;

pub(crate) use self::of_database::outcome_unknown;
use self::of_database::who_holds;
use crate::clients::client_fault::ClientFault;

/// Why the issuer could not start, import, or take new settings.
///
/// No text holds a secret or a private key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // --- the settings
    /// The name cannot be used as `iss`, or not as a URL (RFC 8414 section 2).
    #[error("issuer name {name:?}: {problem}")]
    IssuerName {
        /// The name as configured.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A client's registration cannot be used.
    #[error("client {client_id:?}: {problem}")]
    Registration {
        /// Whose registration.
        client_id: String,
        /// What is wrong with it; never its secret.
        problem: String,
    },
    /// A client of the store is not changed, though nothing is wrong with its registration.
    #[error("client {client_id:?}: {fault}")]
    Client {
        /// Which client.
        client_id: String,
        /// Why not.
        fault: ClientFault,
    },
    /// A list of clients cannot be applied.
    #[error("nothing was changed:\n{problems}")]
    Clients {
        /// All that is wrong with it, a line each, with its place; never a secret.
        problems: String,
    },
    /// An issuer that should be trusted cannot be, as the settings have it.
    #[error("trusted issuer {name:?}: {problem}")]
    TrustedIssuer {
        /// Its name in the settings.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// What protects the connections to the public keys of clients cannot be used.
    #[error("issuer.client-keys-tls: {problem}")]
    ClientKeys {
        /// What is wrong.
        problem: String,
    },
    /// Nothing is to count once by the memory of this process alone, and there is nothing that processes share.
    #[error(
        "issuer.dpop.without-replay-store: `refuse` needs a section `redis`, beside `shared-replay`"
    )]
    NoReplayStore,
    /// The key-encryption key is too short to be safe.
    #[error(
        "the key-encryption key has {length} bytes and needs at least {minimum}: create one with `openssl rand -base64 32`"
    )]
    SealingKeyTooShort {
        /// Bytes it has.
        length: usize,
        /// Bytes it needs.
        minimum: usize,
    },

    /// Certificate, private key or authorities of the listener cannot be used.
    #[error("issuer.tls: {0}")]
    Tls(#[from] TlsError),
    /// The same of the listener for administrators.
    #[error("issuer.admin.tls: {0}")]
    AdminTls(TlsError),

    // --- the store and its sealing key
    /// The store exists, but the generated sealing key that belongs beside it does not.
    #[error(
        "{} exists, but its sealing key {} does not: restore that file, or configure key-encryption-key; the store was not touched",
        store.display(),
        key_file.display()
    )]
    SealingKeyMissing {
        /// The store.
        store: PathBuf,
        /// Where the generated sealing key was expected.
        key_file: PathBuf,
    },
    /// The generated sealing key beside the store cannot be used.
    #[error(
        "the sealing key file {} {problem}: restore it, or configure key-encryption-key with what it held",
        key_file.display()
    )]
    SealingKeyFile {
        /// The file.
        key_file: PathBuf,
        /// What is wrong with it; never its content.
        problem: String,
    },
    /// The sealing key does not open this store.
    #[error("the {key} is not the one that sealed {store}; the store was not touched")]
    WrongSealingKey {
        /// What the store is called: an embedded one by its file.
        store: String,
        /// Which key was tried: `key-encryption-key`, or the one in the file beside the store.
        key: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process holds the store's lock for longer than this one waits: three quarters of a second where requests wait behind it, else five
    /// seconds, ten while it opens the store.
    #[error(
        "store {store}: another process holds it: an import, a back-up or a second issuer; try again when that has ended ({} names it)",
        who_holds(store)
    )]
    StoreBusy {
        /// What the store is called: an embedded one by its file.
        store: String,
    },
    /// The file at the store's path is not the one that was opened: nothing is done to either.
    #[error("store {store}: the file was replaced or is gone since the start: restart to use it")]
    StoreReplaced {
        /// What the store is called: an embedded one by its file.
        store: String,
    },
    /// An issuer runs on another file than the one that stands at the store's path now: what is written there would not reach it.
    #[error(
        "nothing was changed: an issuer runs on the file that stood at {store} before; it was replaced or is gone since, so nothing that is \
         written there reaches that issuer: restart it, then try again"
    )]
    IssuerOnOtherFile {
        /// What the store is called: an embedded one by its file.
        store: String,
    },
    /// The database does not respond.
    #[error(
        "store {store}: the database does not respond: {problem} (does it run there, and may this machine reach it? \
         `issuer.database.url`, `issuer.database.tls`)"
    )]
    StoreAway {
        /// What the store is called.
        store: String,
        /// What stands in the way.
        problem: String,
    },
    /// The connection ended between a commit and its response, and the database was not there to be asked what became of it.
    #[error(
        "store {store}: whether the change was made is not known: the database went away before it said so, and did not come back \
         in time (look at what was to be changed before you try again)"
    )]
    StoreOutcomeUnknown {
        /// What the store is called.
        store: String,
    },
    /// A store in a database is to be opened without the key that seals it.
    #[error(
        "issuer.key-encryption-key is required with issuer.database: every issuer that shares the database has the same one; \
         create one with `openssl rand -base64 32`"
    )]
    NoSealingKey,
    /// The store did not do in time what a request needs: many wait for it, or the disk is slow.
    #[error("store {store}: it took longer than a request waits for it")]
    StoreSlow {
        /// What the store is called: an embedded one by its file.
        store: String,
    },
    /// The store reported an error.
    #[error("store {store}: {source}")]
    Store {
        /// What the store is called: an embedded one by its file.
        store: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The store's tables could not be brought up to date.
    #[error("store {store}: {source}")]
    Migration {
        /// What the store is called: an embedded one by its file.
        store: String,
        /// What the database said.
        source: MigrateError,
    },
    /// A row in the store cannot be read back, or is not as this issuer wrote it.
    #[error("store {store}: {problem}")]
    StoreDamaged {
        /// What the store is called: an embedded one by its file.
        store: String,
        /// Which row, and what is wrong with it.
        problem: String,
    },

    /// A newer version has worked on the store.
    #[error(
        "store {store}: a newer version has brought it up to date (step {version} of its tables is not known here): use that one, or \
         restore a backup of before"
    )]
    StoreTooNew {
        /// What the store is called.
        store: String,
        /// The first step that is not known here.
        version: i64,
    },
    /// The store is of an older version, and is not to be changed.
    #[error(
        "store {store}: it is of an older version, or sealed with previous-key-encryption-key: the next start of the issuer, or \
         `hallpass store migrate`, brings it up to date; check it then"
    )]
    StoreBehind {
        /// What the store is called.
        store: String,
    },
    /// A store is to be made of a backup where there is one already.
    #[error(
        "store {store}: it is not empty, and nothing of it was changed: restore into an empty one"
    )]
    StoreNotEmpty {
        /// What the store is called.
        store: String,
    },
    /// A backup cannot be used.
    #[error("nothing was restored: the backup cannot be used: {problem}")]
    Backup {
        /// What is wrong with it.
        problem: String,
    },

    /// There is no store, and what was asked for does not make one.
    #[error(
        "store {store} does not exist: name the one of the issuer (`issuer.store`), or start the issuer first"
    )]
    StoreMissing {
        /// What the store is called: an embedded one by its file.
        store: String,
    },

    // --- the keys
    /// There is no key of this name.
    #[error("there is no key {kid:?}; the store has {}", known.join(", "))]
    UnknownKey {
        /// The name that was given.
        kid: String,
        /// The names of the keys that there are.
        known: Vec<String>,
    },
    /// Verifiers would not read a key set with one more key.
    #[error(
        "no key was made: {problem}; keys that sign no more are deleted after `issuer.key-retention-seconds`"
    )]
    TooManyKeys {
        /// What is in the way.
        problem: String,
    },

    // --- the certificate authority
    /// Nothing of a certificate authority is there without its settings.
    #[error("there is no certificate authority: `issuer.ca` is missing in the configuration")]
    NoAuthority,
    /// There is no certificate authority of this name.
    #[error("there is no certificate authority {id:?}; the store has {}", known.join(", "))]
    UnknownAuthority {
        /// The name that was given.
        id: String,
        /// The names of those that there are.
        known: Vec<String>,
    },

    // --- revocations
    /// What was given cannot be revoked, or not until then.
    #[error("nothing was revoked: {problem}")]
    Revocation {
        /// What is wrong with it.
        problem: String,
    },
    /// The deny-list is full.
    #[error(
        "nothing was revoked: the deny-list has {most} entries already, and each ends by itself; \
         `hallpass key taint` takes back at once all that a key has signed"
    )]
    TooManyRevocations {
        /// How many there may be.
        most: usize,
    },

    // --- an import
    /// The text is neither a JWK, a JWK set nor a PEM private key, or holds no private key.
    #[error("nothing was imported: {problem}")]
    Import {
        /// What is wrong with it; never a part of the key.
        problem: String,
    },
    /// The store has another key under the same `kid`.
    #[error("nothing was imported: the store already has a different key with kid {kid:?}")]
    KeyIdTaken {
        /// The `kid` both have.
        kid: String,
    },

    /// The first client was not shown, so that it was not created.
    #[error("no client was created, because its secret could not be shown: {source}")]
    FirstClientNotShown {
        /// What the operating system said.
        source: std::io::Error,
    },

    // --- the machine
    /// The listening address could not be bound.
    #[error("cannot listen on {address}: {source} (`issuer.listen`, `--listen`)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A background task of the issuer ended by itself; the issuer is stopped rather than left half alive.
    #[error("the issuer's {task} ended unexpectedly")]
    TaskEnded {
        /// Which task.
        task: &'static str,
    },
    /// An operation failed that depends on no input: a defect, or a machine without random numbers.
    #[error("{operation} failed")]
    Internal {
        /// Which operation.
        operation: &'static str,
    },
}

impl Error {
    /// Whether clients alone cannot be used, which says nothing against keys and revocations.
    pub(crate) const fn is_about_clients(&self) -> bool {
        matches!(
            self,
            Self::Registration { .. } | Self::ClientKeys { .. } | Self::TrustedIssuer { .. }
        )
    }

    /// Why the client is not changed.
    pub(crate) fn client(client_id: &ClientId, fault: ClientFault) -> Self {
        let client_id = client_id.to_string();
        Self::Client { client_id, fault }
    }
}

impl From<SealingError> for Error {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::KeyTooShort { length, minimum } => {
                Self::SealingKeyTooShort { length, minimum }
            }
            SealingError::Derivation => Self::Internal {
                operation: "deriving the sealing key",
            },
            SealingError::Random => Self::Internal {
                operation: "drawing random bytes",
            },
            _ => Self::Internal {
                operation: "sealing",
            },
        }
    }
}
