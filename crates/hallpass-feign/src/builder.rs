//! How code makes a client: what it says of one goes over configuration and attribute.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use hallpass_client::{Identity, WhenAbsent};
use hallpass_upstream::{BreakerSettings, BulkheadSettings, EndpointUrl, Http2, RetrySettings};

use crate::build_error::BuildError;
use crate::client::{Client, Overrides};
use crate::error::{ArgumentProblem, FeignError};
use crate::feign::Feign;
use crate::interceptor::Intercepted;
use crate::layers::fallback::Fallback;
use crate::settings::HedgeSettings;
use crate::spec::ClientSpec;

/// A client that `#[feign_client]` has made. Implemented by the macro only.
pub trait GeneratedClient: Sized {
    /// The boxed form of the trait: what a fallback is.
    type Fallback;

    /// What the trait says.
    #[doc(hidden)]
    const SPEC: &'static ClientSpec;

    /// The client around what the builder has made.
    #[doc(hidden)]
    fn assemble(client: Client, fallback: Option<Fallback<Self::Fallback>>) -> Self;

    /// The fallback named in the attribute.
    #[doc(hidden)]
    fn default_fallback() -> Option<Fallback<Self::Fallback>>;
}

/// Settings of one client, where they differ from what configuration and attribute say.
///
/// What is said here goes over the configuration, which goes over a method's attribute, which goes over the trait's.
pub struct ClientBuilder<C: GeneratedClient> {
    feign: Feign,
    overrides: Overrides,
    fallback: Option<Fallback<C::Fallback>>,
    client: PhantomData<fn() -> C>,
}

impl<C: GeneratedClient> ClientBuilder<C> {
    /// Begins with what attribute and configuration say.
    #[must_use]
    pub fn new(feign: &Feign) -> Self {
        Self {
            feign: feign.clone(),
            overrides: Overrides::default(),
            fallback: C::default_fallback(),
            client: PhantomData,
        }
    }

    /// Where the service is: `lb://`, `https://`, or plain `http://` to a loopback address.
    #[must_use]
    pub fn url(mut self, url: EndpointUrl) -> Self {
        self.overrides.url = Some(url);
        self
    }

