//! #[feign_client]: turns a trait into a remote service.
