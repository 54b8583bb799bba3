//! Who asks for tokens, where, and how.

pub(crate) mod assertion_file;
pub(crate) mod cache_life;
pub(crate) mod request;
pub(crate) mod secret_source;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_config::Secret;
use hallpass_token::{
    AssertionSigner, Audience, ClientAssertion, ClientId, KeyError, KeyId, Scope, UnixTime,
};
use hallpass_upstream::{BoxError, EndpointUrl};
use http::HeaderValue;
use url::form_urlencoded;

use cache_life::CacheLife;
use request::{AssertionType, ClientAuthentication, TargetParameter};
use secret_source::{SecretForm, SecretSource};

use crate::prover::TokenBinding;

/// How long a signed JWT is good: each is for one request.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// A client registered with an issuer, and how long its tokens are used.
///
/// ```
/// use hallpass_client::{ClientAuthentication, Credential};
/// use hallpass_config::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let credential = Credential::new(
///     "order-service".parse()?,
///     Secret::from("InternalSecret123!"),
///     "lb://service-auth/oauth2/token".parse()?,
/// )
/// .with_scope("internal-service".parse()?)
/// .with_authentication(ClientAuthentication::Post);
/// assert!(!format!("{credential:?}").contains("Secret123"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Credential {
    pub(crate) client_id: ClientId,
    pub(crate) client_secret: Secret,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) signing: Option<Signing>,
    pub(crate) assertion_type: AssertionType,
    /// What its tokens are sealed with in shared tiers, in place of the secret that it does not have.
    pub(crate) cache_secret: Option<Secret>,
    pub(crate) endpoint: EndpointUrl,
    pub(crate) issuer: Box<str>,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<Audience>,
    pub(crate) life: CacheLife,
    pub(crate) authentication: ClientAuthentication,
    pub(crate) target: TargetParameter,
    pub(crate) binding: TokenBinding,
    pub(crate) revocations: Option<EndpointUrl>,
}

/// What a client signs with its private key, which stands in place of its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signing {
    /// The name of the key; `None`: its thumbprint.
    pub(crate) key_id: Option<KeyId>,
    /// To whom it is addressed.
    pub(crate) audience: Box<str>,
    /// Whether its `typ` is `JWT`, and not the explicit one.
    pub(crate) has_plain_type: bool,
}

impl Credential {
    /// A client and its token endpoint; all else as the methods below say.
    #[must_use]
    pub fn new(client_id: ClientId, client_secret: Secret, endpoint: EndpointUrl) -> Self {
        Self {
            client_id,
            client_secret,
            secret_file: None,
            signing: None,
            assertion_type: AssertionType::default(),
            cache_secret: None,
            issuer: endpoint.to_string().into(),
            endpoint,
            scope: Scope::empty(),
            audience: None,
            life: CacheLife::DEFAULT,
            authentication: ClientAuthentication::default(),
            target: TargetParameter::default(),
            binding: TokenBinding::None,
            revocations: None,
        }
    }

