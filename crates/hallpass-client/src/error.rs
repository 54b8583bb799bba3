//! Everything that can go wrong between a call and the identity it should carry.

mod assertion;
mod introspection;
mod response;

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Identity;
use hallpass_token::Audience;
use hallpass_upstream::{DiscoverError, Outcome, RetryAdvice, TransportError, TransportErrorKind};

pub use assertion::AssertionFault;
pub use introspection::IntrospectionError;
pub use response::{DenialCode, ResponseFault};

/// Why there is no service token. Cheap to clone: all callers that waited for one request get the same.
///
/// No variant holds a token, a secret or text that an issuer sent, but an `expires_in` that is a number or nearly one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    // This side's configuration.
    /// `internal-token.enabled` is `false`, or there is no `internal-token` section.
    #[error("service tokens are switched off (internal-token.enabled)")]
    Disabled,
    /// Called outside a tokio runtime.
    #[error("a service token can only be requested inside a tokio runtime")]
    NoRuntime,

    // What this side's platform gives it.
    /// The token that proves who this service is cannot be used (`client-assertion-file`). Nothing was sent.
    #[error("the token of client-assertion-file cannot be used: {0}")]
    ClientAssertion(AssertionFault),

    // The caller.
    /// The caller's token, which should be exchanged, has ended.
    #[error("the caller's token has expired")]
    SubjectExpired,

    // The issuer's decision.
    /// The issuer refused with an OAuth error (RFC 6749 section 5.2).
    #[error("the issuer refused the token request: {code} (status {status})")]
    Denied {
        /// The `error` member of the response.
        code: DenialCode,
        /// The HTTP status.
        status: u16,
    },

    // The issuer's fault.
    /// A status that is neither success nor an OAuth error. Redirects are not followed.
    #[error("the token endpoint responded with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// A success that cannot be used.
    #[error("the token endpoint's response cannot be used: {0}")]
    Response(ResponseFault),

    // The way to the issuer.
    /// The name in `lb://...` leads nowhere.
    #[error("the token endpoint has no address: {0}")]
    NoInstance(DiscoverError),
    /// No response came.
    #[error("the token endpoint could not be reached: {0}")]
    Unreachable(TransportError),
    /// No complete response came in time.
    #[error("the token endpoint took longer than {after:?}")]
    Timeout {
        /// The limit.
        after: Duration,
    },

    // Requests that this side holds back.
    /// The last request failed a moment ago; the next one is held back.
    #[error("the last token request failed ({cause}); the next one is allowed in {retry_in:?}")]
    BackingOff {
        /// How the last request failed.
        cause: Arc<Self>,
        /// Time until the next request is allowed.
        retry_in: Duration,
    },
    /// A rejected token was renewed a moment ago; see `AuthTokenServiceBuilder::min_forced_interval`.
    #[error(
        "the token was renewed a moment ago; the next forced renewal is allowed in {retry_in:?}"
    )]
    RenewedJustNow {
        /// Time until the next forced renewal is allowed.
        retry_in: Duration,
    },
    /// The token that a forced renewal brought was rejected too, so the fault is not the token's: no further renewal is forced
    /// until a callee has accepted one, or it was renewed by its age.
    #[error("the renewed token was rejected too; it is not renewed again for that")]
    RenewedInVain,
    /// No proof of possession could be made for a token that is bound to a key: the request has no absolute address, or the
    /// system no random numbers.
    #[error("no proof of possession could be made for the token")]
    Proof,
    /// The task that fetched the token was stopped (its runtime shut down) or panicked.
    #[error("the token request was given up")]
    Lost,
}

