//! The issuers whose tokens are accepted, each with its policy and its keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_clock::Clock;
use hallpass_token::{
    Audience, Issuer, JwkSet, RevocationList, RevocationMarks, UnixTime, UnverifiedToken,
    VerifyPolicy, unverified_issuer_of,
};
use hallpass_upstream::RevocationSource;

use crate::blacklist::Blacklist;
use crate::caller_mapping::CallerMapping;
use crate::error::SetupProblem;
use crate::introspection::{AskedTokens, Introspection, IntrospectionMetrics};
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
    introspection: Option<Introspection>,
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
            introspection: None,
            internal: false,
            callers: CallerMapping::default(),
        }
    }

    /// Tokens that say nothing by themselves: the issuer is asked about each, and no key verifies any. What it says is held against
    /// `policy`, whose issuer counts where a response leaves out `iss`.
    #[must_use]
    pub fn introspected(
        policy: VerifyPolicy,
        introspection: Introspection,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let no_keys = KeySource::fixed(JwkSet::new([]), clock);
        Self::with_policy(policy, no_keys).with_introspection(introspection)
    }

    /// Asks the issuer about the tokens that `introspection` is for; all others are verified by keys. Default: none is asked about.
    #[must_use]
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
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

    /// Counts what it is asked about tokens, if it is asked.
    pub(crate) fn count_questions(&self, metrics: &IntrospectionMetrics) {
        if let Some(introspection) = &self.introspection {
            introspection.attach(metrics.of_issuer(&self.name));
        }
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
    pub(crate) introspection: Option<Introspection>,
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
            introspection: issuer.introspection,
            internal: issuer.internal,
            callers: Arc::new(issuer.callers),
            purged_epoch: AtomicU64::new(0),
        }
    }

    /// Whether it is asked about tokens that are so.
    fn asks(&self, tokens: impl FnOnce(AskedTokens) -> bool) -> bool {
        let introspection = self.introspection.as_ref();
        introspection.is_some_and(|it| tokens(it.tokens()))
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
    /// What this service itself denies, whoever has issued it.
    denied: Arc<RevocationList>,
    /// Where tokens are listed that were logged out.
    blacklist: Option<Arc<Blacklist>>,
}

impl Issuers {
    /// Two entries for the same `iss` and audience are added to `problems`: nothing would tell their tokens apart. So are two that are
    /// asked about tokens which do not say whose they are.
    pub(crate) fn new(trusted: Vec<Arc<Trust>>, problems: &mut Vec<SetupProblem>) -> Self {
        let mut opaque = trusted.iter().filter(|it| it.asks(AskedTokens::has_opaque));
        if let (Some(first), Some(second)) = (opaque.next(), opaque.next()) {
            problems.push(SetupProblem::OpaqueTwice {
                first: first.name.to_string(),
                second: second.name.to_string(),
            });
        }
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
        Self {
            trusted,
            denied: Arc::default(),
            blacklist: None,
        }
    }

    /// The same; what is on `denied` is refused, whoever has issued it.
    pub(crate) fn denying(mut self, denied: Arc<RevocationList>) -> Self {
        self.denied = denied;
        self
    }

    /// The same; tokens are looked for in `blacklist`.
    pub(crate) fn asking(mut self, blacklist: Option<Blacklist>) -> Self {
        self.blacklist = blacklist.map(Arc::new);
        self
    }

    /// Where tokens of this issuer are looked for that may have been logged out; `None`: nowhere.
    pub(crate) fn blacklist_of(&self, trust: &Trust) -> Option<&Arc<Blacklist>> {
        self.blacklist.as_ref().filter(|it| it.is_for(&trust.name))
    }

    /// Whether this service itself denies a token with these marks.
    pub(crate) fn deny(&self, marks: &RevocationMarks, now: UnixTime) -> bool {
        self.denied.denies(marks, now).is_some()
    }

    /// Whose issuer is asked about a token, and where; `None` of one that is verified by keys.
    ///
    /// What is in three parts is a JWS, and never sent to an issuer that it does not name: it may be another one's, and good there.
    pub(crate) fn asked_about(&self, token: &str) -> Option<(&Arc<Trust>, &Introspection)> {
        let is_jws = token.bytes().filter(|byte| *byte == b'.').count() == 2;
        let trust = if is_jws {
            if !self.iter().any(|it| it.asks(AskedTokens::has_jwt)) {
                return None;
            }
            let issuer = unverified_issuer_of(token)?;
            let mut of_issuer = self
                .iter()
                .filter(|it| it.policy.issuer().as_str() == issuer);
            of_issuer.find(|it| it.asks(AskedTokens::has_jwt))?
        } else {
            self.iter().find(|it| it.asks(AskedTokens::has_opaque))?
        };
        Some((trust, trust.introspection.as_ref()?))
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
