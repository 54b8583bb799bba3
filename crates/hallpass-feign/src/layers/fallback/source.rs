//! Where the fallback of a call comes from.

use std::fmt;
use std::sync::Arc;

use crate::error::FeignError;

/// What answers when the service cannot: one value for all calls, or one that a factory makes for each, of the cause.
pub enum Fallback<B> {
    /// For all calls.
    Shared(B),
    /// Made for each call.
    Made(Factory<B>),
}

type Factory<B> = Arc<dyn Fn(&FeignError) -> B + Send + Sync>;

impl<B> Fallback<B> {
    /// One that `factory` makes for each call that needs it.
    pub fn made_by(factory: impl Fn(&FeignError) -> B + Send + Sync + 'static) -> Self {
        Self::Made(Arc::new(factory))
    }
}

impl<B: Clone> Fallback<B> {
    /// The one for a call that failed because of `cause`.
    #[must_use]
    pub fn because_of(&self, cause: &FeignError) -> B {
        match self {
            Self::Shared(fallback) => fallback.clone(),
            Self::Made(factory) => factory(cause),
        }
    }
}

impl<B: Clone> Clone for Fallback<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Shared(fallback) => Self::Shared(fallback.clone()),
            Self::Made(factory) => Self::Made(Arc::clone(factory)),
        }
    }
}

impl<B> fmt::Debug for Fallback<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared",
            Self::Made(_) => "Made",
        })
    }
}
