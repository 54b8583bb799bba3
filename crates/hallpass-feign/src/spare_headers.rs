//! The maps that responses had their headers in, for the requests that come.
//!
//! hyper reads the headers of a response into the map that its request had, so the two allocations of a map serve one call after the other.

use std::cell::RefCell;

use http::HeaderMap;

/// So many a thread are kept.
const MOST_KEPT: usize = 64;
/// One with room for more headers is not kept: a response of many would take its memory for good.
const MOST_ROOM: usize = 24;

thread_local! {
    static KEPT: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty one, with room for `headers`.
pub(crate) fn take(headers: usize) -> HeaderMap {
    let kept = KEPT.try_with(|kept| kept.try_borrow_mut().ok()?.pop());
    // Where the thread ends, or there is none.
    match kept.ok().flatten() {
        Some(mut kept) => {
            kept.reserve(headers);
            kept
        }
        None => HeaderMap::with_capacity(headers),
    }
}

/// Takes one that is not needed any more. Nothing of what is in it stays.
pub(crate) fn give_back(mut headers: HeaderMap) {
    if headers.capacity() == 0 || headers.capacity() > MOST_ROOM {
        return;
    }
    headers.clear();
    let kept = KEPT.try_with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut()
            && kept.len() < MOST_KEPT
        {
            kept.push(headers);
        }
    });
    // Where the thread ends it goes with it.
    _ = kept;
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{AUTHORIZATION, SET_COOKIE};

    use super::*;

    #[test]
    fn nothing_of_one_response_is_in_the_headers_of_the_next_request_and_a_bounded_number_is_kept()
    {
        for number in 0..3 * MOST_KEPT {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from(number));
            headers.append(SET_COOKIE, HeaderValue::from_static("another"));
            headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
            give_back(headers);
        }
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
        for _ in 0..MOST_KEPT + 1 {
            let headers = take(4);
            assert!(headers.is_empty() && headers.get(SET_COOKIE).is_none());
            assert!(headers.capacity() >= 4);
        }
        assert_eq!(KEPT.with_borrow(Vec::len), 0);
    }

    #[test]
    fn a_large_one_and_one_that_holds_no_memory_are_not_kept() {
        give_back(HeaderMap::with_capacity(MOST_ROOM + 1));
        give_back(HeaderMap::new());
        assert_eq!(KEPT.with_borrow(Vec::len), 0);
    }
}
