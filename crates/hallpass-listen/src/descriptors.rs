//! How many files and connections the operating system lets this process have open at once (`ulimit -n`).

use std::num::NonZeroU64;

/// Lets this process open as many files and connections as its hard limit allows. Many systems start a service with 1,024,
/// for the sake of old programs alone, and allow hundreds of thousands to who asks; a program calls this first in `main`.
///
/// Returns how many it may open; `None` where there is no limit, or no such thing. What the system refuses stays as it was.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> Option<NonZeroU64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        // Refused where the hard limit is beyond what the kernel counts to: the soft one then holds.
        let _refused = setrlimit(Resource::Nofile, raised);
    }
    limit_now()
}

/// Lets this process open as many files and connections as its hard limit allows: nothing to be done on this system.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> Option<NonZeroU64> {
    None
}

#[cfg(unix)]
fn limit_now() -> Option<NonZeroU64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.and_then(NonZeroU64::new)
}

#[cfg(not(unix))]
fn limit_now() -> Option<NonZeroU64> {
    None
}

/// Most connections that the listeners of this process may hold.
pub(crate) fn connections_in_reach() -> usize {
    limit_now().map_or(usize::MAX, connections_of)
}

/// How many files and connections this process may have open.
pub(crate) fn in_reach() -> usize {
    let limit = limit_now().map_or(u64::MAX, NonZeroU64::get);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A quarter of the descriptors is left for what else a process opens, such as files and calls to others: connections that
/// anybody may make must not keep a rotated key or a changed configuration from being read.
fn connections_of(descriptors: NonZeroU64) -> usize {
    let descriptors = descriptors.get();
    let connections = descriptors.saturating_sub(descriptors.div_ceil(4));
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_descriptors_is_left_for_what_is_no_connection() {
        for (descriptors, connections) in [
            (1, 0),
            (64, 48),
            (1_024, 768),
            (u64::MAX, usize::MAX / 4 * 3 + 2),
        ] {
            let descriptors = NonZeroU64::new(descriptors).unwrap();
            assert_eq!(connections_of(descriptors), connections);
        }
    }
}