impl TokenError {
    /// Whether the same request may succeed a little later, without anybody changing a setting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Disabled | Self::NoRuntime | Self::SubjectExpired | Self::Proof => false,
            Self::Response(fault) => fault.is_of_another(),
            Self::Denied { code, status } => code.is_temporary() || is_outage_status(*status),
            Self::Status { status } => is_outage_status(*status),
            Self::NoInstance(_)
            | Self::Timeout { .. }
            | Self::RenewedJustNow { .. }
            | Self::RenewedInVain
            | Self::ClientAssertion(_)
            | Self::Lost => true,
            Self::Unreachable(error) => error.is_retryable(),
            Self::BackingOff { cause, .. } => cause.is_retryable(),
        }
    }

    /// Whether the issuer, or the way to it, does not work at the moment: it cannot be reached, takes too long, responds 5xx
    /// or 429, says itself that it is out of order, breaks off, or something else responds in its place (a page of a proxy, an empty 200,
    /// JSON that speaks neither of a token nor of an error).
    /// A refusal is none, nor is a response of an issuer that lacks what this client needs.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Denied { code, status } => code.is_temporary() || is_outage_status(*status),
            Self::Status { status } => is_outage_status(*status),
            Self::Response(fault) => fault.is_of_another(),
            Self::NoInstance(_) | Self::Timeout { .. } | Self::Lost => true,
            // Not a request that could not even be written: that is this side's configuration.
            Self::Unreachable(error) => error.kind() != TransportErrorKind::Request,
            Self::BackingOff { cause, .. } => cause.is_outage(),
            Self::Disabled
            | Self::NoRuntime
            | Self::ClientAssertion(_)
            | Self::SubjectExpired
            | Self::Proof
            | Self::RenewedJustNow { .. }
            | Self::RenewedInVain => false,
        }
    }

    /// Whether the issuer does not take the client's id and secret.
    pub(crate) fn refuses_the_client(&self) -> bool {
        matches!(
            self,
            Self::Denied {
                code: DenialCode::InvalidClient,
                ..
            } | Self::Status { status: 401 }
        )
    }

    /// Whether the issuer wants a nonce repeated.
    pub(crate) fn wants_nonce(&self) -> bool {
        matches!(
            self,
            Self::Denied {
                code: DenialCode::UseDpopNonce,
                ..
            }
        )
    }

    /// Whether a wait ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Unreachable(error) => error.is_timeout(),
            Self::BackingOff { cause, .. } => cause.is_timeout(),
            _ => false,
        }
    }

    /// A stable name, for logs, metrics and `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NoRuntime => "no_runtime",
            Self::ClientAssertion(_) => "client_assertion",
            Self::SubjectExpired => "subject_expired",
            Self::Denied { .. } => "denied",
            Self::Status { .. } => "status",
            Self::Response(_) => "answer",
            Self::NoInstance(_) => "no_instance",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::BackingOff { .. } => "backing_off",
            Self::RenewedJustNow { .. } => "renewed_just_now",
            Self::RenewedInVain => "renewed_in_vain",
            Self::Proof => "proof",
            Self::Lost => "lost",
        }
    }
}

const fn is_outage_status(status: u16) -> bool {
    status >= 500 || status == 429
}

/// Why a token service cannot work as its settings say. Nothing was changed.
///
/// A section `internal-token` that was loaded has none of the first two: there they are problems with file and line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenSettingsError {
    /// Two entries of `clients` are for one audience, so no call would find the second one by it.
    #[error("internal-token.clients: two entries have the audience `{audience}`")]
    AudienceTwice {
        /// The audience.
        audience: Audience,
    },
    /// A `token-url` begins with `lb://`, and the service was built without discovery.
    #[error("internal-token: `lb://{service}` needs a discovery, and there is none")]
    NoDiscovery {
        /// The name in the address.
        service: String,
    },
}

impl TokenSettingsError {
    /// A stable name, for logs, metrics and `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AudienceTwice { .. } => "audience_twice",
            Self::NoDiscovery { .. } => "no_discovery",
        }
    }
}

