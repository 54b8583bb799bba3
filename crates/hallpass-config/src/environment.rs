//! The environment of the process, for programs that are configured by it alone.
