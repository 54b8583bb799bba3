//! What every generated `FeignX` holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;

use crate::answer::Reading;
use crate::facts::Facts;
use crate::metrics::FeignMetrics;
use crate::observer::Observer;
use crate::service::Service;
use crate::spec::{ClientSpec, MethodSpec};
use crate::transport::Transport;

/// One client, ready to call. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    parts: Arc<Parts>,
}

/// What a client is made of; see `ClientBuilder`.
pub(crate) struct Parts {
    pub(crate) spec: &'static ClientSpec,
    pub(crate) service: Arc<Service>,
    pub(crate) methods: Vec<Method>,
    pub(crate) base_path: String,
    pub(crate) max_attempts: u32,
    pub(crate) max_answer_bytes: usize,
    pub(crate) isolate: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: FeignMetrics,
    pub(crate) observers: Arc<[Observer]>,
}

/// One method of a client with all that was decided when the client was built.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) deadline: Duration,
    pub(crate) transport: Transport,
}

impl Client {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.parts.spec.name
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.parts.service
    }

    pub(crate) fn method(&self, index: usize) -> Option<&Method> {
        self.parts.methods.get(index)
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.parts.base_path
    }

    pub(crate) fn max_attempts(&self) -> u32 {
        self.parts.max_attempts
    }

    pub(crate) fn isolates(&self) -> bool {
        self.parts.isolate
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    pub(crate) fn metrics(&self) -> &FeignMetrics {
        &self.parts.metrics
    }

    pub(crate) fn observers(&self) -> &[Observer] {
        &self.parts.observers
    }

    /// What the layers of one call share.
    pub(crate) fn facts(&self, method: &Method, reading: Reading) -> Facts {
        Facts::new(
            method.deadline,
            method.spec.idempotent,
            reading,
            self.parts.max_answer_bytes,
        )
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.parts.spec;
        f.debug_struct("Client")
            .field("trait", &spec.trait_name)
            .field("name", &spec.name)
            .finish_non_exhaustive()
    }
}
