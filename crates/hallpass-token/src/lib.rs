//! Internal access tokens: claims, keys, JWK sets, strict signing and verification, without I/O and without a clock.
