//! Proofs of possession (DPoP, RFC 9449): what one must be for, and which were shown.

use std::sync::Arc;

use axum::extract::OriginalUri;
use hallpass_clock::Clock;
use hallpass_token::{
    Algorithms, DPOP_CLOCK_AHEAD, DPOP_PROOF_LIFE, DpopError, DpopExpectation, DpopNonces,
    DpopProof, DpopUri, ReplayName, Seen, UnixTime, verify_dpop,
};
use hallpass_upstream::{
    MemoryReplays, ReplayKind, ReplayMessage, ReplayMetrics, ReplaySharing, SharedReplays,
    StoreAway,
};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::error::ProofFault;
use crate::settings::dpop::{DpopSettings, NonceSecret};

/// Proofs that are remembered at once: some 15,000 a second for as long as they count, in 40 MB.
const MAX_PROOFS: usize = 1024 * 1024;
/// The header of a proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header of a nonce.
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The algorithms of proofs, for challenges.
pub(crate) fn algorithms() -> String {
    let names: Vec<_> = Algorithms::WITH_VERIFY_ONLY
        .iter()
        .map(hallpass_token::Algorithm::as_str)
        .collect();
    names.join(" ")
}

/// What a proof must be for.
#[derive(Debug)]
pub(crate) struct ProofRules {
    /// Where callers see this service, without a slash at the end; empty: where the request says that it is.
    public_urls: Vec<Box<str>>,
    nonces: Option<DpopNonces>,
    /// Whether proofs are looked for in what the instances of the service share.
    sharing: ReplaySharing,
}

impl ProofRules {
    /// `own_secret` makes the nonces of a service that shares them with no other process.
    pub(crate) fn new(settings: &DpopSettings, own_secret: &NonceSecret) -> Self {
        let urls = settings.public_urls.iter();
        let urls = urls.map(|url| Box::from(url.as_str().trim_end_matches('/')));
        let nonces = settings.requires_nonce.then(|| {
            let shared = settings.nonce_secret.as_ref();
            DpopNonces::new(shared.unwrap_or(own_secret).bytes(), "resource")
        });
        Self {
            public_urls: urls.collect(),
            nonces,
            sharing: settings.sharing,
        }
    }

    /// The proof of a request that carries `token`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn verify(
        &self,
        request: &Parts,
        token: &str,
        now: UnixTime,
    ) -> Result<DpopProof, ProofFault> {
        let mut values = request.headers.get_all(DPOP).iter();
        let proof = values.next().ok_or(ProofFault::Missing)?;
        if values.next().is_some() {
            return Err(ProofFault::Several);
        }
        let expected = DpopExpectation {
            method: request.method.as_str(),
            uris: &self.uris(request),
            access_token: Some(token),
            algorithms: Algorithms::WITH_VERIFY_ONLY,
        };
        let proof = proof.to_str().map_err(|_| DpopError::Malformed)?;
        Ok(verify_dpop(proof, &expected, now)?)
    }

    /// Whether proofs are looked for in what the instances of the service share.
    pub(crate) const fn sharing(&self) -> ReplaySharing {
        self.sharing
    }

    /// # Errors
    /// [`ProofFault::Nonce`] where one is demanded and the proof has none that counts.
    pub(crate) fn check_nonce(&self, proof: &DpopProof, now: UnixTime) -> Result<(), ProofFault> {
        let Some(nonces) = &self.nonces else {
            return Ok(());
        };
        let is_good = |nonce: &str| nonces.accepts(nonce, now);
        match proof.nonce().is_some_and(is_good) {
            true => Ok(()),
            false => Err(ProofFault::Nonce),
        }
    }

    /// The nonce to give; `None` where none is demanded.
    pub(crate) fn nonce(&self, now: UnixTime) -> Option<HeaderValue> {
        let nonces = self.nonces.as_ref()?;
        HeaderValue::try_from(nonces.at(now)).ok()
    }

    /// The addresses that a proof may name: those of the settings with the path that the caller wrote, else the one that the
    /// request names, over TLS or not, since who ends TLS in front of this service is not known here.
    fn uris(&self, request: &Parts) -> Vec<DpopUri> {
        let original = request.extensions.get::<OriginalUri>();
        let uri = original.map_or(&request.uri, |OriginalUri(uri)| uri);
        if self.public_urls.is_empty() {
            let Some(authority) = authority(uri, &request.headers) else {
                return Vec::new();
            };
            let schemes = ["https", "http"].into_iter();
            let uris = schemes.map(|scheme| DpopUri::of_parts(scheme, authority, uri.path()));
            return uris.filter_map(Result::ok).collect();
        }
        let uris = self.public_urls.iter();
        let uris = uris.map(|base| DpopUri::parse(&format!("{base}{}", uri.path())));
        uris.filter_map(Result::ok).collect()
    }
}

/// The host that a request names; `None` when it names none, or two. What proxies add is not looked at: anybody can.
fn authority<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if hosts.next().is_some() {
        return None;
    }
    match (uri.authority(), host) {
        (Some(authority), None) => Some(authority.as_str()),
        (Some(authority), Some(host)) => Some(host).filter(|host| *host == authority.as_str()),
        (None, host) => host,
    }
}

/// The proofs that were shown to this service, as long as they count: by the memory of this process, and behind it by what its
/// instances share.
#[derive(Debug)]
pub(crate) struct ProofMemory {
    /// What its instances have in common.
    service: Box<str>,
    here: MemoryReplays,
    shared: SharedReplays,
    metrics: ProofMetrics,
}

