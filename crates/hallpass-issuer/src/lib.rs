//! service-auth: issues short-lived internal JWTs and publishes their keys.
