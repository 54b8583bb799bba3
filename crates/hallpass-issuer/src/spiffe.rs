//! SPIFFE ids, whose one form certificates and tokens have in common.

pub(crate) use hallpass_tls::spiffe_trust_domain as trust_domain;
