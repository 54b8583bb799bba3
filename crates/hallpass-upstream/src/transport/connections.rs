//! The connections of one moment, for a request that must show a certain certificate.

use std::fmt;
use std::sync::Arc;

use hallpass_token::Thumbprint;

use super::pools::Current;

/// The connections that a transport had at one moment ([`HttpTransport::connections`](crate::HttpTransport::connections)): all show
/// the same certificate to servers that ask.
///
/// Among the extensions of a request it says over which connections of that transport the request goes, also when the transport has
/// others by then: for what is bound to a certificate (RFC 8705 section 3). Another transport takes no notice of it.
#[derive(Clone)]
pub struct Connections(Arc<Current>);

impl Connections {
    pub(super) const fn new(current: Arc<Current>) -> Self {
        Self(current)
    }

    /// The digest of the certificate that they show (`x5t#S256`); `None` where they show none.
    #[must_use]
    pub fn certificate(&self) -> Option<Thumbprint> {
        self.0.certificate
    }

    /// Whether both trust the same authorities, and show the same certificate, by the same reading of the files.
    pub(crate) fn are_of_one_time_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.config, &other.0.config)
    }

    /// These, if they are of the same transport as `current`.
    pub(super) fn in_place_of(&self, current: &Current) -> Option<&Current> {
        self.0.is_of_one_with(current).then_some(&*self.0)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}
