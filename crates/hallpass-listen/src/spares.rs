//! Descriptors that are held for when the system has no more to give.

use std::io;

/// Copies of a descriptor that is open anyway. Each is a place for a connection that must be served whatever else takes all others.
#[derive(Debug)]
pub(crate) struct Spares {
    #[cfg(unix)]
    held: Vec<std::os::fd::OwnedFd>,
    wanted: usize,
}

impl Spares {
    /// So many, as far as the system gives them.
    pub(crate) fn new(wanted: usize) -> Self {
        let mut spares = Self {
            #[cfg(unix)]
            held: Vec::with_capacity(wanted),
            wanted,
        };
        spares.fill();
        spares
    }

    /// Gets those again that were given up.
    #[cfg(unix)]
    pub(crate) fn fill(&mut self) {
        use std::os::fd::AsFd as _;
        while self.held.len() < self.wanted {
            let Ok(spare) = io::stderr().as_fd().try_clone_to_owned() else {
                return;
            };
            self.held.push(spare);
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn fill(&mut self) {
        let _none = self.wanted;
    }

    /// Whether one was given up, so that what has failed with `error` can be tried again at once.
    #[cfg(unix)]
    pub(crate) fn give_up_for(&mut self, error: &io::Error) -> bool {
        use rustix::io::Errno;
        let is_full = [Errno::MFILE, Errno::NFILE]
            .map(Errno::raw_os_error)
            .contains(&error.raw_os_error().unwrap_or_default());
        is_full && self.held.pop().is_some()
    }

    #[cfg(not(unix))]
    pub(crate) fn give_up_for(&mut self, _: &io::Error) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_up_once_and_had_again() {
        let mut spares = Spares::new(2);
        let full = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(!spares.give_up_for(&io::Error::other("another")));
        assert!(spares.give_up_for(&full) && spares.give_up_for(&full));
        assert!(!spares.give_up_for(&full), "none is left");
        spares.fill();
        assert!(spares.give_up_for(&full));
    }
}
