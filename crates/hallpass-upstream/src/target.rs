//! Where one request goes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::{Request, Uri, uri};

use crate::discovery::Instance;

/// Where a request goes: the service that the caller means and the instance that was chosen for it.
///
/// The code that chooses an instance writes it into the request with [`Target::apply_to`]; the host guard of
/// `hallpass-client` compares it with what is about to be sent.
#[derive(Clone)]
pub struct Target {
    service: Arc<str>,
    instance: Instance,
    note: Option<Arc<dyn Any + Send + Sync>>,
}

impl Target {
    /// `instance`, chosen for a call to `service`.
    pub fn new(service: impl Into<Arc<str>>, instance: Instance) -> Self {
        Self {
            service: service.into(),
            instance,
            note: None,
        }
    }

    /// The same, with what whoever chose the instance wants to know again in a layer of its own below: one entry among the extensions of the
    /// request is cheaper than two.
    #[must_use]
    pub fn with_note(self, note: Arc<dyn Any + Send + Sync>) -> Self {
        let note = Some(note);
        Self { note, ..self }
    }

    /// What was [noted](Self::with_note), if it is of this type.
    #[must_use]
    pub fn note<T: Any>(&self) -> Option<&T> {
        self.note.as_ref()?.downcast_ref()
    }

    /// The service that the caller means.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The chosen instance.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Points `request` at the instance (path and query stay) and notes the target in its extensions.
    ///
    /// # Errors
    /// The request's path cannot stand in a URI with a host (it is empty of a leading slash, or `*`). The request has lost it then.
    pub fn apply_to<B>(self, request: &mut Request<B>) -> Result<(), http::Error> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.instance.scheme().clone());
        parts.authority = Some(self.instance.authority().clone());
        let root = || uri::PathAndQuery::from_static("/");
        parts.path_and_query.get_or_insert_with(root);
        *request.uri_mut() = Uri::from_parts(parts)?;
        request.extensions_mut().insert(self);
        Ok(())
    }
}

/// What was noted is no part of where a request goes.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        (&self.service, &self.instance) == (&other.service, &other.instance)
    }
}

impl Eq for Target {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("service", &self.service)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
