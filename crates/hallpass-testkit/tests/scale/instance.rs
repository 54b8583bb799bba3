//! One process of a service: the real token service, key source and deny-list, over the simulated network.

use std::sync::Arc;
use std::time::Duration;

use hallpass::client::{AuthTokenService, ClientAuthentication, Credential, TokenHandle};
use hallpass::clock::Clock as _;
use hallpass::config::Secret;
use hallpass::resource::{KeyLimits, KeySource};
use hallpass::token::{RevocationMarks, UnixTime, UnverifiedToken, VerifyPolicy};
use hallpass::upstream::{
    HttpTransport, Network, RevocationSource, StaticDiscovery, random_below, random_fraction,
};
use hallpass_testkit::TokioClock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::counts::Counts;
use crate::shared_cache::TierOfService;

/// An instance shows a token to its callee, which verifies it, once in this time: a signature costs more than all the rest.
const SHOWN_EVERY: Duration = Duration::from_secs(60);
/// Of the calls that had to wait for a token, one in so many.
const SHOWN_OF_NEW: u64 = 10;
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What instances are made of.
#[derive(Debug)]
pub(crate) struct Makings {
    pub(crate) transport: HttpTransport,
    pub(crate) clock: TokioClock,
    pub(crate) counts: Arc<Counts>,
    pub(crate) services: usize,
    pub(crate) audiences: usize,
    pub(crate) calls_every: Duration,
}

/// A process that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    verifier: Verifier,
    handles: Vec<(usize, TokenHandle)>,
    calls_every: Duration,
    counts: Arc<Counts>,
    _tokens: AuthTokenService,
}

#[derive(Debug)]
struct Verifier {
    keys: KeySource,
    pub(crate) revoked: RevocationSource,
    policy: VerifyPolicy,
    clock: TokioClock,
}

/// Finds an instance of a service that is called.
pub(crate) trait Callees: Send + Sync + 'static {
    fn one_of(&self, service: usize) -> Option<Arc<Instance>>;
}

fn name(service: usize) -> String {
    format!("service-{service}")
}

impl Instance {
    pub(crate) fn new(
        makings: &Makings,
        service: usize,
        tier: Option<&Arc<TierOfService>>,
    ) -> Arc<Self> {
        let (transport, clock) = (makings.transport.clone(), Arc::new(makings.clock));
        let discovery = Arc::new(StaticDiscovery::new());
        let network = Network::new(transport, discovery, clock.clone());
        let url = |path: &str| {
            format!("https://issuer.example/oauth2/{path}")
                .parse()
                .unwrap()
        };
        let keys = KeySource::http(url("jwks"), &network, KeyLimits::default());
        let revoked = RevocationSource::http(url("revocations"), &network);
        let secret = Secret::from("InternalSecret123!");
        let credential = Credential::new(name(service).parse().unwrap(), secret, url("token"))
            .with_scope("internal-service".parse().unwrap())
            .with_authentication(ClientAuthentication::Post)
            .with_revocations(url("revocations"));
        let transport = network.transport.clone();
        let mut builder = AuthTokenService::builder(credential, transport).clock(clock);
        if let Some(tier) = tier {
            builder = builder.shared_cache(tier.clone());
        }
        let tokens = builder.revocations_over(&network).build();
        let callee = |number: usize| (service + 1 + number) % makings.services;
        let handle = |number: usize| {
            let audience = name(callee(number)).parse().unwrap();
            let handle = tokens.handle(&audience, &"internal-service".parse().unwrap());
            (callee(number), handle)
        };
        let issuer = "internal".parse().unwrap();
        Arc::new(Self {
            verifier: Verifier {
                keys,
                revoked,
                policy: VerifyPolicy::new(issuer, name(service).parse().unwrap()),
                clock: makings.clock,
            },
            handles: (0..makings.audiences).map(handle).collect(),
            calls_every: makings.calls_every,
            counts: Arc::clone(&makings.counts),
            _tokens: tokens,
        })
    }

