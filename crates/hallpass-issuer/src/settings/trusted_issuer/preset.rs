//! Issuers that are known by name: `preset` of a trusted issuer.

use std::path::PathBuf;
use std::time::Duration;

use hallpass_resource::{CallerMapping, IssuerPreset, Mark};
use hallpass_token::{Algorithm, Algorithms};

/// What is known of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// A product that users log in at.
    Product(IssuerPreset),
    /// A cluster: tokens of its service accounts.
    Kubernetes,
    /// A trust domain: JWT-SVIDs.
    Spiffe,
    /// GitHub Actions.
    Github,
    /// AWS: outbound identity federation.
    Aws,
}

/// All that `preset` takes.
pub(super) const NAMES: &[&str] = &[
    "hallpass",
    "spring",
    "keycloak",
    "entra",
    "auth0",
    "okta",
    "kubernetes",
    "spiffe",
    "github",
    "aws",
];

/// What a pod finds of its cluster.
const OF_POD: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Preset {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "kubernetes" => Some(Self::Kubernetes),
            "spiffe" => Some(Self::Spiffe),
            "github" => Some(Self::Github),
            "aws" => Some(Self::Aws),
            name => IssuerPreset::named(name).map(Self::Product),
        }
    }

    /// Whether it writes tokens as this issuer does.
    pub(super) fn is_ours(self) -> bool {
        self == Self::Product(IssuerPreset::Hallpass)
    }

    /// Its `iss`, where all have the same.
    pub(super) const fn issuer(self) -> Option<&'static str> {
        match self {
            Self::Kubernetes => Some("https://kubernetes.default.svc.cluster.local"),
            Self::Github => Some("https://token.actions.githubusercontent.com"),
            Self::Product(_) | Self::Spiffe | Self::Aws => None,
        }
    }

    /// Where its keys are, where that is not what its name says.
    pub(super) const fn jwks_url(self) -> Option<&'static str> {
        match self {
            Self::Kubernetes => Some("https://kubernetes.default.svc/openid/v1/jwks"),
            _ => None,
        }
    }

    /// What a pod proves itself with to its cluster.
    pub(super) fn bearer_file(self) -> Option<PathBuf> {
        matches!(self, Self::Kubernetes).then(|| format!("{OF_POD}/token").into())
    }

    /// Whom a pod trusts as its cluster.
    pub(super) fn ca_file(self) -> Option<PathBuf> {
        matches!(self, Self::Kubernetes).then(|| format!("{OF_POD}/ca.crt").into())
    }

    pub(super) fn algorithms(self) -> Algorithms {
        use Algorithm::{Es256, Es384, Ps256, Rs256};
        match self {
            Self::Product(_) => Algorithms::ALL,
            Self::Kubernetes => [Rs256, Es256, Es384].into_iter().collect(),
            Self::Spiffe => [Rs256, Es256, Es384, Ps256].into_iter().collect(),
            Self::Github => Rs256.into(),
            Self::Aws => [Es384, Rs256].into_iter().collect(),
        }
    }

    /// How old its tokens may be. Those that are used again by design must have an age.
    pub(super) const fn max_age(self) -> Option<Duration> {
        match self {
            Self::Kubernetes | Self::Spiffe => Some(Duration::from_secs(3_600)),
            Self::Product(_) | Self::Github | Self::Aws => None,
        }
    }

    /// Whether a token of it is shown many times until it ends.
    pub(super) const fn is_used_again(self) -> bool {
        matches!(self, Self::Kubernetes | Self::Spiffe)
    }

    pub(super) fn callers(self) -> CallerMapping {
        match self {
            Self::Product(product) => product.into(),
            Self::Kubernetes => workloads("sub=system:serviceaccount:*"),
            Self::Spiffe => workloads("sub=spiffe://*"),
            // What its subjects look like is for each organisation to say.
            Self::Github => workloads("sub"),
            Self::Aws => workloads("sub=arn:*"),
        }
    }
}

/// Each subject of this form is a service, which no other client stands for.
fn workloads(mark: &str) -> CallerMapping {
    CallerMapping::default()
        .with_client_claims(["sub"])
        .with_service_marks(mark.parse::<Mark>())
        .with_user_marks([])
}
