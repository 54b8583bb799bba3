//! The maps that requests keep their extensions in, once their requests have gone out, for those that come.
//!
//! An empty one holds two allocations, which every attempt would make and give back: each has its target there.

use std::cell::RefCell;

use http::Extensions;

/// So many a thread are kept.
const MOST_KEPT: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Extensions>> = const { RefCell::new(Vec::new()) };
}

/// An empty one.
pub(crate) fn take() -> Extensions {
    let kept = KEPT.try_with(|kept| kept.try_borrow_mut().ok()?.pop());
    // Where the thread ends, or there is none.
    kept.ok().flatten().unwrap_or_default()
}

/// Takes one that is not needed any more. Nothing of what is in it stays.
pub(crate) fn give_back(mut extensions: Extensions) {
    extensions.clear();
    let kept = KEPT.try_with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut()
            && kept.len() < MOST_KEPT
        {
            kept.push(extensions);
        }
    });
    // Where the thread ends it goes with it.
    _ = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_one_request_is_in_the_extensions_of_the_next_one_and_a_bounded_number_is_kept() {
        for number in 0..3 * MOST_KEPT {
            let mut extensions = Extensions::new();
            extensions.insert(number);
            give_back(extensions);
        }
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
        for _ in 0..MOST_KEPT + 1 {
            assert!(take().is_empty());
        }
        assert_eq!(KEPT.with_borrow(Vec::len), 0);
    }
}
