//! The error of a fallback on its way past the layers, which know [`FeignError`]s alone.

use std::any::Any;
use std::sync::{Mutex, PoisonError};

use crate::error::FeignError;

/// Keeps the error of a fallback where it is of a type of the user's own. Locked for an instruction, by one task.
pub(super) struct OwnError<E>(Mutex<Option<E>>);

impl<E> Default for OwnError<E> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<E: Send + 'static> OwnError<E> {
    /// Gives the error back if it is a [`FeignError`], which metrics and spans then name; keeps it else.
    pub(super) fn keep(&self, error: E) -> Option<FeignError> {
        let mut error = Some(error);
        if let Some(error) = (&mut error as &mut dyn Any).downcast_mut::<Option<FeignError>>() {
            return error.take();
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
        None
    }

    /// What was kept.
    pub(super) fn taken(self) -> Option<E> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
