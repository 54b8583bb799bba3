//! What the guard tells the service of its connection.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::fault::Fault;

/// Shared by the guard, which sees bytes before hyper does, and by the service, which is called by hyper once for each head.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The number of the first request with a fault, from one; 0: none.
    first_bad: AtomicU64,
    /// The place of its fault among all.
    fault: AtomicU8,
    /// Requests that hyper has read.
    called: AtomicU64,
    is_http_over: AtomicBool,
}

impl Noted {
    pub(super) fn note(&self, number: u64, fault: Fault) {
        let place = Fault::ALL.iter().position(|one| *one == fault);
        let place = place.and_then(|place| u8::try_from(place).ok());
        self.fault
            .store(place.unwrap_or(u8::MAX), Ordering::Relaxed);
        self.first_bad.store(number, Ordering::Release);
    }

    /// To be asked once for each request, in their order: the fault for which it must not be served.
    ///
    /// A request behind one with a fault has it too, and so has one after HTTP is over: there should be none.
    pub(crate) fn next_request(&self) -> Option<Fault> {
        let number = self
            .called
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if self.is_http_over() {
            return Some(Fault::Unclear);
        }
        let first_bad = self.first_bad.load(Ordering::Acquire);
        if first_bad == 0 || number < first_bad {
            return None;
        }
        let place = usize::from(self.fault.load(Ordering::Relaxed));
        Some(Fault::ALL.get(place).copied().unwrap_or(Fault::Unclear))
    }

    /// The connection speaks something else from now on, which nobody here reads.
    pub(crate) fn http_is_over(&self) {
        self.is_http_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_http_over(&self) -> bool {
        self.is_http_over.load(Ordering::Relaxed)
    }
}
