//! Resource server for tower and axum: key source, verification, route policy, extractors.