    /// Whose identity all methods carry.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.overrides.identity.identity = Some(identity);
        self
    }

    /// What relay and exchange do without a caller.
    #[must_use]
    pub fn when_absent(mut self, when_absent: WhenAbsent) -> Self {
        self.overrides.identity.when_absent = Some(when_absent);
        self
    }

    /// Whom a service token for these calls is made for; default: what the configuration or the code says, else the
    /// client's name.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.overrides.identity.audience = Some(audience.into());
        self
    }

    /// With which of `internal-token.clients` a service token is asked for; default: what the configuration says, else the one
    /// that is called like the client, else the one for the audience.
    #[must_use]
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.overrides.identity.credential = Some(name.into());
        self
    }

    /// For each call with its retries, at most a day; default 5 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.overrides.deadline = Some(deadline);
        self
    }

    /// Retries. Clients of one name share breakers, bulkheads and retry budget as long as their address and their
    /// settings for these are the same.
    #[must_use]
    pub fn retry(mut self, retry: RetrySettings) -> Self {
        self.overrides.retry = Some(retry);
        self
    }

    /// Further attempts while the first one is under way; see [`HedgeSettings`].
    #[must_use]
    pub fn hedge(mut self, hedge: HedgeSettings) -> Self {
        self.overrides.hedge = Some(hedge);
        self
    }

    /// Circuit breakers.
    #[must_use]
    pub fn breaker(mut self, breaker: BreakerSettings) -> Self {
        self.overrides.breaker = Some(breaker);
        self
    }

    /// Calls under way to one instance.
    #[must_use]
    pub fn bulkhead(mut self, bulkhead: BulkheadSettings) -> Self {
        self.overrides.bulkhead = Some(bulkhead);
        self
    }

    /// Whether each attempt runs on a task of its own; default `false`. A panic or a long computation below the
    /// breaker then does not hold up the caller's task. The identity goes along.
    #[must_use]
    pub fn isolate(mut self, isolate: bool) -> Self {
        self.overrides.isolate = Some(isolate);
        self
    }

    /// Longest response that is read into memory; default 2 MiB.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.overrides.max_response_bytes = Some(bytes);
        self
    }

    /// Which version of HTTP is spoken; default: HTTP/1.1.
    #[must_use]
    pub fn http2(mut self, http2: Http2) -> Self {
        self.overrides.http2 = Some(http2);
        self
    }

    /// Adds to each attempt what only the moment of sending knows: a signature, a time, a nonce. `interceptor` runs in the order in which
    /// interceptors are given, on the task that sends the attempt (the caller's, unless the client isolates), after the headers of trait,
    /// configuration, arguments and context, and before the identity: it sees no token and can set none. It must be quick. Its error ends
    /// the call with [`FeignError::InvalidArgument`], and so does [`ArgumentProblem::Refused`](crate::ArgumentProblem::Refused).
    ///
    /// A call that is repeated because its token was refused has the headers that it had.
    ///
    /// ```
    /// use hallpass_feign::{FeignError, feign_client};
    ///
    /// #[feign_client(name = "logistics-service")]
    /// trait Logistics {
    ///     #[get("/orders/{order_id}/status")]
    ///     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
    /// }
    ///
    /// # fn signature(method: &http::Method, path: &str) -> String { String::new() }
    /// # fn example(feign: &hallpass_feign::Feign) -> Result<(), hallpass_feign::BuildError> {
    /// let logistics = FeignLogistics::builder(feign)
    ///     .intercept(|call| call.set_header("X-Signature", &signature(call.method(), call.uri().path())))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn intercept(
        mut self,
        interceptor: impl Fn(&mut Intercepted<'_>) -> Result<(), ArgumentProblem>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.overrides.interceptors.add(interceptor);
        self
    }

    /// Answers when the service cannot; replaces the fallback of the attribute. The boxed form takes any
    /// implementation: `.fallback(BoxLogistics::new(MyFallback))`.
    #[must_use]
    pub fn fallback(mut self, fallback: C::Fallback) -> Self {
        self.fallback = Some(Fallback::Shared(fallback));
        self
    }

    /// Answers when the service cannot, by what `factory` makes of the cause, once for each call that fails; replaces the
    /// fallback of the attribute. It runs in the caller's task and for the same caller.
    ///
    /// ```
    /// use hallpass_feign::{FeignError, feign_client};
    ///
    /// #[feign_client(name = "logistics-service")]
    /// trait Logistics {
    ///     #[get("/orders/{order_id}/status")]
    ///     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
    /// }
    ///
    /// struct Unknown(&'static str);
    ///
    /// impl Logistics for Unknown {
    ///     async fn status(&self, _: u64) -> Result<String, FeignError> {
    ///         Ok(format!("unknown for now ({})", self.0))
    ///     }
    /// }
    ///
    /// # fn example(feign: &hallpass_feign::Feign) -> Result<(), hallpass_feign::BuildError> {
    /// let logistics = FeignLogistics::builder(feign)
    ///     .fallback_by(|cause| BoxLogistics::new(Unknown(cause.code())))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn fallback_by(
        mut self,
        factory: impl Fn(&FeignError) -> C::Fallback + Send + Sync + 'static,
    ) -> Self {
        self.fallback = Some(Fallback::made_by(factory));
        self
    }

    /// No fallback, whatever the attribute says.
    #[must_use]
    pub fn without_fallback(mut self) -> Self {
        self.fallback = None;
        self
    }

    /// The client. Opens no connection and asks for no token.
    ///
    /// # Errors
    /// When the address, the audience or the scope cannot be used.
    pub fn build(self) -> Result<C, BuildError> {
        let client = self.feign.client(C::SPEC, self.overrides)?;
        Ok(C::assemble(client, self.fallback))
    }
}

impl<C: GeneratedClient> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("trait", &C::SPEC.trait_name)
            .finish_non_exhaustive()
    }
}
