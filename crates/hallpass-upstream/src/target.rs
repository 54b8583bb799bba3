//! Where one request goes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::{Request, Uri, uri};

use crate::discovery::Instance;
use crate::upstream::Destination;

/// Where a request goes: the service that the caller means and the instance that was chosen for it.
///
/// The code that chooses an instance writes it into the request with [`Target::apply_to`]; the host guard of
/// `hallpass-client` compares it with what is about to be sent. Clones share what they say.
#[derive(Clone)]
pub struct Target(Arc<dyn Directed>);

/// Whoever knows where a request goes, and perhaps more: a [`Target`] is a reference to it.
pub trait Directed: Any + Send + Sync {
    /// Where.
    fn destination(&self) -> &Destination;
}

impl Directed for Destination {
    fn destination(&self) -> &Destination {
        self
    }
}

impl Target {
    /// `instance`, chosen for a call to `service`.
    pub fn new(service: impl Into<Arc<str>>, instance: Instance) -> Self {
        Self(Arc::new(Destination::new(service, instance)))
    }

    /// Where `directed` says. Whoever wants to know more of it in a layer of its own below finds it [there](Self::directed): one entry among the
    /// extensions of the request is cheaper than two.
    pub fn of(directed: Arc<impl Directed>) -> Self {
        Self(directed)
    }

    /// What it was made [of](Self::of), if that is of this type.
    #[must_use]
    pub fn directed<T: Directed>(&self) -> Option<&T> {
        let directed: &dyn Any = &*self.0;
        directed.downcast_ref()
    }

    /// The service that the caller means.
    #[must_use]
    pub fn service(&self) -> &str {
        self.destination().service()
    }

    /// The chosen instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        self.destination().instance()
    }

    fn destination(&self) -> &Destination {
        self.0.destination()
    }

    /// Points `request` at the instance (path and query stay) and notes the target in its extensions.
    ///
    /// # Errors
    /// The request's path cannot stand in a URI with a host (it is empty of a leading slash, or `*`). The request has lost it then.
    pub fn apply_to<B>(self, request: &mut Request<B>) -> Result<(), http::Error> {
        let instance = self.instance();
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(instance.scheme().clone());
        parts.authority = Some(instance.authority().clone());
        let root = || uri::PathAndQuery::from_static("/");
        parts.path_and_query.get_or_insert_with(root);
        *request.uri_mut() = Uri::from_parts(parts)?;
        request.extensions_mut().insert(self);
        Ok(())
    }
}

/// What else is known of it is no part of where a request goes.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.destination() == other.destination()
    }
}

impl Eq for Target {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("service", &self.service())
            .field("instance", self.instance())
            .finish()
    }
}
