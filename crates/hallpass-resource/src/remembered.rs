//! What somebody else has made of a verified token, kept as long as the token is.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// One value of any type. A copy of its token remembers nothing.
#[derive(Default)]
pub(crate) struct Remembered(ArcSwapOption<Arc<dyn Any + Send + Sync>>);

impl Remembered {
    /// The value, if it is of this type and still `fits`; else the one that `make` gives, which takes its place.
    pub(crate) fn get<T: Any + Send + Sync>(
        &self,
        fits: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let known = self.0.load();
        let known = known.as_deref().map(Arc::clone);
        let known = known.and_then(|known| known.downcast::<T>().ok());
        if let Some(known) = known.filter(|known| fits(known)) {
            return known;
        }
        let new = Arc::new(make());
        let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&new) as _;
        self.0.store(Some(Arc::new(shared)));
        new
    }
}

impl Clone for Remembered {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_made_once_and_what_does_not_is_made_anew() {
        let remembered = Remembered::default();
        let get = |wanted: u32| *remembered.get(|known| *known == wanted, || wanted);
        assert_eq!([get(1), get(1), get(2), get(2)], [1, 1, 2, 2]);
        let first = remembered.get(|known| *known == 2, || 2);
        let again = remembered.get(|known| *known == 2, || 2);
        assert!(Arc::ptr_eq(&first, &again));
        // Another type is another question.
        assert_eq!(*remembered.get(|_: &&str| true, || "text"), "text");
        assert_eq!(get(2), 2);
        let copy = remembered.clone();
        assert_eq!(*copy.get(|_: &u32| true, || 3), 3);
    }
}
