//! What the interface for administrators counts.

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The label of what is no route of ours, and of methods that we do not serve.
const OTHER: &str = "_other";

/// Requests by what they were for and what came of them.
#[derive(Clone, Debug, Default)]
pub(super) struct AdminMetrics {
    requests: Family<RequestLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

impl AdminMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "admin_requests",
            "Requests of administrators, and of those who are none",
            self.requests.clone(),
        );
    }

    /// Counts one; `route` is the template of its path, if it came so far.
    pub(super) fn responded(&self, method: &Method, route: Option<&str>, status: u16) {
        let labels = RequestLabels {
            method: known(method),
            route: route.unwrap_or(OTHER).to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// A method of the sender's own is no label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => OTHER,
    }
}
