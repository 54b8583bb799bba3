//! The memory in which requests are kept for a second attempt that nearly none of them makes.

use std::cell::RefCell;

use hallpass_upstream::{Body, SpareRequest};
use http::Request;

/// So many places a thread are kept.
const MOST_KEPT: usize = 64;

/// Where one request can stand. In a box, since it is large, and the future that it is a part of is moved.
type Place = Box<Option<SpareRequest>>;

thread_local! {
    static KEPT: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// What a request is made of once more. It takes no allocation where an earlier one has left its place.
pub(super) struct Spare(Option<Place>);

impl Spare {
    /// `None` for a body that is sent once.
    pub(super) fn of(request: &Request<Body>) -> Option<Self> {
        let kept = KEPT.try_with(|kept| kept.try_borrow_mut().ok()?.pop());
        // Where the thread ends, or there is none.
        let mut place = kept.ok().flatten().unwrap_or_default();
        *place = SpareRequest::of(request);
        let spare = Self(Some(place));
        spare.is_there().then_some(spare)
    }

    fn is_there(&self) -> bool {
        self.0.as_ref().is_some_and(|place| place.is_some())
    }

    /// The request; always there.
    pub(super) fn into_request(mut self) -> Option<Request<Body>> {
        let spare = self.0.as_mut()?.take()?;
        Some(spare.into_request())
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else {
            return;
        };
        // Nothing of it stays.
        *place = None;
        let kept = KEPT.try_with(|kept| {
            if let Ok(mut kept) = kept.try_borrow_mut()
                && kept.len() < MOST_KEPT
            {
                kept.push(place);
            }
        });
        // Where the thread ends it goes with it.
        _ = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> Request<Body> {
        Request::get(format!("/{number}"))
            .body(Body::empty())
            .unwrap()
    }

    #[test]
    fn a_place_serves_one_request_after_the_other_and_a_bounded_number_is_kept() {
        let spares: Vec<_> = (0..2 * MOST_KEPT)
            .map(|number| Spare::of(&request(number)).unwrap())
            .collect();
        for (number, spare) in spares.into_iter().enumerate() {
            let again = spare.into_request().unwrap();
            assert_eq!(again.uri(), request(number).uri());
        }
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
        assert!(KEPT.with_borrow(|kept| kept.iter().all(|place| place.is_none())));
        let streamed = request(1).map(Body::wrap);
        assert!(Spare::of(&streamed).is_none());
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
        let one = Spare::of(&request(1)).unwrap();
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT - 1);
        drop(one);
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
    }
}
