//! The issuers whose tokens are accepted, each with its policy and its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_token::{Audience, Issuer, UnverifiedToken, VerifyPolicy};
use hallpass_upstream::RevocationSource;

use crate::caller_mapping::CallerMapping;
use crate::error::SetupProblem;
use crate::key_source::{KeySnapshot, KeySource};

/// An issuer whose tokens are accepted, what they must say, and the keys that they must be signed with.
///
/// Keys and policy belong together: a key of one issuer never verifies a token of another.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_resource::{KeySource, TrustedIssuer};
/// use hallpass_token::JwkSet;
///
/// let keys = KeySource::fixed(JwkSet::new([]), Arc::new(SystemClock::new()));
/// let services = TrustedIssuer::new("internal".parse()?, "order-service".parse()?, keys.clone()).internal();
/// // Its users may call, but its services open no internal-only route.
/// let users = TrustedIssuer::new("https://login.example".parse()?, "order-service".parse()?, keys).named("login");
/// assert_eq!(users.name(), "login");
/// # let _ = services;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    name: String,
    policy: VerifyPolicy,
    keys: KeySource,
    revocations: Option<RevocationSource>,
    internal: bool,
    callers: CallerMapping,
}

impl TrustedIssuer {
    /// Tokens of `issuer` (`iss`, compared byte for byte) for `audience`, signed with one of `keys`.
    ///
    /// Defaults: every algorithm of `Algorithms::ALL`, `typ` must be `at+jwt`, clocks may be 10 s apart, not internal,
    /// services and users told apart as by `IssuerPreset::Hallpass`, and the issuer's own name in metrics.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Audience, keys: KeySource) -> Self {
        Self::with_policy(VerifyPolicy::new(issuer, audience), keys)
    }

    /// The same with a policy of one's own: further audiences, algorithms, leeway, untyped tokens. The longest token
    /// that is looked at is a setting of the server, whatever the policy says.
    #[must_use]
    pub fn with_policy(policy: VerifyPolicy, keys: KeySource) -> Self {
        Self {
            name: policy.issuer().to_string(),
            policy,
            keys,
            revocations: None,
            internal: false,
            callers: CallerMapping::default(),
        }
    }

    /// Tells services from users in another way: an [`IssuerPreset`](crate::IssuerPreset), or a mapping of one's own.
    #[must_use]
    pub fn with_callers(mut self, callers: impl Into<CallerMapping>) -> Self {
        self.callers = callers.into();
        self
    }

    /// Refuses tokens that are on this deny-list of the issuer. Default: none.
    #[must_use]
    pub fn with_revocations(mut self, revocations: RevocationSource) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// The name of the issuer in metrics and in the audit event.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Marks the issuer as the estate's own: only services of such an issuer pass
    /// [`Rule::InternalOnly`](crate::Rule::InternalOnly).
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Its name in metrics and in the audit event.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its tokens must say.
    #[must_use]
    pub fn verify_policy(&self) -> &VerifyPolicy {
        &self.policy
    }

    /// Its deny-list, if it is followed.
    #[must_use]
    pub fn revocations(&self) -> Option<&RevocationSource> {
        self.revocations.as_ref()
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &KeySource {
        &self.keys
    }
}

/// A trusted issuer at work.
///
/// What was verified for one is good for that very one only, not for a later one with the same name: so after a
/// change of policy nothing that was verified under the old policy is used.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) name: Arc<str>,
    pub(crate) policy: VerifyPolicy,
    pub(crate) keys: KeySource,
    pub(crate) revocations: Option<RevocationSource>,
    pub(crate) internal: bool,
    pub(crate) callers: Arc<CallerMapping>,
    /// The last epoch of its keys that the cache was purged for.
    purged_epoch: AtomicU64,
}

impl Trust {
    /// The length of tokens is limited by the server, whatever the policy says.
    pub(crate) fn new(issuer: TrustedIssuer) -> Self {
        let policy = issuer
            .policy
            .with_max_token_bytes(usize::MAX)
            .with_subject_claims(issuer.callers.subject_claims());
        Self {
            name: issuer.name.into(),
            policy,
            keys: issuer.keys,
            revocations: issuer.revocations,
            internal: issuer.internal,
            callers: Arc::new(issuer.callers),
            purged_epoch: AtomicU64::new(0),
        }
    }

    /// Whether keys have left since the last call, so that tokens verified by them must be forgotten.
    ///
    /// `Relaxed` will do: of several callers at once, more than one may be told so, and to forget twice costs time
    /// only. It is read before it is written, since this happens on every call.
    pub(crate) fn keys_left(&self, snapshot: &KeySnapshot) -> bool {
        let epoch = snapshot.epoch();
        let changed = self.purged_epoch.load(Ordering::Relaxed) != epoch;
        if changed {
            self.purged_epoch.store(epoch, Ordering::Relaxed);
        }
        changed
    }
}

/// The issuers that are trusted at one moment. Never changes; a change of settings makes a new one, which shares with
/// it what stays.
#[derive(Clone, Debug)]
pub(crate) struct Issuers {
    trusted: Vec<Arc<Trust>>,
}

impl Issuers {
    /// Two entries for the same `iss` and audience are added to `problems`: nothing would tell their tokens apart.
    pub(crate) fn new(trusted: Vec<Arc<Trust>>, problems: &mut Vec<SetupProblem>) -> Self {
        for (index, trust) in trusted.iter().enumerate() {
            if trusted
                .iter()
                .take(index)
                .any(|it| are_alike(&it.policy, &trust.policy))
            {
                problems.push(SetupProblem::IssuerTwice {
                    issuer: trust.policy.issuer().to_string(),
                });
            }
        }
        Self { trusted }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Trust>> {
        self.trusted.iter()
    }

    /// The entry that a token is judged by, chosen by what it claims: by `iss`, and among several entries of one issuer
    /// by `aud`. Where two of these fit, one that is not internal goes first, so that a token for both does not open
    /// more than it must.
    pub(crate) fn find(&self, token: &UnverifiedToken<'_>) -> Option<&Arc<Trust>> {
        let claimed = token.unverified_issuer()?;
        let of_issuer = || {
            self.iter()
                .filter(|it| it.policy.issuer().as_str() == claimed)
        };
        let first = of_issuer().next()?;
        if of_issuer().nth(1).is_none() {
            return Some(first);
        }
        let audiences = token.unverified_audiences();
        let fits = |trust: &&Arc<Trust>| {
            let mine = trust.policy.audiences();
            mine.iter().any(|it| audiences.contains(it))
        };
        // When none fits, any of them says so.
        of_issuer()
            .filter(fits)
            .min_by_key(|trust| trust.internal)
            .or(Some(first))
    }

    /// Whether an issuer of this name is among them.
    pub(crate) fn contains_name(&self, name: &str) -> bool {
        self.iter().any(|it| *it.name == *name)
    }

    /// Whether this very issuer is still trusted.
    pub(crate) fn contains(&self, trust: &Arc<Trust>) -> bool {
        self.iter().any(|it| Arc::ptr_eq(it, trust))
    }
}

/// Whether a token could be for both.
fn are_alike(one: &VerifyPolicy, other: &VerifyPolicy) -> bool {
    let audiences = other.audiences();
    one.issuer() == other.issuer() && one.audiences().iter().any(|it| audiences.contains(it))
}
