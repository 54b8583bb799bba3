//! Certificates, private keys and authorities of both directions.
//!
//! What it promises:
//! * **Both directions read the same kinds of files by the same rules**: PEM, one certificate chain, one private key, a
//!   bundle of authorities. An error names the file and says what to do.
//! * **What changes on disk is used without a restart**, for new connections; what cannot be used changes nothing, is logged
//!   and counted. See [`ServerTls`] and [`ClientTls`].
//! * **No part of a key stands in a log, an error or a `Debug` text.**
//! * **One provider**, aws-lc-rs, named where it is used: nothing is installed for the process, nothing is left to features.
//! * When certificates end is a metric: [`TlsMetrics`].
//! * **A certificate counts for no longer than it is good and its authority is trusted**, also where its connection lasts longer: [`Caller`].
//! * What a caller has shown is told apart by type: from an authority that is trusted ([`PeerCertificates`]), or from anybody
//!   ([`UnverifiedPeerCertificates`]).
//! * **Of a request for a certificate (PKCS#10) its key counts**, once its sender has proven to have the private one, and nothing
//!   else of it: [`SigningRequest`].
//! * What the proxy of a mesh says of a caller ([`PeerIdentity`]) is read strictly or not at all; which proxy is believed is for others to decide.
//!
//! What it does not do: sockets (`hallpass-listen` accepts, `hallpass-upstream` connects), keystores (PKCS#12, JKS),
//! encrypted keys, revocation, certificates by ACME.
//!
//! ```no_run
//! use std::sync::Arc;
//! use hallpass_clock::SystemClock;
//! use hallpass_tls::{ClientAuth, KeyPairSettings, ServerTls, ServerTlsSettings, TlsMetrics};
//!
//! let settings = ServerTlsSettings {
//!     key_pair: KeyPairSettings {
//!         certificate_file: "/etc/tls/tls.crt".into(),
//!         private_key_file: "/etc/tls/tls.key".into(),
//!     },
//!     client_auth: ClientAuth::None,
//! };
//! let tls = ServerTls::load(&settings, Arc::new(SystemClock::new()), &TlsMetrics::default())?;
//! // Then `hallpass_listen::HttpServer::tls(tls)`.
//! # Ok::<(), hallpass_tls::TlsError>(())
//! ```

mod any_certificate;
mod caller;
mod caller_authorities;
mod client;
mod csr;
mod der;
mod error;
mod examination;
mod files;
mod followed;
mod key_pair;
mod mesh;
mod metrics;
mod names;
mod peer;
mod pem;
mod server;
mod settings;
mod spiffe;
#[cfg(any(test, feature = "test-util"))]
mod test_authority;
#[cfg(test)]
mod test_rig;
mod validity;

pub use caller::Caller;
pub use caller_authorities::CallerAuthorities;
pub use client::ClientTls;
pub use csr::{CsrFault, RequestedKey, SigningRequest};
pub use error::TlsError;
pub use examination::{CertificateSpan, examine_authorities, examine_key_pair};
pub use mesh::{MeshFault, PeerIdentity, read_client_id, read_xfcc};
pub use metrics::TlsMetrics;
pub use names::{
    CertificateName, DistinguishedName, InvalidDistinguishedName, has_spiffe_id_among_uris,
};
pub use peer::{CallerNow, PeerCertificates, ShownCertificates, UnverifiedPeerCertificates};
pub use server::{Listening, ServerTls};
pub use settings::{
    ClientAuth, ClientTlsSettings, IssuedFiles, KeyPairSettings, ServerTlsSettings,
};
pub use spiffe::{InvalidSpiffeId, SpiffeId, spiffe_trust_domain};
#[cfg(any(test, feature = "test-util"))]
pub use test_authority::{TestAuthority, TestCertificate};
