//! What the section `gateway` says and other sections make meaningless.

use std::collections::BTreeSet;

use hallpass_config::Section;
use hallpass_resource::SecuritySettings;
use hallpass_upstream::EndpointUrl;

use super::{GatewaySettings, shadow};
use crate::settings::rate::RateAcross;

/// What other sections say that those of a gateway depend on: see [`GatewaySettings::check_beside`].
#[derive(Clone, Copy, Debug)]
pub struct BesideGateway<'a> {
    /// Whether there is a section `redis`, and it is not switched off.
    pub has_redis: bool,
    /// The section `security`, without the rules of the routes; `None` where it cannot be used, and nothing is said of what depends on it.
    pub security: Option<&'a SecuritySettings>,
    /// The services that there are, by their names in lower case, where all of them are known (`discovery.static`, and nobody else is asked); `None`
    /// where others may be found.
    pub services: Option<&'a BTreeSet<String>>,
}

impl GatewaySettings {
    /// Reports what cannot be meant beside the other sections of `root`, of which these settings were read as well: for programs that read both.
    ///
    /// A quota that is counted `across: redis`, or a `logout` that is reported there, without a section `redis` (a warning where that is switched off); such
    /// a `logout` without `security.internal-jwt.blacklist`, by which nobody would look for it. A route that no rule is for, which stays closed, is a warning, and so is one
    /// to a service that nobody knows.
    pub fn check_beside(&self, root: &Section<'_>, beside: BesideGateway<'_>) {
        let section = root.section("gateway");
        let needs_redis = |own: &Section<'_>, key: &str| match root.section("redis").is_given() {
            _ if beside.has_redis => {}
            // As on the machine of a developer.
            true => own.warn(key, "does nothing: `redis` is switched off"),
            false => own.problem(key, "needs a section `redis`"),
        };
        for (rate, own) in self.rates.iter().zip(section.sections("rates")) {
            if rate.across == RateAcross::Redis {
                needs_redis(&own, "across");
            }
        }
        if self
            .logout
            .as_ref()
            .is_some_and(|it| it.report_to.has_redis())
        {
            let logout = section.section("logout");
            needs_redis(&logout, "report-to");
            let looks = |it: &SecuritySettings| it.internal_jwt.blacklist.is_some();
            if beside.security.is_some_and(|it| !looks(it)) {
                logout.problem(
                    "report-to",
                    "needs `security.internal-jwt.blacklist`: nobody looks for what is written",
                );
            }
        }
        if let Some(security) = beside.security.filter(|it| !it.permit_all) {
            self.warn_of_closed_routes(&section, security);
        }
        if let Some(known) = beside.services {
            self.warn_of_unknown_services(&section, known);
        }
    }

    fn warn_of_unknown_services(&self, section: &Section<'_>, known: &BTreeSet<String>) {
        for (route, own) in self.routes.iter().zip(section.sections("routes")) {
            if let EndpointUrl::LoadBalanced { service, .. } = &route.to
                && !known.contains(&service.to_ascii_lowercase())
            {
                own.warn(
                    "to",
                    "names a service that `discovery.static` does not have, and nobody else is asked: its requests get 502",
                );
            }
        }
    }

    fn warn_of_closed_routes(&self, section: &Section<'_>, security: &SecuritySettings) {
        let inline = self.rules();
        for (route, own) in self.routes.iter().zip(section.sections("routes")) {
            let mut rules = security.internal_jwt.routes.iter().chain(&inline);
            let path = route.path.to_string();
            if !rules.any(|rule| shadow::may_meet(&path, &rule.path().to_string())) {
                own.warn(
                    "path",
                    "no rule is for this route, so it stays closed: add `rule` here, or to `security.internal-jwt.routes`",
                );
            }
        }
    }
}
