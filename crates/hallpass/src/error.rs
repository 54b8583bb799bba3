//! Why a service cannot work with its settings.

#[cfg(feature = "certificates")]
use hallpass_certificates::CertificateError;
use hallpass_client::TokenSettingsError;
#[cfg(feature = "dns")]
use hallpass_dns::DnsError;
#[cfg(feature = "feign")]
use hallpass_feign::BuildError;
#[cfg(feature = "redis")]
use hallpass_redis::RedisError;
#[cfg(feature = "resource")]
use hallpass_resource::SetupError;
use hallpass_tls::TlsError;
use hallpass_upstream::TransportError;

/// Why [`Hallpass`](crate::Hallpass) cannot be made from the settings, or cannot take them while it runs. Nothing was
/// sent, opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP transport cannot be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A file of a TLS section cannot be used.
    #[error("{key}: {source}")]
    Tls {
        /// The path of the section below the prefix.
        key: &'static str,
        /// Which file, and what is wrong with it.
        source: TlsError,
    },
    /// There is no certificate as `certificates` says.
    #[cfg(feature = "certificates")]
    #[error("certificates: {0}")]
    Certificates(#[from] CertificateError),
    /// `certificates` needs `internal-token`, which says as which client the authority is asked.
    #[cfg(feature = "certificates")]
    #[error(
        "`certificates` needs `internal-token`: it says as which client the authority is asked"
    )]
    NoClient,
    /// The settings name a certificate that the service gets by itself, and it was put together in a way that gets none.
    #[cfg(feature = "certificates")]
    #[error(
        "`certificates` is there: such a service begins with `Hallpass::start`, or with `start` of its builder"
    )]
    NotStarted,
    /// The token service cannot work as `internal-token` says.
    #[error(transparent)]
    InternalToken(#[from] TokenSettingsError),
    /// The shared tier of the token cache cannot work as `redis` says.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// Services cannot be found as `discovery.dns` says.
    #[cfg(feature = "dns")]
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// Spans cannot be exported as `telemetry.otlp` says.
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Otlp(#[from] crate::otlp::OutsideRuntime),
    /// A client cannot work as `feign` says.
    #[cfg(feature = "feign")]
    #[error(transparent)]
    Feign(#[from] BuildError),
    /// A resource server cannot work as `security` says.
    #[cfg(feature = "resource")]
    #[error(transparent)]
    Security(#[from] SetupError),
    /// A value has changed that a running service cannot change: other settings were made from it.
    #[error("`{key}` has changed: it needs a restart")]
    NeedsRestart {
        /// Its path below the prefix.
        key: &'static str,
    },
}
