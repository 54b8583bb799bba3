//! The decision about a request as a plain function: what the layer asks, and what other frameworks and proxies ask without it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_client::context::CallContext;
use hallpass_token::{SecurityContext, VerifyError};
use hallpass_upstream::TraceContext;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::bearer::{Scheme, spoken_scheme};
use crate::dpop::DPOP_NONCE;
use crate::error::Denial;
use crate::extract::Passed;
use crate::identity_headers;
use crate::judge::{Judge, Verdict};
use crate::server::ResourceServer;
use crate::settings::deadline::DeadlineSettings;
use crate::stream_end::{StreamEnd, TokenEnd};
use crate::time_left;
use crate::verifier::Verified;

impl ResourceServer {
    /// The header that names the tenant of a request (`context.tenant.header` of the settings in force), if one does.
    #[must_use]
    pub fn tenant_header(&self) -> Option<HeaderName> {
        let judge = self.judge();
        judge.context.tenant.as_ref().map(|it| it.header.clone())
    }

    /// The header in which the proxy of a mesh says who calls (`security.internal-jwt.mesh` of the settings in force), if one does. Who hands
    /// requests on must leave it in what [`authorize`](Self::authorize) sees, and must not send it on.
    #[must_use]
    pub fn mesh_header(&self) -> Option<HeaderName> {
        self.judge().peers.header()
    }

    /// Decides about a request by its head: whom its token names, and whether the rules let it pass. This is all that
    /// [`layer`](Self::layer) asks; it counts and is written to the audit log once per call of this function.
    ///
    /// The path is that of `parts.uri`, or axum's `OriginalUri` where the extensions have it. A token that is bound to a
    /// certificate is held against `PeerCertificates` or `UnverifiedPeerCertificates` of the extensions, or against what the proxy of a mesh says, where
    /// `security.internal-jwt.mesh` believes the address in `hallpass_listen::ConnectionPeer` or axum's `ConnectInfo`.
    ///
    /// **A proof of possession (DPoP) is used up by this**, so ask once per request. The body is not looked at.
    ///
    /// # Errors
    /// [`Refused`]: the request must not be handled; its response says why.
    ///
    /// ```
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_resource::{ResourceServer, Rule};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = ResourceServer::builder("order-service", std::sync::Arc::new(SystemClock::new()))
    /// #     .route_any("/health", Rule::Anonymous)
    /// #     .build()?;
    /// let (mut parts, _body) = http::Request::get("/health").body(())?.into_parts();
    /// match server.authorize(&parts).await {
    ///     Ok(authorized) => {
    ///         // Foreign identity headers go, the verified identity comes.
    ///         authorized.admit(&mut parts);
    ///         assert!(authorized.context().is_none(), "anybody may ask for this path");
    ///     }
    ///     Err(refused) => {
    ///         let response = refused.into_response();
    /// #       unreachable!("{response:?}")
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn authorize(&self, parts: &Parts) -> Result<Authorized, Refused> {
        let judge = self.judge();
        let trace = TraceContext::received(&parts.headers, judge.context.sampled);
        let nonce = judge.nonce_for(&parts.headers);
        match judge.judge(parts, &trace).await {
            Verdict::Respond(mut response) => {
                give(nonce.as_ref(), response.headers_mut());
                let trace = Some(marked(trace, &judge, false));
                Err(Refused { response, trace })
            }
            Verdict::Pass(mut pass) => {
                let carried = std::mem::take(&mut pass.carried);
                let keeps_identity_headers = pass.keeps_identity_headers;
                let (caller, passed) = Passed::new(&judge, pass);
                let entry = caller.as_ref().and_then(Verified::entry);
                let end = entry.map_or_else(TokenEnd::default, |entry| {
                    let of = (passed.route(), passed.is_lenient());
                    TokenEnd::new(self, Arc::clone(entry), of)
                });
                let trace = marked(trace, &judge, caller.is_some());
                let context = CallContext::default()
                    .with_identity(caller.map(|it| it.context().clone()))
                    .with_carried(carried)
                    .with_trace(trace);
                Ok(Authorized {
                    scheme: spoken_scheme(&parts.headers),
                    judge,
                    context,
                    end,
                    passed,
                    keeps_identity_headers,
                    nonce,
                })
            }
        }
    }
}

/// A request that may be handled, and for whom.
#[derive(Clone, Debug)]
#[must_use = "the request still bears what its sender claims to be, until it is admitted"]
pub struct Authorized {
    judge: Arc<Judge>,
    context: CallContext,
    end: TokenEnd,
    scheme: Scheme,
    passed: Passed,
    keeps_identity_headers: bool,
    nonce: Option<HeaderValue>,
}

