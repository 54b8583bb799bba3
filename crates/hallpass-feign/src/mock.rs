//! What a generated `MockX` keeps for each method.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::FeignError;

/// What a method without a closure returns. A function, so that no lint sees a conversion in the user's code.
pub fn mock_unset<E: From<FeignError>>(method: &'static str) -> E {
    E::from(FeignError::MockUnset { method })
}

/// One method of a mock: its closure, and how often it was called. Clones share both.
pub struct MockMethod<F: ?Sized> {
    answer: Option<Arc<F>>,
    calls: Arc<AtomicUsize>,
}

impl<F: ?Sized> MockMethod<F> {
    /// Sets the closure that answers.
    pub fn answer_by(&mut self, answer: Arc<F>) {
        self.answer = Some(answer);
    }

    /// Counts a call and gives the closure, if there is one.
    pub fn call(&self) -> Option<&F> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.answer.as_deref()
    }

    /// How often [`MockMethod::call`] was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl<F: ?Sized> Default for MockMethod<F> {
    fn default() -> Self {
        Self {
            answer: None,
            calls: Arc::default(),
        }
    }
}

impl<F: ?Sized> Clone for MockMethod<F> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            calls: Arc::clone(&self.calls),
        }
    }
}

impl<F: ?Sized> fmt::Debug for MockMethod<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockMethod")
            .field("answers", &self.answer.is_some())
            .field("calls", &self.calls())
            .finish()
    }
}
