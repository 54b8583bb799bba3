//! Which of our crates may name which.

/// The crates of the workspace and which others of it each may name. `*`: all. A new crate or a new edge
/// is added here in a commit of its own, with the reason, together with the table in `ARCHITECTURE.md`.
pub(super) const MAY_DEPEND_ON: [(&str, &[&str]); 27] = [
    ("hallpass-token", &[]),
    ("hallpass-clock", &[]),
    ("hallpass-config", &["hallpass-clock", "hallpass-token"]),
    ("hallpass-feign-macros", &[]),
    (
        "hallpass-upstream",
        &[
            "hallpass-clock",
            "hallpass-config",
            "hallpass-tls",
            "hallpass-token",
        ],
    ),
    ("hallpass-tls", &["hallpass-clock", "hallpass-config"]),
    ("hallpass-listen", &["hallpass-clock", "hallpass-tls"]),
    (
        "hallpass-client",
        &[
            "hallpass-clock",
            "hallpass-config",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-feign",
        &[
            "hallpass-client",
            "hallpass-clock",
            "hallpass-config",
            "hallpass-feign-macros",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-reqwest",
        &["hallpass-client", "hallpass-feign", "hallpass-upstream"],
    ),
    (
        "hallpass-resource",
        &[
            "hallpass-client",
            "hallpass-clock",
            "hallpass-config",
            "hallpass-listen",
            "hallpass-tls",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-redis",
        &[
            "hallpass-client",
            "hallpass-clock",
            "hallpass-config",
            "hallpass-tls",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-certificates",
        &[
            "hallpass-client",
            "hallpass-config",
            "hallpass-tls",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-dns",
        &["hallpass-clock", "hallpass-config", "hallpass-upstream"],
    ),
    (
        "hallpass-nacos",
        &[
            "hallpass-clock",
            "hallpass-config",
            "hallpass-tls",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-gateway",
        &[
            "hallpass-client",
            "hallpass-clock",
            "hallpass-config",
            "hallpass-listen",
            "hallpass-resource",
            "hallpass-tls",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-issuer",
        &[
            "hallpass-clock",
            "hallpass-config",
            "hallpass-listen",
            "hallpass-resource",
            "hallpass-tls",
            "hallpass-token",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass",
        &[
            "hallpass-certificates",
            "hallpass-clock",
            "hallpass-token",
            "hallpass-config",
            "hallpass-client",
            "hallpass-dns",
            "hallpass-feign",
            "hallpass-listen",
            "hallpass-nacos",
            "hallpass-redis",
            "hallpass-resource",
            "hallpass-tls",
            "hallpass-upstream",
        ],
    ),
    (
        "hallpass-cli",
        &[
            "hallpass",
            "hallpass-gateway",
            "hallpass-issuer",
            "hallpass-tls",
        ],
    ),
    ("hallpass-testkit", &["*"]),
    ("hallpass-bench", &["*"]),
    ("shop", &["hallpass"]),
    (
        "demo",
        &["hallpass", "hallpass-gateway", "hallpass-issuer", "shop"],
    ),
    ("caller", &["hallpass"]),
    ("protected", &["hallpass"]),
    ("getting-started", &["hallpass"]),
    ("other-frameworks", &["hallpass"]),
];
