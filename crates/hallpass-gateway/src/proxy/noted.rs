//! What is known of a request by the time it is answered: for metrics, for the access log, and for pages of other origins.

use std::net::IpAddr;

use hallpass_clock::Clock;
use hallpass_resource::Authorized;
use hallpass_token::SecurityContext;
use hallpass_upstream::{TraceContext, TraceId};
use http::header::{CONTENT_LENGTH, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, Version};
use tokio::time::Instant;

use super::access_log::Entry;
use super::head::Framing;
use super::metrics::RouteCounters;
use super::plan::{ProxyPlan, Route};
use super::rates::RateTold;
use super::trail::Trail;

/// A request, as far as anything is kept of it.
#[derive(Debug)]
pub(crate) struct Noted<'p> {
    plan: &'p ProxyPlan,
    pub(crate) counters: &'p RouteCounters,
    pub(crate) route: Option<&'p Route>,
    /// What has refused it on this side.
    pub(crate) refused_by: Option<&'static str>,
    /// What its caller is told of quotas, where some count.
    pub(crate) rate: Option<RateTold>,
    /// Whether the response is to say which pages may read it.
    speaks_to_pages: bool,
    /// The page that asks, where it does.
    origin: Option<HeaderValue>,
    /// For the access log, where there is one.
    asked: Option<Asked>,
}

/// What a line needs of a request that is gone by then.
#[derive(Debug)]
struct Asked {
    address: IpAddr,
    method: Method,
    uri: Uri,
    version: Version,
    /// The length of its body, where it was announced.
    received: Option<u64>,
    trace: Option<TraceId>,
    trail: Trail,
    /// Where lines name callers.
    caller: Option<SecurityContext>,
}

impl<'p> Noted<'p> {
    pub(crate) fn new(plan: &'p ProxyPlan, parts: &Parts, address: IpAddr) -> Self {
        // Most requests have no line, so nothing is made for one yet: all of this is shared, or as small as that.
        let asked = plan.access_log.is_on().then(|| Asked {
            address,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            received: None,
            trace: None,
            trail: Trail::default(),
            caller: None,
        });
        Self {
            plan,
            counters: &plan.no_route,
            route: None,
            refused_by: None,
            rate: None,
            speaks_to_pages: false,
            origin: None,
            asked,
        }
    }

    /// A browser asks about a request that takes this route: the answer says all that there is to say.
    pub(crate) fn is_asked_about(&mut self, route: &'p Route) {
        self.route = Some(route);
        self.counters = &route.counters;
        self.speaks_to_pages = false;
    }

    /// The route that the request takes. Its metrics count under this name only once it may pass: before that it tells strangers nothing.
    pub(crate) fn takes(&mut self, route: Option<&'p Route>, headers: &HeaderMap) {
        self.route = route;
        self.speaks_to_pages = route.is_some_and(|it| it.cors.is_some());
        if self.speaks_to_pages {
            self.origin = headers.get(ORIGIN).cloned();
        }
    }

    /// How its body comes.
    pub(crate) const fn brings(&mut self, framing: Framing) {
        if let (Some(asked), Framing::Length(length)) = (&mut self.asked, framing) {
            asked.received = Some(length);
        }
    }

    /// The address that it comes from, where that is not the one of the connection.
    pub(crate) fn comes_from(&mut self, address: IpAddr) {
        if let Some(asked) = &mut self.asked {
            asked.address = address;
        }
    }

    /// Where it is written down that it goes out, if that is of use to anybody.
    pub(crate) fn trail(&self) -> Option<&Trail> {
        self.asked.as_ref().map(|it| &it.trail)
    }

    /// It may pass, for this caller.
    pub(crate) fn passes(&mut self, authorized: &Authorized) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        let trace = authorized.call_context().trace();
        asked.trace = trace.map(TraceContext::trace_id);
        if self.plan.access_log.names_callers() {
            asked.caller = authorized.context().cloned();
        }
    }

    /// Counts the response, tells a page whether it may read it, and writes the line.
    pub(crate) fn answered<B>(
        &self,
        response: &mut Response<B>,
        begun: Instant,
        clock: &dyn Clock,
    ) {
        let took = begun.elapsed();
        let status = response.status();
        self.counters.answered(status, took.as_secs_f64());
        if let Some(rate) = self.rate {
            rate.write(response.headers_mut());
        }
        let cors = self.route.and_then(|route| route.cors.as_ref());
        if let Some(cors) = cors.filter(|_| self.speaks_to_pages) {
            cors.decorate(self.origin.as_ref(), response.headers_mut());
        }
        let Some(asked) = &self.asked else {
            return;
        };
        if !self.plan.access_log.wants(status) {
            return;
        }
        let went = asked.trail.went();
        let instance = went.instance.map(|it| it.to_string());
        let bytes = response.headers().get(CONTENT_LENGTH);
        let trace = asked.trace.map(|it| it.to_string());
        let claims = asked.caller.as_ref().map(SecurityContext::claims);
        self.plan.access_log.note(&Entry {
            at: clock.now(),
            address: asked.address,
            method: asked.method.as_str(),
            // What asks for a tunnel has a host in its place.
            path: match (asked.uri.path(), asked.uri.authority()) {
                ("", Some(host)) => host.as_str(),
                (path, _) => path,
            },
            query: asked.uri.query(),
            version: match asked.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            },
            status,
            route: self.route.map(|it| it.settings.name.as_str()),
            service: self.route.map(|it| &**it.service.upstream.name()),
            instance: instance.as_deref(),
            attempts: went.attempts,
            refused_by: self.refused_by,
            took,
            received: asked.received,
            bytes: bytes.and_then(|it| it.to_str().ok()?.parse().ok()),
            trace: trace.as_deref(),
            caller: claims.map(|it| (it.issuer.as_str(), it.subject.as_str())),
        });
    }
}