impl ProofMemory {
    pub(crate) fn new(
        service: &str,
        shared: SharedReplays,
        metrics: ProofMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // One that comes from ahead counts for longer by so much.
        let longest_life = DPOP_PROOF_LIFE.saturating_add(DPOP_CLOCK_AHEAD);
        Self {
            service: service.into(),
            here: MemoryReplays::new(MAX_PROOFS).following(clock, longest_life),
            shared,
            metrics,
        }
    }

    /// Remembers a proof that `owner` has shown. Another service takes the same proof, as behind a gateway that checks it too.
    ///
    /// # Errors
    /// [`ProofFault::Again`] when it is known, [`ProofFault::TooMany`] when there is no room for it, [`ProofFault::StoreAway`].
    pub(crate) async fn see(
        &self,
        owner: &str,
        proof: &DpopProof,
        sharing: ReplaySharing,
        now: UnixTime,
    ) -> Result<(), ProofFault> {
        let (key, id) = (proof.thumbprint(), proof.id().as_str());
        let service = self.service.as_bytes();
        let message = ReplayMessage {
            owner,
            name: ReplayName::of(&[b"resource", service, &key.0, id.as_bytes()]),
            until: proof.issued_at().saturating_add(DPOP_PROOF_LIFE),
            now,
        };
        let found = self.here.see(&message);
        let remembered = i64::try_from(self.here.len()).unwrap_or(i64::MAX);
        self.metrics.remembered.set(remembered);
        match found {
            Seen::First => {}
            Seen::Again => return Err(ProofFault::Again),
            Seen::Full => return Err(ProofFault::TooMany),
        }
        let asked = self.shared.is_first(ReplayKind::Proof, message, sharing);
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ProofFault::Again),
            Err(StoreAway) => Err(ProofFault::StoreAway),
        }
    }
}

/// How full the memory is, and what the instances share. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProofMetrics {
    remembered: Gauge,
    pub(crate) shared: ReplayMetrics,
}

impl ProofMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_dpop_proofs_remembered",
            "Proofs of possession that are remembered, so that none counts twice",
            self.remembered.clone(),
        );
        self.shared.register(registry);
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Algorithm, DpopKey, DpopRequest};
    use http::Request;
    use url::Url;

    use super::*;

    fn rules(public_urls: &[&str]) -> ProofRules {
        let settings = DpopSettings {
            public_urls: public_urls
                .iter()
                .map(|it| Url::parse(it).unwrap())
                .collect(),
            ..DpopSettings::default()
        };
        ProofRules::new(&settings, &NonceSecret::random().unwrap())
    }

    fn uris(rules: &ProofRules, target: &str, hosts: &[&str]) -> Vec<String> {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let request = request
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example;proto=https");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let uris = rules.uris(&parts);
        uris.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_a_public_url_the_one_host_of_the_request_counts() {
        let rules = rules(&[]);
        for (target, hosts, expected) in [
            (
                "/a?b",
                &["shop:8080"][..],
                &["https://shop:8080/a", "http://shop:8080/a"][..],
            ),
            (
                "http://shop/a",
                &["shop"],
                &["https://shop/a", "http://shop/a"],
            ),
            ("http://shop/a", &[], &["https://shop/a", "http://shop/a"]),
            ("http://shop/a", &["other"], &[]),
            ("/a", &["shop", "other"], &[]),
            ("/a", &["u@shop"], &[]),
            ("/a", &[], &[]),
        ] {
            assert_eq!(uris(&rules, target, hosts), expected, "{target} {hosts:?}");
        }
    }

    #[test]
    fn with_public_urls_no_header_of_the_request_counts() {
        let rules = rules(&["https://api.example/shop/", "http://10.0.0.7:8080"]);
        let expected = ["https://api.example/shop/a", "http://10.0.0.7:8080/a"];
        for hosts in [&["evil.example"][..], &["api.example"], &[]] {
            assert_eq!(uris(&rules, "/a?b", hosts), expected);
        }
        assert_eq!(uris(&rules, "http://evil.example/a", &[]), expected);
    }

    #[test]
    fn below_a_nest_the_whole_path_counts() {
        let (mut parts, ()) = Request::get("/a").body(()).unwrap().into_parts();
        let original = OriginalUri(Uri::from_static("/api/a"));
        parts.extensions.insert(original);
        let uris = rules(&["https://api.example"]).uris(&parts);
        let uris: Vec<_> = uris.iter().map(DpopUri::as_str).collect();
        assert_eq!(uris, ["https://api.example/api/a"]);
    }

    #[tokio::test]
    async fn a_proof_that_cannot_be_remembered_does_not_count() {
        let memory = ProofMemory {
            service: "shop".into(),
            here: MemoryReplays::new(2),
            shared: SharedReplays::default(),
            metrics: ProofMetrics::default(),
        };
        let now = UnixTime::from_secs(1_700_000_000);
        let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
        let uris = [DpopUri::parse("http://shop/a").unwrap()];
        let expected = DpopExpectation {
            method: "GET",
            uris: &uris,
            access_token: None,
            algorithms: Algorithms::ALL,
        };
        let [first, second] = [(), ()].map(|()| {
            let request = DpopRequest {
                method: "GET",
                uri: &uris[0],
                access_token: None,
                nonce: None,
            };
            let proof = key.prove(&request, now).unwrap();
            verify_dpop(&proof, &expected, now).unwrap()
        });
        let see = |owner, proof| memory.see(owner, proof, ReplaySharing::OrRefuse, now);
        assert_eq!(see("order", &first).await, Ok(()));
        assert_eq!(memory.metrics.remembered.get(), 1);
        assert_eq!(see("order", &second).await, Err(ProofFault::TooMany));
        assert_eq!(see("order", &first).await, Err(ProofFault::Again));
        let another = see("billing", &second).await;
        assert_eq!(another, Ok(()), "the room of others is theirs");
    }
}
