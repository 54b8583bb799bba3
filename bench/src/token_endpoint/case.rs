//! What is measured, one line of the table each.

use hallpass::token::Algorithm;

/// How tokens are asked for, and what the comparison does for each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What signs.
    pub(super) algorithm: Algorithm,
    /// A user's token is exchanged: a verification comes before the signature.
    pub(super) exchange: bool,
    pub(super) tls: bool,
    /// Each request has a connection of its own.
    pub(super) fresh: bool,
    /// The least ratio of CPU time a request; none where it is reported only.
    pub(super) budget: Option<f64>,
}

const fn keep_alive(name: &'static str, algorithm: Algorithm) -> Case {
    Case {
        name,
        algorithm,
        exchange: false,
        tls: false,
        fresh: false,
        budget: Some(0.80),
    }
}

const ES256: Case = keep_alive("es256", Algorithm::Es256);

pub(super) const CASES: [Case; 7] = [
    ES256,
    keep_alive("eddsa", Algorithm::EdDsa),
    keep_alive("rs256", Algorithm::Rs256),
    Case {
        name: "exchange",
        exchange: true,
        budget: Some(0.70),
        ..ES256
    },
    Case {
        name: "tls",
        tls: true,
        budget: None,
        ..ES256
    },
    Case {
        name: "fresh",
        fresh: true,
        budget: None,
        ..ES256
    },
    Case {
        name: "tls-fresh",
        tls: true,
        fresh: true,
        budget: None,
        ..ES256
    },
];

impl Case {
    pub(super) fn named(name: &str) -> Option<Self> {
        CASES.into_iter().find(|case| case.name == name)
    }
}