/// Of one token request. It is sent to the same instance again only when no response came; what one instance says of its own trouble is
/// asked of another one, and every other response of the issuer is final.
impl Outcome for TokenError {
    fn instance_failed(&self) -> Option<bool> {
        match self {
            Self::Unreachable(error) => error.instance_failed(),
            Self::Timeout { .. } | Self::Response(_) => Some(true),
            Self::Denied { code, .. } => Some(code.is_temporary()),
            Self::Status { status } => Some(*status >= 500),
            Self::Disabled
            | Self::NoRuntime
            | Self::ClientAssertion(_)
            | Self::SubjectExpired
            | Self::NoInstance(_)
            | Self::BackingOff { .. }
            | Self::RenewedJustNow { .. }
            | Self::RenewedInVain
            | Self::Proof
            | Self::Lost => None,
        }
    }

    fn retry_advice(&self) -> RetryAdvice {
        match self {
            Self::Unreachable(error) => error.retry_advice(),
            _ => RetryAdvice::Stands,
        }
    }
}

/// Why a call was not made, or got no response: the error of the layers in this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The call should carry the caller's identity and there is none. Nothing was sent.
    #[error("the call must carry an identity ({identity}) and none is present")]
    NoIdentity {
        /// What the client asked for.
        identity: Identity,
    },
    /// The identity that should be relayed or exchanged has expired. Nothing was sent.
    #[error("the identity to relay or exchange has expired")]
    IdentityExpired,
    /// `identity = relay`, and the caller's token is bound to a key of the caller's own (`cnf`): nobody else can use it. Nothing was
    /// sent.
    #[error("the caller's token is bound to the caller's key and cannot be relayed: exchange it")]
    IdentityBound,
    /// `identity = exchange`, and the issuer does not offer token exchange (RFC 8693), or not to this service. Nothing was sent.
    #[error("identity = exchange is not offered by this issuer, or not to this service")]
    ExchangeNotOffered,
    /// The client needs a service token and was built without a token service. Nothing was sent.
    #[error("this client was built without a token service")]
    NoTokenService,
    /// No service token could be had. Nothing was sent.
    #[error("no service token: {0}")]
    Token(#[from] TokenError),
    /// The request was about to leave for another host than the one it was made for. Nothing was sent.
    #[error("the call was stopped: {0}")]
    HostRefused(HostRefusal),
    /// The call itself failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl CallError {
    /// Why a caller's token was not exchanged: what is the caller's, what is this side's settings, and what is a failure.
    pub(crate) fn of_exchange(error: TokenError) -> Self {
        let cause = match &error {
            TokenError::BackingOff { cause, .. } => &**cause,
            other => other,
        };
        match cause {
            TokenError::SubjectExpired => Self::IdentityExpired,
            TokenError::Denied {
                code: DenialCode::UnsupportedGrantType | DenialCode::UnauthorizedClient,
                ..
            } => Self::ExchangeNotOffered,
            _ => Self::Token(error),
        }
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Token(error) => error.is_retryable(),
            Self::Transport(error) => error.is_retryable(),
            Self::NoIdentity { .. }
            | Self::IdentityExpired
            | Self::IdentityBound
            | Self::ExchangeNotOffered
            | Self::NoTokenService
            | Self::HostRefused(_) => false,
        }
    }

    /// Whether a wait ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Token(error) => error.is_timeout(),
            Self::Transport(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Whether it is certain that the callee has seen nothing of the call.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_unsent(),
            _ => true,
        }
    }

    /// A stable name, for logs, metrics and `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoIdentity { .. } => "no_identity",
            Self::IdentityExpired => "identity_expired",
            Self::IdentityBound => "identity_bound",
            Self::ExchangeNotOffered => "exchange_not_offered",
            Self::NoTokenService => "no_token_service",
            Self::Token(_) => "token",
            Self::HostRefused(_) => "host_refused",
            Self::Transport(_) => "transport",
        }
    }
}