    /// Calls each audience now and then, until the task is aborted.
    pub(crate) fn run(self: &Arc<Self>, callees: &Arc<impl Callees>) -> JoinHandle<()> {
        let (own, callees) = (Arc::clone(self), Arc::clone(callees));
        tokio::spawn(async move {
            own.verifier.revoked.first_list().await;
            // An issuer that is away keeps nobody from starting.
            let _ = own.verifier.keys.load().await;
            sleep(own.calls_every.mul_f64(random_fraction())).await;
            loop {
                for (callee, handle) in &own.handles {
                    own.call(*callee, handle, &callees);
                }
                own.counts.calls.add(own.handles.len() as u64);
                sleep(own.calls_every).await;
            }
        })
    }

    fn call(self: &Arc<Self>, callee: usize, handle: &TokenHandle, callees: &Arc<impl Callees>) {
        let there = handle.try_current();
        if there.is_some() && !self.shows() {
            return;
        }
        let (own, callees, handle) = (Arc::clone(self), Arc::clone(callees), handle.clone());
        tokio::spawn(async move {
            let was_there = there.is_some();
            let token = match there {
                Some(token) => token,
                None => {
                    own.counts.waited.one();
                    let start = Instant::now();
                    let token = handle.token().await;
                    own.counts.waited_for(start.elapsed());
                    match token {
                        Ok(token) => token,
                        Err(_) => return own.counts.failed.one(),
                    }
                }
            };
            if was_there || random_below(SHOWN_OF_NEW) == 0 {
                let Some(callee) = callees.one_of(callee) else {
                    return;
                };
                own.counts.shown.one();
                if !callee.verifier.takes(token.access_token().expose()).await {
                    own.counts.refused.one();
                }
            }
        });
    }

    /// By chance, for one of all calls of `SHOWN_EVERY`.
    fn shows(&self) -> bool {
        let rounds = SHOWN_EVERY.as_millis() as f64 / self.calls_every.as_millis() as f64;
        random_below((rounds * self.handles.len() as f64) as u64) == 0
    }

    /// Notes when this entry is known here, as long after `since`.
    pub(crate) fn watches(self: &Arc<Self>, marks: RevocationMarks, since: Instant) {
        let own = Arc::clone(self);
        tokio::spawn(async move {
            let (mut changes, clock) = (own.verifier.revoked.changes(), own.verifier.clock);
            while !own
                .verifier
                .revoked
                .denies(&marks, UnixTime::from(clock.now()))
            {
                if changes.next().await.is_none() {
                    return;
                }
            }
            own.counts.taint_known.lock().unwrap().push(since.elapsed());
        });
    }

    /// A token of this instance, whoever it is for.
    pub(crate) fn any_marks(&self) -> Option<RevocationMarks> {
        let mut tokens = self
            .handles
            .iter()
            .filter_map(|(_, handle)| handle.try_current());
        let token = tokens.next()?;
        let token = token.access_token().expose();
        let unverified = UnverifiedToken::parse(token, MAX_TOKEN_BYTES).ok()?;
        let claims = unverified.unverified_claims().ok()?;
        Some(RevocationMarks::of(&claims, unverified.key_id()))
    }
}

impl Verifier {
    async fn takes(&self, token: &str) -> bool {
        let Ok(token) = UnverifiedToken::parse(token, MAX_TOKEN_BYTES) else {
            return false;
        };
        let now = || UnixTime::from(self.clock.now());
        let Ok((claims, _)) = self.keys.verify(&token, &self.policy, now).await else {
            return false;
        };
        let marks = RevocationMarks::of(&claims, token.key_id());
        !self.revoked.denies(&marks, now())
    }
}

/// For what happens at once everywhere else: a moment within `span`, by chance.
pub(crate) fn within(span: Duration) -> Duration {
    span.mul_f64(random_fraction())
}