impl Authorized {
    /// The verified caller; `None` for a request without a good token that passes nevertheless: by an open route, or by
    /// the mode of its rule.
    #[must_use]
    pub fn context(&self) -> Option<&SecurityContext> {
        self.context.identity()
    }

    /// What `make` gives for the verified caller of the request, kept with its token for further requests as long as it `fits`: for who hands requests
    /// on, and would make the same of the same token each time. One value a token is kept; `None` without a caller.
    pub fn remembered<T: Any + Send + Sync>(
        &self,
        fits: impl FnOnce(&T) -> bool,
        make: impl FnOnce(&SecurityContext) -> T,
    ) -> Option<Arc<T>> {
        let context = self.context()?;
        Some(match self.end.entry() {
            Some(entry) => entry.remembered.get(fits, || make(context)),
            None => Arc::new(make(context)),
        })
    }

    /// All that the request brings for the calls that are made for it: the verified caller, the headers that travel beside the identity, and
    /// its span of its trace. For [`hallpass_client::context::scope_all`] around the handler, and
    /// [`body_scope_all`](hallpass_client::context::body_scope_all) around its response's body.
    #[must_use]
    pub const fn call_context(&self) -> &CallContext {
        &self.context
    }

    /// The route, as metrics and the audit log name it: the pattern of the rule that decided, never the path.
    #[must_use]
    pub fn route(&self) -> &str {
        self.passed.route()
    }

    /// Makes the request say who calls, and nobody else: identity that came from outside is removed from its extensions and
    /// headers; the verified one is put into its extensions, where the extractors look, and into the identity headers where the
    /// settings say so.
    ///
    /// The context of the current task is not entered here; see [`call_context`](Self::call_context).
    pub fn admit(&self, parts: &mut Parts) {
        parts.extensions.remove::<SecurityContext>();
        parts.extensions.remove::<CallContext>();
        parts.extensions.insert(self.passed.clone());
        parts.extensions.insert(self.end.clone());
        let writes_headers = self.judge.writes_identity_headers && self.context().is_some();
        if writes_headers || !self.keeps_identity_headers {
            identity_headers::strip(&mut parts.headers, &self.judge.headers);
        }
        self.judge.peers.admit(parts, &self.judge.headers);
        if let Some(tenant) = &self.judge.context.tenant {
            identity_headers::keep_beyond_next_hop(&mut parts.headers, &tenant.header);
        }
        if let Some(context) = self.context() {
            if writes_headers {
                identity_headers::write(&mut parts.headers, context);
            }
            parts.extensions.insert(context.clone());
        }
    }

    /// What a proxy that asks for this decision is to do with each identity header of the request: to set it to the value, or
    /// to remove it. Empty where those from outside stay (`dangerous-keep-identity-headers`, no identity, not enforced).
    ///
    /// Unlike [`admit`](Self::admit) it has the values whatever `identity-headers` of the settings says. A proxy must remove other
    /// spellings, with `_` for `-`, by itself.
    #[must_use]
    pub fn identity_headers(&self) -> Vec<(HeaderName, Option<HeaderValue>)> {
        if self.context().is_none() && self.keeps_identity_headers {
            return Vec::new();
        }
        identity_headers::of(self.context())
    }

    /// What a proxy that asks for this decision is to do with the header of the tenant (`context.tenant`), and with other spellings of it. `None` where the
    /// settings name none.
    #[must_use]
    pub fn tenant_header(&self) -> Option<(HeaderName, TenantHeader)> {
        let name = &self.judge.context.tenant.as_ref()?.header;
        let value = self.context.carried().get(name.as_str());
        let change = match value {
            _ if self.passed.is_lenient() => TenantHeader::AsItCame,
            Some(value) => TenantHeader::Set(value.clone()),
            None => TenantHeader::Remove,
        };
        Some((name.clone(), change))
    }

    /// The tag of the instances that the request is for (`context.gray-header`), if it names one: for who hands it on. It proves nothing: whoever sends the
    /// request chooses it.
    #[must_use]
    pub fn gray_tag(&self) -> Option<&str> {
        let header = self.judge.context.gray_header.as_ref()?;
        let tag = self.context.carried().get(header.as_str())?;
        tag.to_str().ok()
    }

    /// Tells when the token of the request ends: for what streams ([`EndingBody`](crate::EndingBody)) and what outlives the request. The
    /// layer ends bodies by it; who asks without the layer does so itself.
    #[must_use]
    pub const fn token_end(&self) -> &TokenEnd {
        &self.end
    }