/// What made the host guard stop a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HostRefusal {
    /// It carries an identity and no layer has chosen an instance for it.
    #[error("it carries an identity and no instance was chosen for it")]
    NoTarget,
    /// The instance belongs to another service than the client.
    #[error("the chosen instance belongs to another service")]
    OtherService,
    /// Its URI names another scheme, host or port than the chosen instance.
    #[error("its URI names another host than the chosen instance")]
    OtherAuthority,
    /// Its `Host` header names another host than the chosen instance.
    #[error("its Host header names another host than the chosen instance")]
    OtherHostHeader,
    /// Its token is bound to the certificate of this service, and it would leave by a transport of which nobody knows what it shows.
    #[error(
        "its token is bound to the certificate of this service, and the program sends by a transport of its own: bind its tokens to a key (internal-token.dpop) in place of that"
    )]
    OtherConnections,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_documentation_with_its_answer_to_retryable() {
        let page = include_str!("../../../docs/errors.md");
        let page = page
            .split("## Service tokens (`TokenError`)")
            .nth(1)
            .unwrap();
        let transport = TransportError::new(TransportErrorKind::Connect, "refused");
        let (after, status) = (Duration::from_secs(3), 503);
        let unlucky = TokenError::Timeout { after };
        let errors = [
            TokenError::Disabled,
            TokenError::NoRuntime,
            TokenError::ClientAssertion(AssertionFault::Ended),
            TokenError::Denied {
                code: DenialCode::InvalidClient,
                status: 401,
            },
            TokenError::Status { status },
            TokenError::Response(ResponseFault::NotJson),
            TokenError::NoInstance(DiscoverError::no_instance("a")),
            TokenError::Unreachable(transport),
            unlucky.clone(),
            TokenError::BackingOff {
                cause: Arc::new(unlucky),
                retry_in: after,
            },
            TokenError::RenewedJustNow { retry_in: after },
            TokenError::RenewedInVain,
            TokenError::Lost,
        ];
        for error in errors {
            let start = format!("| `{}` |", error.code());
            let row = page.lines().find(|row| row.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("{} is not in docs/errors.md", error.code()));
            match row.rsplit('|').nth(1).unwrap().trim() {
                "yes" => assert!(error.is_retryable(), "{row}"),
                "no" => assert!(!error.is_retryable(), "{row}"),
                _ => {}
            }
        }
    }

    fn denied(code: DenialCode, status: u16) -> TokenError {
        TokenError::Denied { code, status }
    }

    fn unreachable(kind: TransportErrorKind) -> TokenError {
        TokenError::Unreachable(TransportError::new(kind, "x"))
    }

    fn backing_off(cause: TokenError) -> TokenError {
        TokenError::BackingOff {
            cause: Arc::new(cause),
            retry_in: Duration::from_secs(1),
        }
    }

    #[test]
    fn an_outage_is_what_the_issuer_or_the_way_to_it_is_the_cause_of() {
        let after = Duration::from_secs(3);
        for outage in [
            TokenError::Timeout { after },
            TokenError::NoInstance(DiscoverError::no_instance("a")),
            TokenError::Lost,
            TokenError::Status { status: 500 },
            TokenError::Status { status: 429 },
            TokenError::Response(ResponseFault::Incomplete),
            TokenError::Response(ResponseFault::NotJson),
            TokenError::Response(ResponseFault::Malformed),
            TokenError::Response(ResponseFault::OtherJson),
            denied(DenialCode::ServerError, 400),
            denied(DenialCode::Other, 503),
            unreachable(TransportErrorKind::Connect),
        ] {
            assert!(outage.is_outage() && outage.is_retryable(), "{outage}");
            assert!(backing_off(outage).is_outage());
        }
        for other in [
            TokenError::Disabled,
            TokenError::NoRuntime,
            TokenError::RenewedInVain,
            TokenError::RenewedJustNow { retry_in: after },
            TokenError::Status { status: 404 },
            TokenError::Status { status: 499 },
            TokenError::Response(ResponseFault::Missing("access_token")),
            denied(DenialCode::InvalidClient, 401),
            unreachable(TransportErrorKind::Request),
        ] {
            assert!(!other.is_outage(), "{other}");
            assert!(!backing_off(other).is_outage());
        }
    }

    #[test]
    fn a_secret_is_refused_by_invalid_client_or_a_bare_401() {
        let by_code = denied(DenialCode::InvalidClient, 400);
        let by_status = TokenError::Status { status: 401 };
        assert!(by_code.refuses_the_client() && by_status.refuses_the_client());
        let of_scope = denied(DenialCode::InvalidScope, 401);
        let forbidden = TokenError::Status { status: 403 };
        assert!(!of_scope.refuses_the_client() && !forbidden.refuses_the_client());
    }

    #[test]
    fn a_wait_that_ran_out_is_told_from_other_errors_wherever_it_happened() {
        let after = Duration::from_secs(3);
        let slow = TransportErrorKind::ConnectTimeout;
        for error in [TokenError::Timeout { after }, unreachable(slow)] {
            assert!(error.is_timeout() && CallError::Token(error.clone()).is_timeout());
            assert!(backing_off(error).is_timeout());
        }
        assert!(CallError::Transport(TransportError::new(slow, "x")).is_timeout());
        let refused = TransportErrorKind::Connect;
        for error in [TokenError::Lost, unreachable(refused)] {
            assert!(!error.is_timeout() && !CallError::Token(error.clone()).is_timeout());
            assert!(!backing_off(error).is_timeout());
        }
        assert!(!CallError::Transport(TransportError::new(refused, "x")).is_timeout());
        assert!(!CallError::NoTokenService.is_timeout());
    }

    #[test]
    fn an_instance_of_the_issuer_is_blamed_for_what_it_did_alone() {
        let after = Duration::from_secs(3);
        for (error, failed) in [
            (TokenError::Timeout { after }, Some(true)),
            (TokenError::Response(ResponseFault::NotJson), Some(true)),
            (TokenError::Status { status: 500 }, Some(true)),
            (TokenError::Status { status: 499 }, Some(false)),
            (denied(DenialCode::ServerError, 400), Some(true)),
            (denied(DenialCode::InvalidScope, 400), Some(false)),
            (unreachable(TransportErrorKind::Connect), Some(true)),
            (TokenError::Disabled, None),
            (TokenError::Lost, None),
        ] {
            assert_eq!(error.instance_failed(), failed, "{error}");
        }
    }

    #[test]
    fn a_call_says_its_code_whether_to_try_again_and_whether_it_was_sent() {
        let transport = |kind| CallError::Transport(TransportError::new(kind, "x"));
        let identity = Identity::Relay;
        for (error, code, is_retryable, is_unsent) in [
            (
                CallError::NoIdentity { identity },
                "no_identity",
                false,
                true,
            ),
            (CallError::IdentityExpired, "identity_expired", false, true),
            (
                CallError::ExchangeNotOffered,
                "exchange_not_offered",
                false,
                true,
            ),
            (CallError::NoTokenService, "no_token_service", false, true),
            (CallError::Token(TokenError::Lost), "token", true, true),
            (CallError::Token(TokenError::Disabled), "token", false, true),
            (
                CallError::HostRefused(HostRefusal::NoTarget),
                "host_refused",
                false,
                true,
            ),
            (
                transport(TransportErrorKind::Connect),
                "transport",
                true,
                true,
            ),
            (
                transport(TransportErrorKind::Request),
                "transport",
                false,
                true,
            ),
            (
                transport(TransportErrorKind::Broken),
                "transport",
                true,
                false,
            ),
        ] {
            assert_eq!(error.code(), code);
            assert_eq!(error.is_retryable(), is_retryable, "{error}");
            assert_eq!(error.is_unsent(), is_unsent, "{error}");
        }
    }

    #[test]
    fn every_code_of_unusable_settings_is_in_the_documentation() {
        let page = include_str!("../../../docs/errors.md");
        let audience = "orders".parse().unwrap();
        for (error, code) in [
            (
                TokenSettingsError::AudienceTwice { audience },
                "audience_twice",
            ),
            (
                TokenSettingsError::NoDiscovery {
                    service: "a".to_owned(),
                },
                "no_discovery",
            ),
        ] {
            assert_eq!(error.code(), code);
            assert!(page.contains(&format!("| `{code}` |")), "{code}");
        }
    }
}
