//! What others have written into a store, as far as it must be read again.

/// Equal values: nothing was written meanwhile. What the values are is the database's own matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Keys, clients and certificate authorities.
    pub(crate) registry: String,
    /// What is revoked.
    pub(crate) revocations: String,
}