    /// The name under which the estate lists the token of the request as logged out (`security.internal-jwt.blacklist`), for who logs it out: whatever is
    /// written there by `hallpass_upstream::BlacklistStore::list` has the token refused by each service that looks there. `None` where this service does
    /// not look for it.
    #[must_use]
    pub fn blacklist_name(&self) -> Option<String> {
        let entry = self.end.entry()?;
        let blacklist = self.judge.issuers.blacklist_of(&entry.trust)?;
        Some(blacklist.name_of(entry.asked.as_deref()?))
    }

    /// From now on what goes on with this very token ends within a third of a second, as if its issuer had revoked it: for who takes tokens back, and knows
    /// of it before the issuer's list says so. **It refuses no request**: that is for whoever calls this.
    pub fn withdraw(&self) {
        if let Some(entry) = self.end.entry() {
            entry.withdrawn.begin();
        }
    }

    /// The response to a request whose body was ended before its time ([`EndingBody::of_request`](crate::EndingBody::of_request)), where that
    /// of the handler, with `status`, is none of a success: what it complains of is not the sender's fault. `None` where nothing was ended, or
    /// the handler has succeeded nevertheless.
    #[must_use]
    pub fn cut_off(&self, status: StatusCode) -> Option<Response<Bytes>> {
        let end = self.end.has_cut_upload()?;
        let denial = match end {
            StreamEnd::Expired => VerifyError::Expired {
                ago: Duration::ZERO,
            }
            .into(),
            StreamEnd::Revoked => Denial::Revoked,
        };
        let is_fault = status.is_client_error() || status.is_server_error();
        is_fault.then(|| self.judge.challenger.response(&denial, self.scheme))
    }

    /// For how long the caller waits for the response, where these headers of its request say so and the settings read it (`deadline`): for who
    /// hands the request on, and has to tell the next one what is left of it.
    #[must_use]
    pub fn time_left(&self, headers: &HeaderMap) -> Option<Duration> {
        time_left::time_left(self.deadline_settings(), headers)
    }

    /// The header that says so, in whole milliseconds, beside `grpc-timeout`; `None` where none is read.
    #[must_use]
    pub fn deadline_header(&self) -> Option<&HeaderName> {
        self.judge.deadline.header.as_ref()
    }

    pub(crate) fn deadline_settings(&self) -> &DeadlineSettings {
        &self.judge.deadline
    }

    /// The response to a request whose caller has stopped waiting. It is counted.
    pub(crate) fn too_late(&self) -> Refused {
        self.judge.deadlines.exceeded(self.route());
        let denial = Denial::DeadlineExceeded;
        let mut response = self.judge.challenger.response(&denial, self.scheme);
        self.complete(response.headers_mut());
        let trace = None;
        Refused { response, trace }
    }

    /// Adds to the headers of the handler's response what its caller is to know: the nonce for its next proof (RFC 9449 section
    /// 9), if it makes proofs and they need one.
    pub fn complete(&self, headers: &mut HeaderMap) {
        give(self.nonce.as_ref(), headers);
    }
}

/// What becomes of the header that names the tenant of a request that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantHeader {
    /// It is to have this value, which was held against the token.
    Set(HeaderValue),
    /// The request must not bear it, in no spelling: it does not count, or the proxy has not handed it in, so that it was not judged.
    Remove,
    /// It stays as it came, and so do other spellings: the rule is not enforced (`report`, `off`, `permit-all`), and changes nothing of what services get.
    AsItCame,
}

/// A request that must not be handled. Also one that is answered here: for the metadata of the protected resource (RFC 9728).
#[derive(Debug)]
pub struct Refused {
    response: Response<Bytes>,
    /// The span of the request, where it was not in one of its own.
    pub(crate) trace: Option<TraceContext>,
}

impl Refused {
    /// The response to the caller (RFC 6750 section 3): status, `WWW-Authenticate` and a problem body that says nothing about
    /// which part of a token did not fit.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        self.response
    }
}

/// A mark that counts, or not: whoever it is that sends no good token must not decide what is exported.
fn marked(trace: TraceContext, judge: &Judge, is_authenticated: bool) -> TraceContext {
    let context = &judge.context;
    let is_trusted = context.trust_sampled.trusts(is_authenticated);
    trace.marked_by_sender(is_trusted, context.sampled)
}

fn give(nonce: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if let Some(nonce) = nonce {
        headers.insert(DPOP_NONCE, nonce.clone());
    }
}
