//! Discovery that survives its source.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_core::future::BoxFuture;

use super::{Discover, DiscoverError, Instances};

/// Most services remembered; further ones are looked up but not remembered.
pub const MAX_REMEMBERED_SERVICES: usize = 4096;

/// Keeps the last instances that were found for each service, and answers with them while the source
/// fails or says that there are none.
///
/// Calls to instances that are really gone fail with a connection error, which the caller's retry and
/// breaker handle; calls to those that live go on. That is why a source that answers "none" is treated
/// like one that is down. Remembered instances have no end.
#[derive(Clone, Debug)]
pub struct LastKnown {
    source: Arc<dyn Discover>,
    remembered: Arc<RwLock<HashMap<Box<str>, Instances>>>,
}

impl LastKnown {
    /// Remembers the answers of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn Discover>) -> Self {
        Self {
            source,
            remembered: Arc::default(),
        }
    }

    async fn look_up(&self, service: &str) -> Result<Instances, DiscoverError> {
        match self.source.instances(service).await {
            Ok(instances) if !instances.is_empty() => {
                self.remember(service, &instances);
                Ok(instances)
            }
            Ok(_) => self
                .recall(service)
                .ok_or_else(|| DiscoverError::no_instance(service)),
            Err(error) => self.recall(service).ok_or(error),
        }
    }

    fn recall(&self, service: &str) -> Option<Instances> {
        let remembered = self
            .remembered
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        remembered.get(service).cloned()
    }

    fn remember(&self, service: &str, instances: &Instances) {
        if self
            .recall(service)
            .is_some_and(|known| Arc::ptr_eq(&known, instances) || known == *instances)
        {
            return;
        }
        let mut remembered = self
            .remembered
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() < MAX_REMEMBERED_SERVICES || remembered.contains_key(service) {
            remembered.insert(service.into(), Arc::clone(instances));
        }
    }
}

impl Discover for LastKnown {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        Box::pin(self.look_up(service))
    }
}