    /// A client that signs a JWT for each request with `private_key` (`private_key_jwt`, RFC 7523 section 2.2), and its token
    /// endpoint. `audience` is the issuer identifier of the authorization server. The key is P-256, Ed25519 or RSA, in
    /// PEM, not encrypted.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn signing(
        client_id: ClientId,
        private_key: Secret,
        endpoint: EndpointUrl,
        audience: &str,
    ) -> Result<Self, KeyError> {
        AssertionSigner::from_pem(private_key.expose())?;
        Ok(Self::signing_unchecked(
            client_id,
            private_key,
            endpoint,
            audience,
        ))
    }

    /// [`signing`](Self::signing) with a key that was looked at before; with another, each request fails.
    pub(crate) fn signing_unchecked(
        client_id: ClientId,
        private_key: Secret,
        endpoint: EndpointUrl,
        audience: &str,
    ) -> Self {
        let mut credential = Self::new(client_id, private_key, endpoint);
        credential.authentication = ClientAuthentication::PrivateKeyJwt;
        credential.signing = Some(Signing {
            key_id: None,
            audience: audience.into(),
            has_plain_type: false,
        });
        credential
    }

    /// A client that shows a token of another issuer (RFC 7523 section 2.2), such as that of its service account in Kubernetes, and its
    /// token endpoint: it has no secret. `file` holds the token; it is read again before each token request, so whoever renews it,
    /// such as the kubelet, need tell nobody. What cannot be read, is no JWT or has ended is not sent: the last good one is used until its
    /// own end, and after that token requests fail ([`TokenError::ClientAssertion`](crate::TokenError::ClientAssertion)).
    ///
    /// Its tokens stay in the memory of the process, since the instances of a service have no secret in common that could seal them
    /// elsewhere; [`with_cache_secret`](Self::with_cache_secret) gives them one.
    #[must_use]
    pub fn federated(
        client_id: ClientId,
        file: impl Into<PathBuf>,
        assertion_type: AssertionType,
        endpoint: EndpointUrl,
    ) -> Self {
        let mut credential = Self::new(client_id, Secret::new(""), endpoint);
        credential.authentication = ClientAuthentication::FederatedJwt;
        credential.assertion_type = assertion_type;
        credential.with_secret_file(file)
    }

    /// What the tokens of a [`federated`](Self::federated) client are sealed with in shared tiers of the cache: the same in all
    /// instances of the service, and known to nobody else. Whoever knows it and reaches the tier has those tokens, until they end; it is no
    /// way to get others. Default: none, and no tier gets them. It has no effect on other clients.
    #[must_use]
    pub fn with_cache_secret(mut self, secret: Secret) -> Self {
        if self.authentication == ClientAuthentication::FederatedJwt {
            self.cache_secret = Some(secret);
        }
        self
    }

    /// A client that the certificate of its connections names (`tls_client_auth` and `self_signed_tls_client_auth`, RFC 8705
    /// section 2), and its token endpoint: the transport has the certificate. Its tokens stay in the memory of the process,
    /// since other processes of such a client know no secret in common.
    #[must_use]
    pub fn with_certificate_of_connection(client_id: ClientId, endpoint: EndpointUrl) -> Self {
        let mut credential = Self::new(client_id, seal_of_this_process(), endpoint);
        credential.authentication = ClientAuthentication::Certificate;
        credential
    }

    /// The name of the private key at the issuer (`kid`), for a client that signs; default: the thumbprint of the key (RFC
    /// 7638).
    #[must_use]
    pub fn with_key_id(mut self, key_id: KeyId) -> Self {
        if let Some(signing) = &mut self.signing {
            signing.key_id = Some(key_id);
        }
        self
    }

    /// The same client at another endpoint of its issuer: one of revocation (RFC 7009) or introspection (RFC 7662).
    #[must_use]
    pub fn at(mut self, endpoint: EndpointUrl) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The endpoint that it asks: that of tokens, unless it was made for another one.
    #[must_use]
    pub const fn endpoint(&self) -> &EndpointUrl {
        &self.endpoint
    }

    /// What a client that signs says of its JWTs: `typ: JWT` in place of `client-authentication+jwt`
    /// (draft-ietf-oauth-rfc7523bis), for servers that refuse the latter, such as Spring Authorization Server. It has no effect on other
    /// clients.
    #[must_use]
    pub fn with_plain_assertion_type(mut self) -> Self {
        if let Some(signing) = &mut self.signing {
            signing.has_plain_type = true;
        }
        self
    }

    /// The file that the secret, or the private key, came from, such as a mounted one: it is read again before each token request, and after the
    /// issuer has refused the secret (`invalid_client`). A file that cannot be read or is empty leaves the last good secret in
    /// use, and one whose secret is refused the one that was accepted last; the log says so. Default: none, the secret stays.
    ///
    /// It is read in a thread that may block. What can be read once only, such as a pipe, is not read again.
    #[must_use]
    pub fn with_secret_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.secret_file = Some(file.into());
        self
    }

    /// The scope to ask for when a call names none; default: none, the issuer decides.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The audience of calls that name none; default: none.
    #[must_use]
    pub fn with_audience(mut self, audience: Audience) -> Self {
        self.audience = Some(audience);
        self
    }

    /// The issuer's name in cache keys; default: the address of its token endpoint. Tokens are not
    /// compared with it: to its client a token is opaque (RFC 6749 section 1.4).
    #[must_use]
    pub fn with_issuer(mut self, name: &str) -> Self {
        self.issuer = name.into();
        self
    }

    /// How long a token is used at most and when it is renewed; default [`CacheLife::DEFAULT`].
    #[must_use]
    pub fn with_cache_life(mut self, life: CacheLife) -> Self {
        self.life = life;
        self
    }

    /// How its secret is shown; default [`ClientAuthentication::Basic`]. A credential that signs, shows a certificate or a token of another
    /// issuer is made as such ([`signing`](Self::signing), [`with_certificate_of_connection`](Self::with_certificate_of_connection),
    /// [`federated`](Self::federated)) and stays one.
    #[must_use]
    pub fn with_authentication(mut self, authentication: ClientAuthentication) -> Self {
        use ClientAuthentication::{Basic, Post};
        if let (Basic | Post, Basic | Post) = (self.authentication, authentication) {
            self.authentication = authentication;
        }
        self
    }

    /// Where the issuer has its deny-list: what it revokes is dropped within a second. Needs a network to follow it over
    /// ([`AuthTokenServiceBuilder::revocations_over`](crate::AuthTokenServiceBuilder::revocations_over)). Default: none.
    #[must_use]
    pub fn with_revocations(mut self, url: EndpointUrl) -> Self {
        self.revocations = Some(url);
        self
    }

    /// Default [`TargetParameter::Audience`].
    #[must_use]
    pub fn with_target_parameter(mut self, target: TargetParameter) -> Self {
        self.target = target;
        self
    }

    /// Binds the tokens to a key of this service (DPoP, RFC 9449): each request with one carries a proof, and no other process
    /// can use them, so they stay in this one's memory. Default [`TokenBinding::None`].
    #[must_use]
    pub fn with_binding(mut self, binding: TokenBinding) -> Self {
        self.binding = binding;
        self
    }

    /// Whether `other` asks the same endpoint for the same tokens, as the same client with the same secret. How long its
    /// tokens are used may differ, and for which calls it is chosen.
    #[must_use]
    pub fn asks_like(&self, other: &Self) -> bool {
        // Both secrets are this process's own: there is nobody who could learn from how long the comparison takes.
        let same_secret = self.client_secret.expose() == other.client_secret.expose();
        same_secret
            && self.secret_file == other.secret_file
            && self.client_id == other.client_id
            && self.endpoint == other.endpoint
            && self.issuer == other.issuer
            && self.scope == other.scope
            && self.authentication == other.authentication
            && self.signing == other.signing
            && self.assertion_type == other.assertion_type
            && self.cache_secret.as_ref().map(Secret::expose)
                == other.cache_secret.as_ref().map(Secret::expose)
            && self.target == other.target
            && self.binding == other.binding
            && self.revocations == other.revocations
    }

    /// Where its secret, or its private key, comes from.
    pub(crate) fn secrets(&self) -> SecretSource {
        let form = match (&self.signing, self.authentication) {
            (Some(_), _) => SecretForm::PrivateKey,
            (None, ClientAuthentication::FederatedJwt) => SecretForm::Assertion,
            (None, _) => SecretForm::Line,
        };
        SecretSource::new(self.client_secret.clone(), self.secret_file.clone(), form)
    }

    /// Whether other instances of the service could not read its tokens in a shared tier, since they have no secret in common.
    pub(crate) fn is_alone(&self) -> bool {
        match self.authentication {
            ClientAuthentication::FederatedJwt => self.cache_secret.is_none(),
            ClientAuthentication::Certificate => true,
            _ => false,
        }
    }

    /// What proves, in one request, that it has `private_key`; `None` for a client that does not sign.
    ///
    /// # Errors
    /// When the key cannot be used, or the library cannot sign.
    pub(crate) fn assertion(
        &self,
        private_key: &Secret,
        now: UnixTime,
    ) -> Option<Result<ClientAssertion, BoxError>> {
        let signing = self.signing.as_ref()?;
        let sign = || {
            let signer = AssertionSigner::from_pem(private_key.expose())?;
            let signer = match &signing.key_id {
                Some(key_id) => signer.with_key_id(key_id.clone()),
                None => signer,
            };
            let signer = match signing.has_plain_type {
                true => signer.with_plain_type(),
                false => signer,
            };
            let made = signer.sign(&self.client_id, &signing.audience, now, ASSERTION_LIFE)?;
            Ok(made)
        };
        Some(sign())
    }

    /// `Basic` credentials. RFC 6749 section 2.3.1 wants both parts form-encoded first, so that a colon or
    /// a letter outside ASCII in either survives.
    pub(crate) fn basic_header(&self, secret: &Secret) -> Option<HeaderValue> {
        let encode =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!(
            "{}:{}",
            encode(self.client_id.as_str()),
            encode(secret.expose())
        );
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("client_id", &self.client_id)
            .field("endpoint", &self.endpoint.to_string())
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// What tokens of a client without a secret are sealed with: random, the same for as long as the process lives, so that
/// settings that are read again are the same.
fn seal_of_this_process() -> Secret {
    static SEAL: OnceLock<Secret> = OnceLock::new();
    let seal = SEAL.get_or_init(|| {
        let mut bytes = [0_u8; 32];
        match aws_lc_rs::rand::fill(&mut bytes) {
            Ok(()) => Secret::new(STANDARD.encode(bytes)),
            // Without random numbers no connection could be made either. An empty secret seals nothing.
            Err(_) => Secret::new(""),
        }
    });
    seal.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(id: &str, secret: &str) -> Credential {
        let endpoint = "https://issuer.example/oauth2/token".parse().unwrap();
        Credential::new(id.parse().unwrap(), Secret::from(secret), endpoint)
    }

    #[test]
    fn basic_credentials_are_form_encoded_before_base64() {
        let credential = credential("a:b c", "p%ä:1!");
        let header = credential.basic_header(&credential.client_secret).unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(pair, "a%3Ab+c:p%25%C3%A4%3A1%21");
    }

    #[test]
    fn neither_header_nor_credential_shows_the_secret() {
        let credential = credential("id", "hunter2");
        let header = credential.basic_header(&credential.client_secret).unwrap();
        assert!(!format!("{credential:?} {header:?}").contains("hunter2"));
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
