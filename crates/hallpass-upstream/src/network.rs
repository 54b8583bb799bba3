//! Connections, addresses and time for outgoing calls, in one value.

use std::sync::Arc;

use hallpass_clock::{Clock, SystemClock};

use crate::discovery::Discover;
use crate::transport::{HttpTransport, TransportError};

/// What every part of a service that calls others needs: connections, the addresses of services, and time.
///
/// Make one for a process and pass it to each part (token service, resource server, clients), so that they share
/// connections and find services alike. Cheap to clone; clones share everything.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// let discovery = StaticDiscovery::new().with("order-service", ["127.0.0.1:8080".parse()?]);
/// let network = Network::system(Arc::new(discovery))?;
/// # let _ = network;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// Sends requests.
    pub transport: HttpTransport,
    /// Finds the instances of `lb://` services.
    pub discovery: Arc<dyn Discover>,
    /// The time by which tokens, keys and circuit breakers age. Timers (deadlines, waits) are tokio's.
    pub clock: Arc<dyn Clock>,
}

impl Network {
    /// With a transport of your own (a private certificate authority), a discovery, and a clock (one that a test drives).
    #[must_use]
    pub fn new(
        transport: HttpTransport,
        discovery: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            transport,
            discovery,
            clock,
        }
    }

    /// With the defaults of [`HttpTransport`] and the operating system's clock. Opens no connection.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn system(discovery: Arc<dyn Discover>) -> Result<Self, TransportError> {
        let transport = HttpTransport::new()?;
        Ok(Self::new(
            transport,
            discovery,
            Arc::new(SystemClock::new()),
        ))
    }
}
