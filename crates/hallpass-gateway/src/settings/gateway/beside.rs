//! What the section `gateway` says and other sections make meaningless.

use hallpass_config::Section;
use hallpass_resource::SecuritySettings;

use super::{GatewaySettings, shadow};
use crate::settings::rate::RateAcross;

/// What other sections say that those of a gateway depend on: see [`GatewaySettings::check_beside`].
#[derive(Clone, Copy, Debug)]
pub struct BesideGateway<'a> {
    /// Whether there is a section `redis`, and it is not switched off.
    pub has_redis: bool,
    /// The section `security`, without the rules of the routes.
    pub security: &'a SecuritySettings,
}

impl GatewaySettings {
    /// Reports what cannot be meant beside the other sections of `root`, of which these settings were read as well: for programs that read both.
    ///
    /// A quota that is counted `across: redis`, or a `logout` that is reported there, without a section `redis` (a warning where that is switched off); such
    /// a `logout` without `security.internal-jwt.blacklist`, by which nobody would look for it. A route that no rule is for, which stays closed, is a warning.
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
            if beside.security.internal_jwt.blacklist.is_none() {
                logout.problem(
                    "report-to",
                    "needs `security.internal-jwt.blacklist`: nobody looks for what is written",
                );
            }
        }
        if !beside.security.permit_all {
            self.warn_of_closed_routes(&section, beside.security);
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
