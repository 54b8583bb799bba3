//! Which key a client has proven to hold (DPoP, RFC 9449 section 5): its tokens are then bound to that key.

use std::sync::Arc;

use hallpass_token::{
    Algorithms, Confirmation, DPOP_CLOCK_AHEAD, DPOP_PROOF_LIFE, DpopExpectation, DpopNonces,
    DpopProof, DpopUri, ReplayName, Seen, Thumbprint, UnixTime, verify_dpop,
};
use hallpass_upstream::{MemoryReplays, ReplayKind, StoreAway};
use http::HeaderValue;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::clients::registry::Client;
use crate::error::Error;
use crate::http::public_urls::{PublicUrls, TOKEN_PATH};
use crate::refresh::family::Holder;
use crate::replays::{Replays, Used};
use crate::settings::dpop::DpopSettings;
use crate::token::refusal::Refusal;
use crate::token::shown::Shown;

/// Proofs that are remembered at once: some 7,000 a second for as long as they count. A client has half of them at most.
const MAX_PROOFS: usize = 512 * 1024;

/// What is known of the key that a request was made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Possession {
    /// By a proof that came with the request.
    pub(crate) dpop: Option<Thumbprint>,
    /// By the handshake of the connection: the certificate that it shows.
    pub(crate) certificate: Option<Thumbprint>,
    /// Whether what is issued is bound to that certificate.
    pub(crate) binds_certificate: bool,
}

impl Possession {
    /// What a token says of it.
    pub(crate) fn confirmation(self) -> Option<Confirmation> {
        let Holder { key, certificate } = self.binds();
        let is_bound = key.is_some() || certificate.is_some();
        is_bound.then(|| Confirmation {
            jkt: key,
            x5t_s256: certificate,
            ..Confirmation::default()
        })
    }

    /// The same, over the connection that the request came by (RFC 8705 section 3).
    ///
    /// # Errors
    /// [`Refusal::MissingCertificate`] where the registration demands one.
    pub(crate) fn over_connection(
        self,
        client: &Client,
        shown: Shown<'_>,
    ) -> Result<Self, Refusal> {
        let certificate = shown.thumbprint();
        if client.is_certificate_bound && certificate.is_none() {
            return Err(Refusal::MissingCertificate);
        }
        Ok(Self {
            certificate,
            binds_certificate: client.is_certificate_bound,
            ..self
        })
    }

    /// The same, for what follows from something that is bound to the certificate (`stays`): it is bound to it too, however the client
    /// is registered.
    pub(crate) const fn staying_bound(self, stays: bool) -> Self {
        Self {
            binds_certificate: self.binds_certificate || stays,
            ..self
        }
    }

    /// All of it.
    pub(crate) const fn shown(self) -> Holder {
        Holder {
            key: self.dpop,
            certificate: self.certificate,
        }
    }

    /// What is issued is bound to that.
    pub(crate) fn binds(self) -> Holder {
        Holder {
            key: self.dpop,
            certificate: self.certificate.filter(|_| self.binds_certificate),
        }
    }

    /// `token_type` of the response (RFC 9449 section 5).
    pub(crate) const fn token_type(self) -> &'static str {
        match self.dpop {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }

    /// Whether the holder of a token that says this has made the request.
    pub(crate) fn proves(self, confirmation: &Confirmation) -> bool {
        let Confirmation {
            jkt,
            x5t_s256,
            others: _,
        } = confirmation;
        // What demands something else, or nothing that can be told, is proven by nothing.
        confirmation.is_known()
            && jkt.is_none_or(|key| self.dpop == Some(key))
            && x5t_s256.is_none_or(|certificate| self.certificate == Some(certificate))
    }
}

/// Checks the proofs of one issuer.
pub(crate) struct Proofs {
    /// The token endpoint as clients may call it.
    uris: Vec<DpopUri>,
    nonces: Option<DpopNonces>,
    here: MemoryReplays,
    everywhere: Arc<Replays>,
    remembered: Gauge,
}

