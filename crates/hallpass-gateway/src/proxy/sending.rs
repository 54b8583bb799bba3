//! A request on its way: what is kept of its body, the guard of its service, its attempts, and what is at fault where there is no response.

use std::sync::Arc;

use hallpass_resource::Authorized;
use hallpass_upstream::{Body, Network};
use http::{Request, StatusCode};
use tokio::time::Instant;

use super::attempt::{Answered, Attempts, Renewal, Times};
use super::head::Framing;
use super::identity::IdentityNames;
use super::metrics::ProxyMetrics;
use super::parts::Came;
use super::plan::Route;
use super::rescue::Trouble;
use super::retrying::{REPLAY_BODY_BYTES, is_idempotent};
use super::trail::Trail;
use super::trailers::TrailerRules;
use super::upload::{Upload, UploadFault, UploadRules};
use super::upstream_error::UpstreamError;
use super::upstreams::trouble;

/// A request that is ready to go.
#[derive(Debug)]
pub(crate) struct Sending<'a> {
    pub(crate) network: &'a Network,
    pub(crate) metrics: &'a ProxyMetrics,
    pub(crate) names: &'a Arc<IdentityNames>,
    pub(crate) route: &'a Route,
    pub(crate) authorized: &'a Authorized,
    pub(crate) times: Times,
    pub(crate) framing: Framing,
    pub(crate) is_upgrade: bool,
    /// Where it is written down that it went out.
    pub(crate) trail: Option<&'a Trail>,
    /// Which of our tokens it bears, if it does.
    pub(crate) generation: Option<u64>,
}

impl Sending<'_> {
    /// Sends it, taking it out of its place, and says in `came` what nobody has read of its body.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) async fn send(
        &self,
        request: &mut Request<Body>,
        came: &mut Came,
        has_trailers: bool,
    ) -> Result<Answered, Trouble> {
        let is_idempotent = is_idempotent(request);
        let upload = self.upload(came, has_trailers);
        let is_kept = is_idempotent
            && self.route.settings.retry.max_attempts > 1
            && matches!(self.framing, Framing::Length(length) if length <= REPLAY_BODY_BYTES);
        let kept = match upload.as_ref().filter(|_| is_kept) {
            Some(upload) => {
                // In a box, as all that few requests need.
                *request.body_mut() = Box::pin(self.keep(upload)).await?;
                true
            }
            None => false,
        };
        let attempts = self.attempts(upload.as_ref().filter(|_| !kept));
        let service = &self.route.service;
        let pass = match service.guard.settings().is_empty() {
            true => None,
            false => match Box::pin(service.guard.enter()).await {
                Ok(pass) => Some(pass),
                Err(refusal) => {
                    came.body = upload.as_ref().and_then(Upload::take_rest);
                    return Err(UpstreamError::from(refusal).into());
                }
            },
        };
        let result = attempts.send(request, is_idempotent).await;
        let took = attempts.took();
        service.counters.duration.observe(took.as_secs_f64());
        if let Some(pass) = pass {
            pass.settle(attempts.service_failed(&result), took);
        }
        let was_accepted = |(response, _): &Answered| {
            response.status().is_success() || response.status() == StatusCode::FORBIDDEN
        };
        if self.generation.is_some() && result.as_ref().is_ok_and(was_accepted) {
            self.route.token.accepted();
        }
        if let Some(upload) = &upload {
            self.metrics.uploaded.inc_by(upload.bytes());
        }
        result.map_err(|error| {
            if !attempts.is_callers_doing(&error) {
                let names = (&**service.upstream.name(), &*self.route.settings.name);
                trouble::say(&service.said, names, &error);
            }
            came.body = upload.as_ref().and_then(Upload::take_rest);
            self.trouble(error, upload.as_ref(), attempts.is_over())
        })
    }

    /// `upload`: what comes as it is sent.
    fn attempts<'s>(&'s self, upload: Option<&'s Upload>) -> Attempts<'s> {
        Attempts {
            route: self.route,
            network: self.network,
            authorized: self.authorized,
            upload,
            is_upgrade: self.is_upgrade,
            begun: Instant::now(),
            times: self.times,
            trail: self.trail,
            renewal: self.generation.map(|generation| Renewal {
                caller: self.authorized.context(),
                generation,
            }),
        }
    }

    /// The body that comes as it is sent, if there is one.
    fn upload(&self, came: &mut Came, has_trailers: bool) -> Option<Upload> {
        if self.framing == Framing::NoBody {
            return None;
        }
        let settings = &self.route.settings;
        let is_grpc = came.spoken_grpc.is_some();
        let rules = UploadRules {
            limit: settings.max_body_bytes,
            idle: match is_grpc {
                true => settings.timeouts.stream_idle,
                false => settings.timeouts.idle,
            },
            trailers: has_trailers.then(|| TrailerRules {
                names: Arc::clone(self.names),
                tenant: self.authorized.tenant_header().map(|(name, _)| name),
            }),
        };
        let body = came.body.take()?;
        Some(Upload::new(
            body,
            self.framing,
            rules,
            self.authorized.token_end(),
        ))
    }

    /// All of a small body, to be sent as often as it takes.
    async fn keep(&self, upload: &Upload) -> Result<Body, Trouble> {
        let limit = usize::try_from(REPLAY_BODY_BYTES).unwrap_or(usize::MAX);
        match upload.body().collect_within(limit).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(_broken) => {
                let cut = self.authorized.cut_off(StatusCode::BAD_REQUEST);
                Err(match cut {
                    Some(response) => Trouble::Decided(Box::new(response)),
                    None => upload.fault().unwrap_or(UploadFault::Broken).into(),
                })
            }
        }
    }

    /// What is at fault where there is no response: the body of the request, its token, its caller's patience, or else the upstream.
    fn trouble(&self, error: UpstreamError, upload: Option<&Upload>, is_over: bool) -> Trouble {
        if let Some(fault) = upload.and_then(Upload::fault) {
            return fault.into();
        }
        if let Some(response) = self.authorized.cut_off(StatusCode::BAD_GATEWAY) {
            return Trouble::Decided(Box::new(response));
        }
        match (&error, is_over) {
            (UpstreamError::TimedOut, true) => Trouble::TooLong,
            _ => error.into(),
        }
    }
}
