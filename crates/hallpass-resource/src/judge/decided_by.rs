//! What is said about who is denied, beside modes.

use hallpass_config::Percent;

use crate::policy::Mode;
use crate::settings::SecuritySettings;

/// What the rules demand, and the settings without what denies nobody, what the rules say themselves, and what is to count at once. Whatever comes to the settings
/// counts until somebody takes it out here: then a route is watched anew once too often, never too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecidedBy {
    demands: Vec<String>,
    settings: SecuritySettings,
}

impl DecidedBy {
    pub(crate) fn new(demands: Vec<String>, settings: &SecuritySettings) -> Self {
        let other = SecuritySettings::default();
        let mut settings = SecuritySettings {
            production_signal: None,
            deadline: other.deadline,
            ..settings.clone()
        };
        let (jwt, other) = (&mut settings.internal_jwt, other.internal_jwt);
        // The steps themselves, of which the routes say their own.
        jwt.mode = Mode::Off;
        jwt.enforce_percent = Percent::ALL;
        // The rules are compared as they are in effect, together with those in code.
        jwt.routes = other.routes;
        jwt.internal_only = other.internal_only;
        // What somebody denies by hand is meant to be denied.
        jwt.denied = other.denied;
        // These deny nobody.
        jwt.jwks_cooldown = other.jwks_cooldown;
        jwt.identity_headers = other.identity_headers;
        jwt.dangerous_keep_identity_headers = other.dangerous_keep_identity_headers;
        jwt.resource = other.resource;
        jwt.audit = other.audit;
        jwt.audit_file = other.audit_file;
        jwt.streams = other.streams;
        Self { demands, settings }
    }
}