impl Proofs {
    /// `secret` is what issuers share that take each other's nonces.
    ///
    /// # Errors
    /// [`Error::IssuerName`] for an address that no proof could name.
    pub(crate) fn new(
        settings: &DpopSettings,
        urls: &PublicUrls,
        secret: &[u8],
        everywhere: &Arc<Replays>,
    ) -> Result<Self, Error> {
        let further = settings.further_base_urls.iter();
        let further =
            further.map(|url| format!("{}{TOKEN_PATH}", url.as_str().trim_end_matches('/')));
        let endpoints = std::iter::once(urls.endpoint(TOKEN_PATH)).chain(further);
        let uris: Result<_, _> = endpoints.map(|url| DpopUri::parse(&url)).collect();
        let uris = uris.map_err(|_| Error::IssuerName {
            name: urls.issuer.to_string(),
            problem: "an address of its token endpoint is none that a proof of possession can name",
        })?;
        Ok(Self {
            uris,
            nonces: settings
                .requires_nonce
                .then(|| DpopNonces::new(secret, "issuer")),
            here: everywhere.memory(MAX_PROOFS, DPOP_PROOF_LIFE.saturating_add(DPOP_CLOCK_AHEAD)),
            everywhere: Arc::clone(everywhere),
            remembered: Gauge::default(),
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "dpop_proofs_remembered",
            "Proofs of possession that are remembered, so that none counts twice",
            self.remembered.clone(),
        );
    }

    /// What the instances of the issuer share.
    pub(crate) fn everywhere(&self) -> &Replays {
        &self.everywhere
    }

    /// The nonce to give with each response; `None` where none is demanded.
    pub(crate) fn nonce(&self, now: UnixTime) -> Option<HeaderValue> {
        let nonces = self.nonces.as_ref()?;
        HeaderValue::try_from(nonces.at(now)).ok()
    }

    /// What `client`, which has authenticated, proves with its request. A proof counts once.
    ///
    /// # Errors
    /// [`Refusal::MissingDpopProof`] where its registration demands one, and what is wrong with the one that came.
    pub(crate) async fn of(
        &self,
        client: &Client,
        proof: Option<&str>,
        now: UnixTime,
    ) -> Result<Possession, Refusal> {
        let Some(proof) = proof else {
            return match client.is_dpop_bound {
                true => Err(Refusal::MissingDpopProof),
                false => Ok(Possession::default()),
            };
        };
        let expected = DpopExpectation {
            method: "POST",
            uris: &self.uris,
            access_token: None,
            algorithms: match client.profile {
                Some(profile) => profile.algorithms(),
                None => Algorithms::WITH_VERIFY_ONLY,
            },
        };
        let proof = verify_dpop(proof, &expected, now).map_err(Refusal::BadDpopProof)?;
        if let Some(nonces) = &self.nonces {
            // Not remembered when it lacks one: its client makes another, and nobody can use this one.
            let nonce = proof.nonce();
            if !nonce.is_some_and(|nonce| nonces.accepts(nonce, now)) {
                return Err(Refusal::UseDpopNonce);
            }
        }
        self.remember(client.id.as_str(), &proof, now).await?;
        Ok(Possession {
            dpop: Some(proof.thumbprint()),
            ..Possession::default()
        })
    }

    async fn remember(
        &self,
        client: &str,
        proof: &DpopProof,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let (key, id) = (proof.thumbprint(), proof.id().as_str().as_bytes());
        let used = Used {
            name: ReplayName::of(&[b"proof", &key.0, id]),
            until: proof.issued_at().saturating_add(DPOP_PROOF_LIFE),
        };
        let found = used.see(&self.here, client, now);
        let remembered = i64::try_from(self.here.len()).unwrap_or(i64::MAX);
        self.remembered.set(remembered);
        match found {
            Seen::First => {}
            Seen::Again => return Err(Refusal::ReplayedDpopProof),
            Seen::Full => return Err(Refusal::TooManyDpopProofs),
        }
        let asked = self
            .everywhere
            .is_first(ReplayKind::Proof, client, used, now);
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::ReplayedDpopProof),
            Err(StoreAway) => Err(Refusal::ReplayStoreAway),
        }
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proofs")
            .field("uris", &self.uris)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Algorithm, DpopKey, DpopRequest};

    use super::*;

    const KEY: Thumbprint = Thumbprint([7; 32]);

    #[test]
    fn a_confirmation_is_proven_by_all_that_it_demands_and_by_nothing_else() {
        let bound = |jkt, x5t_s256, other: bool| {
            let mut confirmation = Confirmation {
                jkt,
                x5t_s256,
                ..Confirmation::default()
            };
            if other {
                confirmation.others.insert("kid".into(), "k".into());
            }
            confirmation
        };
        let holder = Possession {
            dpop: Some(KEY),
            ..Possession::default()
        };
        assert!(holder.proves(&bound(Some(KEY), None, false)));
        for confirmation in [
            bound(None, None, false),
            bound(None, None, true),
            bound(Some(Thumbprint([8; 32])), None, false),
            bound(Some(KEY), Some(KEY), false),
            bound(None, Some(KEY), false),
            bound(Some(KEY), None, true),
        ] {
            assert!(!holder.proves(&confirmation), "{confirmation:?}");
            assert!(!Possession::default().proves(&confirmation));
        }
        assert!(!Possession::default().proves(&bound(Some(KEY), None, false)));
    }

    #[test]
    fn a_certificate_is_proven_by_the_connection_and_stands_in_tokens_that_are_to_be_bound_to_it() {
        let bound = |jkt, x5t_s256| Confirmation {
            jkt,
            x5t_s256,
            ..Confirmation::default()
        };
        let other = Thumbprint([8; 32]);
        let shown = Possession {
            certificate: Some(KEY),
            ..Possession::default()
        };
        assert!(shown.proves(&bound(None, Some(KEY))));
        assert!(!shown.proves(&bound(None, Some(other))));
        assert!(
            !shown.proves(&bound(Some(KEY), None)),
            "another kind of key"
        );
        assert!(
            !shown.proves(&bound(Some(KEY), Some(KEY))),
            "both are demanded"
        );
        assert!(!Possession::default().proves(&bound(None, Some(KEY))));
        assert_eq!(shown.confirmation(), None, "only where it is registered");
        let both = Possession {
            dpop: Some(other),
            binds_certificate: true,
            ..shown
        };
        assert!(both.proves(&bound(Some(other), Some(KEY))));
        assert!(both.proves(&bound(Some(other), None)), "more is no less");
        assert!(both.proves(&bound(None, Some(KEY))));
        let mut unknown = bound(None, Some(KEY));
        unknown.others.insert("kid".into(), "k".into());
        assert!(!both.proves(&unknown));
        assert_eq!(both.confirmation(), Some(bound(Some(other), Some(KEY))));
        assert_eq!(both.token_type(), "DPoP");
        let certificate = Possession { dpop: None, ..both };
        assert_eq!(certificate.confirmation(), Some(bound(None, Some(KEY))));
        assert_eq!(certificate.token_type(), "Bearer", "RFC 8705 has no type");
    }

    #[tokio::test]
    async fn a_proof_that_there_is_no_room_for_brings_no_token() {
        let now = UnixTime::from_secs(1_700_000_000);
        let proofs = Proofs {
            uris: vec![DpopUri::parse("http://issuer/oauth2/token").unwrap()],
            nonces: None,
            here: MemoryReplays::new(2),
            everywhere: Arc::new(Replays::for_tests()),
            remembered: Gauge::default(),
        };
        let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
        let [first, second] = [(), ()].map(|()| {
            let request = DpopRequest {
                method: "POST",
                uri: &proofs.uris[0],
                access_token: None,
                nonce: None,
            };
            let expected = DpopExpectation {
                method: "POST",
                uris: &proofs.uris,
                access_token: None,
                algorithms: Algorithms::ALL,
            };
            let proof = key.prove(&request, now).unwrap();
            verify_dpop(&proof, &expected, now).unwrap()
        });
        let remember = |client, proof| proofs.remember(client, proof, now);
        assert_eq!(remember("a", &first).await, Ok(()));
        assert_eq!(
            remember("a", &second).await,
            Err(Refusal::TooManyDpopProofs)
        );
        assert_eq!(remember("b", &first).await, Err(Refusal::ReplayedDpopProof));
        assert_eq!(
            remember("b", &second).await,
            Ok(()),
            "the room of others is theirs"
        );
    }
}
