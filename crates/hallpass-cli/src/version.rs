//! What `hallpass --version` says; the build script brings the commit and the features.

/// Version, commit and features, a line each. The first line is all that `-V` says.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit   ",
    env!("HALLPASS_COMMIT"),
    "\nfeatures ",
    env!("HALLPASS_FEATURES"),
);
