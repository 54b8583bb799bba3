//! Whether the sender of a token is the one that it is bound to: the one place that decides by the members of `cnf`.

use hallpass_token::{Confirmation, TokenClaims, UnixTime};
use http::request::Parts;

use crate::bearer::Scheme;
use crate::dpop::{ProofMemory, ProofRules};
use crate::error::{Denial, ProofFault};

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
        let with = Some(With { request, rules });
        Self { scheme, with }
    }

    /// Whether all that `claims` demand of the sender of `token` is proven. A proof is used up by this.
    ///
    /// # Errors
    /// [`Denial::Proof`], or [`Denial::SenderConstrained`] for a binding that is not checked here.
    pub(crate) fn confirm(
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
            others,
        } = confirmation;
        let (Some(jkt), None, true, Some(with)) = (jkt, x5t_s256, others.is_empty(), self.with)
        else {
            return Err(Denial::SenderConstrained);
        };
        if self.scheme == Scheme::Bearer {
            return Err(ProofFault::AsBearer.into());
        }
        let proof = with.rules.verify(with.request, token, now)?;
        if proof.thumbprint() != *jkt {
            return Err(ProofFault::OtherKey.into());
        }
        with.rules.check_nonce(&proof, now)?;
        let client = claims.client_id.as_ref().map(AsRef::as_ref);
        let owner = client.unwrap_or(claims.subject.as_str());
        Ok(memory.see(owner, &proof, now)?)
    }
}
