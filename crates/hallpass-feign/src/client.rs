//! What every generated `FeignX` holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;

use crate::answer::Reading;
use crate::method_stack::MethodStack;
use crate::metrics::FeignMetrics;
use crate::observer::Observer;
use crate::ongoing_call::OngoingCall;
use crate::spec::{ClientSpec, MethodSpec};

/// One client, ready to call. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<ClientInner>,
}

/// What a client is made of; see `ClientBuilder`.
pub(crate) struct ClientInner {
    pub(crate) spec: &'static ClientSpec,
    pub(crate) methods: Vec<Method>,
    pub(crate) base_path: String,
    pub(crate) max_answer_bytes: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: FeignMetrics,
    pub(crate) observers: Arc<[Observer]>,
}

/// One method of a client with all that was decided when the client was built.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) deadline: Duration,
    pub(crate) stack: MethodStack,
}

impl Client {
    pub(crate) fn new(inner: ClientInner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.inner.spec.name
    }

    pub(crate) fn method(&self, index: usize) -> Option<&Method> {
        self.inner.methods.get(index)
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.inner.base_path
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    pub(crate) fn metrics(&self) -> &FeignMetrics {
        &self.inner.metrics
    }

    pub(crate) fn observers(&self) -> &[Observer] {
        &self.inner.observers
    }

    /// A call of one of its methods, which begins now.
    pub(crate) fn begin_call(&self, method: &Method, reading: Reading) -> OngoingCall {
        OngoingCall::new(
            method.deadline,
            method.spec.idempotent,
            reading,
            self.inner.max_answer_bytes,
        )
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.inner.spec;
        f.debug_struct("Client")
            .field("trait", &spec.trait_name)
            .field("name", &spec.name)
            .finish_non_exhaustive()
    }
}
