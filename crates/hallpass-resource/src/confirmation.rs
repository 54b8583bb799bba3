//! Whether the sender of a token is the one that it is bound to: the one place that decides by the members of `cnf`.

use hallpass_tls::{PeerCertificates, UnverifiedPeerCertificates};
use hallpass_token::{Confirmation, Thumbprint, TokenClaims, UnixTime};
use http::request::Parts;

use crate::bearer::Scheme;
use crate::dpop::{ProofMemory, ProofRules};
use crate::error::{Denial, ProofFault};
use crate::peer::Peer;

/// How a token was shown. Asked for with each token, verified anew or not, so that no cache stands for a proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'r> {
    scheme: Scheme,
    with: Option<With<'r>>,
}

/// What came with a token.
#[derive(Clone, Copy, Debug)]
struct With<'r> {
    request: &'r Parts,
    rules: &'r ProofRules,
    /// SHA-256 of the certificate that the proxy of a mesh has checked, which is believed.
    of_mesh: Option<[u8; 32]>,
}

impl<'r> Shown<'r> {
    /// By itself: nothing proves whose it is.
    pub(crate) const fn alone() -> Self {
        Self {
            scheme: Scheme::Bearer,
            with: None,
        }
    }

    /// In the `Authorization` header of `request`.
    pub(crate) const fn in_request(
        scheme: Scheme,
        request: &'r Parts,
        rules: &'r ProofRules,
    ) -> Self {
        let with = Some(With {
            request,
            rules,
            of_mesh: None,
        });
        Self { scheme, with }
    }

    /// The same, by this peer.
    pub(crate) fn by(mut self, peer: Option<&Peer>) -> Self {
        if let (Some(with), Some(Peer::Mesh(identity))) = (&mut self.with, peer) {
            with.of_mesh = identity.sha256();
        }
        self
    }

    /// Whether all that `claims` demand of the sender of `token` is proven. A proof is used up by this.
    ///
    /// # Errors
    /// [`Denial::Proof`], or [`Denial::SenderConstrained`] for a binding that is not checked here.
    pub(crate) async fn confirm(
        &self,
        claims: &TokenClaims,
        token: &str,
        memory: &ProofMemory,
        now: UnixTime,
    ) -> Result<(), Denial> {
        let Some(confirmation) = &claims.confirmation else {
            return match self.scheme {
                Scheme::Bearer => Ok(()),
                Scheme::Dpop => Err(ProofFault::NotBound.into()),
            };
        };
        // Every member must be proven, so each is named: one that is not known may demand anything.
        let Confirmation {
            jkt,
            x5t_s256,
            others: _,
        } = confirmation;
        let Some(with) = self.with.filter(|_| confirmation.is_known()) else {
            return Err(Denial::SenderConstrained);
        };
        if let Some(certificate) = x5t_s256 {
            with.check_certificate(certificate)?;
        }
        let jkt = match (jkt, self.scheme) {
            (Some(jkt), Scheme::Dpop) => jkt,
            (Some(_), Scheme::Bearer) => return Err(ProofFault::AsBearer.into()),
            (None, Scheme::Dpop) => return Err(ProofFault::NotBound.into()),
            (None, Scheme::Bearer) => return Ok(()),
        };
        let proof = with.rules.verify(with.request, token, now)?;
        if proof.thumbprint() != *jkt {
            return Err(ProofFault::OtherKey.into());
        }
        with.rules.check_nonce(&proof, now)?;
        let client = claims.client_id.as_ref().map(AsRef::as_ref);
        let owner = client.unwrap_or(claims.subject.as_str());
        let sharing = with.rules.sharing();
        Ok(memory.see(owner, &proof, sharing, now).await?)
    }
}

impl With<'_> {
    /// Whether the connection of the request shows the certificate (RFC 8705 section 3), or that to the proxy of a mesh did. Who has made it does not matter: the
    /// issuer has seen this very one.
    fn check_certificate(self, demanded: &Thumbprint) -> Result<(), ProofFault> {
        let extensions = &self.request.extensions;
        let verified = extensions.get().map(PeerCertificates::sha256);
        let unverified = || extensions.get().map(UnverifiedPeerCertificates::sha256);
        match verified.or_else(unverified).or(self.of_mesh) {
            Some(shown) if shown == demanded.0 => Ok(()),
            Some(_) => Err(ProofFault::OtherCertificate),
            None => Err(ProofFault::NoCertificate),
        }
    }
}
