//! `service-auth`: issues short-lived internal JWTs and publishes their keys.
//!
//! ```text
//! form -> client authentication -> registry (grant, audience, scope) -> claims -> key -> signature -> response -> audit
//! ```
//!
//! What it promises:
//! * **No database per token.** Registry and keys are immutable snapshots in memory, swapped on change. The store
//!   (one SQLite file, or a PostgreSQL that several issuers share) is read at start and written when keys or clients change; tokens go on without it.
//! * **Deny by default.** A client gets the scopes, audiences and grants it is registered for, one audience a token.
//! * **Private keys are sealed at rest** (AES-256-GCM), and the same key signs after a restart.
//! * **Keys follow one another by themselves**: announced, signing, retired, deleted, and no token fails on the way.
//! * **Certificates for registered clients** (`issuer.ca`): short-lived, with the names of a registration and no other; authorities follow
//!   one another by themselves too.
//! * **What is revoked ends everywhere within a second**: tokens, clients, subjects and keys stand on a deny-list that verifiers
//!   follow.
//! * **A refusal reveals nothing.** An unknown client and a wrong secret get the same response in the same time; no
//!   log, metric, error or `Debug` text contains a secret or a token.
//!
//! What it does not do: user logins, grants other than `client_credentials`, token exchange (RFC 8693) of its own tokens and
//! those of trusted issuers, JWT bearer (RFC 7523) by assertions of these, and refresh tokens for clients that want them, the one thing that the store is asked for.
//!
//! ```no_run
//! use std::io::{self, Write as _};
//! use std::sync::Arc;
//!
//! use hallpass_clock::{Clock, SystemClock};
//!
//! use hallpass_issuer::{IssuerServer, IssuerSettings, first_client};
//!
//! # async fn run() -> Result<(), hallpass_issuer::Error> {
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let settings = IssuerSettings::default();
//! // Shown once, before it is stored: the store keeps a digest of it only.
//! first_client(&settings, &clock, |first| {
//!     writeln!(io::stdout(), "{} {}", first.client_id, first.client_secret.expose())
//! })
//! .await?;
//! let issuer = IssuerServer::start(&settings, clock).await?;
//! println!("listening on {}", issuer.local_addr());
//! issuer.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod audit;
mod authority;
mod backup_file;
mod client_administration;
mod clients;
mod core;
mod deny_list;
mod error;
mod even_clock;
#[cfg(unix)]
mod for_owner;
mod http;
mod key_administration;
mod key_upkeep;
mod keys;
mod lockout_events;
mod metrics;
mod operator_audit;
mod provisioning;
mod refresh;
mod refresh_families;
mod replays;
mod revocation_administration;
mod running;
mod server;
mod settings;
mod spiffe;
mod start_settings;
mod store;
mod store_administration;
mod store_watch;
mod stored_clients;
mod tls_files;
mod token;
mod token_purpose;
mod token_shapes;
mod trusted_issuer_check;
mod trusted_issuers;
mod uses;

pub use crate::admin::router::admin_description;
pub use crate::audit::origin::AUDIT_TARGET;
pub use crate::audit::query::{
    AuditCursor, AuditFilter, AuditLog, AuditOutcome, AuditPage, InvalidCursor,
};
pub use crate::authority::administration::{
    AuthorityInfo, authority_bundle, authority_report, distrust_authority, rotate_authority,
};
pub use crate::authority::record::AuthorityState;
pub use crate::client_administration::edges::{Edge, EdgeAdvice, EdgeReport};
pub use crate::client_administration::exported::ExportedClients;
pub use crate::client_administration::plan::{
    ApplyOptions, ClientPlan, PlannedChange, PlannedKind,
};
pub use crate::client_administration::prepared::SecretRotation;
pub use crate::client_administration::view::{StoredClient, StoredSecret};
pub use crate::client_administration::{
    AddedClient, ClientChangeRequest, ClientChanged, add_client, apply_clients, change_client,
    edge_report, exported_clients, plan_clients, stored_client, stored_clients,
};
pub use crate::clients::assertion_rule::{
    AssertionRule, ClaimCondition, ClaimPattern, InvalidClaimPattern,
};
pub use crate::clients::authentication::SecretPlace;
pub use crate::clients::certificate_names::CertificateNames;
pub use crate::clients::client_document::{ClientDocument, KeyChange};
pub use crate::clients::client_fault::ClientFault;
pub use crate::clients::client_keys::ClientKeys;
pub use crate::clients::exchange_rule::{ExchangeRule, SubjectKind};
pub use crate::clients::first_client::FirstClient;
pub use crate::clients::profile::ClientProfile;
pub use crate::clients::registration::{ClientCall, GrantType, GrantTypes};
pub use crate::clients::revision::{InvalidRevision, Revision};
pub use crate::clients::secret_digest::SecretDigest;
pub use crate::deny_list::NewRevocations;
pub use crate::error::Error;
pub use crate::key_administration::edit::TakeOver;
pub use crate::key_administration::{
    KeyInfo, KeyReport, KeyStep, key_report, public_keys, rotate_key, taint_key,
};
pub use crate::keys::adoption::Verifier;
pub use crate::keys::import::{Imported, ImportedKey, SkippedKey};
pub use crate::keys::record::KeyState;
pub use crate::operator_audit::{OperatorChange, audit_operator};
pub use crate::provisioning::{first_client, import_keys};
pub use crate::revocation_administration::{
    RevocationEnd, RevocationInfo, RevocationTarget, Revoked, revocation_report, revoke,
};
pub use crate::running::RunningIssuer;
pub use crate::server::IssuerServer;
pub use crate::settings::IssuerSettings;
pub use crate::settings::admin::AdminSettings;
pub use crate::settings::audience::AudienceSettings;
pub use crate::settings::audit::{AuditPlace, AuditSettings};
pub use crate::settings::ca::CaSettings;
pub use crate::settings::client::ClientSettings;
pub use crate::settings::client::authentication::{ClientAuthentication, PrivateKeyJwt};
pub use crate::settings::client::secrets::{
    ClientSecret, ClientSecrets, PreviousSecret, SecretKind,
};
pub use crate::settings::database::{DatabaseSettings, DatabaseTlsSettings};
pub use crate::settings::dpop::DpopSettings;
pub use crate::settings::sources::SourceSettings;
pub use crate::settings::trusted_issuer::{KeyPlace, TrustedIssuerSettings};
pub use crate::store::checking::StoreContents;
pub use crate::store_administration::{
    InspectedStore, StoreReport, StoreStep, backup_store, check_store, migrate_store,
    migration_plan, restore_store,
};
pub use crate::token::refusal::assertion::AssertionRefusal;
pub use crate::token::refusal::{
    CertificateFault, GrantAssertionFault, RefreshFault, Refusal, WireError,
};
pub use crate::token::throttle::lockouts::{LockedBy, Lockout};
pub use crate::trusted_issuer_check::trusted_issuer_keys;
