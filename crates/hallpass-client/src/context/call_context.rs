//! What a request brings along for the calls that are made for it.

use hallpass_token::SecurityContext;
use hallpass_upstream::TraceContext;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::carried::Carried;

/// All that belongs to the current work beside its data: for whom it is done, with which headers, in which trace, and until when.
///
/// [`current`](super::current) reads the identity alone; this is the whole, which [`spawn`](super::spawn), [`JoinSet`](super::JoinSet) and the
/// other helpers of this module carry on. Cheap to clone. An empty one (`CallContext::default()`) is that of work that belongs to no request.
///
/// What is of the **user** ([`identity`](Self::identity), [`carried`](Self::carried)) and what is of the **work** ([`trace`](Self::trace),
/// [`deadline`](Self::deadline)) part where the user changes: [`scope`](super::scope) takes the second along and leaves all of the first behind.
///
/// ```
/// use hallpass_client::context::{CallContext, current, scope_all};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // What a server does for each request, when it serves it without the layer of the resource server.
/// let end = tokio::time::Instant::now() + std::time::Duration::from_secs(2);
/// let context = CallContext::default().with_deadline(end);
/// scope_all(context, async move {
///     assert_eq!(CallContext::current().deadline(), Some(end));
///     assert!(current().is_none(), "nobody has proven who calls");
/// })
/// .await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    pub(super) identity: Option<SecurityContext>,
    carried: Carried,
    trace: Option<TraceContext>,
    deadline: Option<Instant>,
}

impl CallContext {
    /// For whom the work is done; `None` for nobody. Expiry is not checked here.
    #[must_use]
    pub const fn identity(&self) -> Option<&SecurityContext> {
        self.identity.as_ref()
    }

    /// The headers that travel beside the identity. They prove nothing.
    #[must_use]
    pub const fn carried(&self) -> &Carried {
        &self.carried
    }

    /// The span of the current work in its trace; `None` where nobody has begun one.
    #[must_use]
    pub const fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// When whoever waits for this work stops waiting; `None`: not known. Calls that are made for it end by then too.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The same, for `identity`; `None` for nobody. What else is of the user stays: who hands the work to another user takes
    /// [`for_another`](Self::for_another).
    #[must_use]
    pub fn with_identity(self, identity: impl Into<Option<SecurityContext>>) -> Self {
        Self {
            identity: identity.into(),
            ..self
        }
    }

    /// The same, with these headers in place of the ones before. What is not on the list of allowed headers
    /// ([`AllowList`](super::AllowList)) is found by code and never leaves.
    #[must_use]
    pub fn with_carried(self, carried: Carried) -> Self {
        Self { carried, ..self }
    }

    /// The same, with this header too, in place of one of its name.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        let carried = self.carried.with(name, value);
        self.with_carried(carried)
    }

    /// The same, as this span of a trace.
    #[must_use]
    pub fn with_trace(self, trace: impl Into<Option<TraceContext>>) -> Self {
        Self {
            trace: trace.into(),
            ..self
        }
    }

    /// The same, with this end.
    #[must_use]
    pub fn with_deadline(self, deadline: impl Into<Option<Instant>>) -> Self {
        Self {
            deadline: deadline.into(),
            ..self
        }
    }

    /// The same work for another user, or for nobody: nothing of the user before is in it.
    #[must_use]
    pub fn for_another(self, identity: impl Into<Option<SecurityContext>>) -> Self {
        Self {
            identity: identity.into(),
            carried: Carried::default(),
            ..self
        }
    }

    /// What is left for work that outlives the request: its trace.
    pub(super) fn detached(self) -> Self {
        Self::default().with_trace(self.trace)
    }

    /// Whether there is nothing in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.identity.is_none()
            && self.carried.is_empty()
            && self.trace.is_none()
            && self.deadline.is_none()
    }
}
