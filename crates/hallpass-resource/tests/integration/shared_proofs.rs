//! Proofs of possession among several instances, which share what was shown to them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hallpass_clock::{Clock as _, ManualClock};
use hallpass_resource::{
    DpopSettings, KeySource, ResourceServer, Rule, SecuritySettings, TrustedIssuer,
};
use hallpass_token::{Algorithm, Confirmation, DpopKey, DpopRequest, DpopUri, UnixTime};
use hallpass_upstream::{
    MemoryReplays, ReplayMessage, ReplaySharing, ReplayStore, ReplayStoreError,
};
use http::Request;

use crate::support::app::network;
use crate::support::{Forge, test_clock};

struct Estate {
    clock: Arc<ManualClock>,
    forge: Forge,
    key: DpopKey,
    token: String,
}

impl Estate {
    fn new() -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let key = DpopKey::generate(Algorithm::Es256).unwrap();
        let mut claims = forge.claims("alice", "orders");
        claims.confirmation = Some(Confirmation {
            jkt: Some(key.thumbprint()),
            ..Confirmation::default()
        });
        let token = forge.sign(&claims);
        Self {
            clock,
            forge,
            key,
            token,
        }
    }

    /// An instance of this service, whose tokens are for `shop`.
    fn instance(
        &self,
        service: &str,
        store: &Arc<dyn ReplayStore>,
        sharing: ReplaySharing,
    ) -> ResourceServer {
        let keys = KeySource::fixed(self.forge.keys(), self.clock.clone());
        let issuer = TrustedIssuer::new("internal".parse().unwrap(), "shop".parse().unwrap(), keys);
        let mut settings = SecuritySettings::default();
        settings.internal_jwt.dpop = DpopSettings {
            sharing,
            ..DpopSettings::default()
        };
        let network = network(&self.clock).with_replay_store(Arc::clone(store));
        ResourceServer::from_settings(&settings, service, &network)
            .issuer(issuer)
            .route_any("/whoami", Rule::Authenticated)
            .build()
            .unwrap()
    }

    fn proof(&self) -> String {
        let request = DpopRequest {
            method: "GET",
            uri: &DpopUri::parse("http://shop/whoami").unwrap(),
            access_token: Some(&self.token),
            nonce: None,
        };
        let now = UnixTime::from(self.clock.now());
        self.key.prove(&request, now).unwrap()
    }

    /// The status of a refusal; `None`: it passes.
    async fn show(&self, server: &ResourceServer, proof: &str) -> Option<u16> {
        let request = Request::get("/whoami")
            .header("host", "shop")
            .header("authorization", format!("DPoP {}", self.token))
            .header("dpop", proof);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let refused = server.authorize(&parts).await.err();
        refused.map(|it| it.into_response().status().as_u16())
    }
}

#[tokio::test]
async fn a_proof_counts_once_for_all_instances_of_a_service_and_once_for_each_service() {
    let estate = Estate::new();
    let store: Arc<dyn ReplayStore> = Arc::new(MemoryReplays::new(100));
    let shared = ReplaySharing::default();
    let [one, two] = [(), ()].map(|()| estate.instance("shop", &store, shared));
    let other = estate.instance("edge", &store, shared);
    let alone = estate.instance("shop", &store, ReplaySharing::Off);
    let proof = estate.proof();
    assert_eq!(estate.show(&one, &proof).await, None);
    assert_eq!(estate.show(&two, &proof).await, Some(401));
    assert_eq!(estate.show(&one, &proof).await, Some(401));
    // Behind a gateway that has checked it.
    assert_eq!(estate.show(&other, &proof).await, None);
    assert_eq!(estate.show(&alone, &proof).await, None);
    assert_eq!(estate.show(&alone, &proof).await, Some(401));
}

#[tokio::test]
async fn while_nobody_can_be_asked_a_proof_counts_once_here_or_not_at_all() {
    let estate = Estate::new();
    let store: Arc<dyn ReplayStore> = Arc::new(Away);
    let own = estate.instance("shop", &store, ReplaySharing::OrOwnMemory);
    let proof = estate.proof();
    assert_eq!(estate.show(&own, &proof).await, None);
    assert_eq!(estate.show(&own, &proof).await, Some(401));
    let strict = estate.instance("shop", &store, ReplaySharing::OrRefuse);
    assert_eq!(estate.show(&strict, &estate.proof()).await, Some(503));
}

/// A store that cannot be asked.
#[derive(Debug)]
struct Away;

impl ReplayStore for Away {
    fn is_first<'a>(
        &'a self,
        _message: ReplayMessage<'a>,
    ) -> BoxFuture<'a, Result<bool, ReplayStoreError>> {
        Box::pin(async { Err(ReplayStoreError::new(std::fmt::Error)) })
    }
}
