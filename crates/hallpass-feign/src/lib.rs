//! The declarative call layer behind #[feign_client]: request stack, breaker, retry, fallback.
