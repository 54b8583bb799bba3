//! The list of tokens that were logged out, as the settings want it.

use hallpass_upstream::Network;

use crate::blacklist::{Blacklist, BlacklistMetrics};
use crate::error::SetupProblem;
use crate::settings::InternalJwtSettings;
use crate::trusted_issuer::Issuers;

/// `None` where the settings want none, or where it cannot be had, which is a problem.
pub(super) fn prepare(
    jwt: &InternalJwtSettings,
    issuers: &Issuers,
    (network, metrics): (Option<&Network>, &BlacklistMetrics),
    problems: &mut Vec<SetupProblem>,
) -> Option<Blacklist> {
    let settings = jwt.blacklist.clone()?;
    let mut report = |key: &str, message: &str| {
        problems.push(SetupProblem::BadValue {
            key: format!("security.internal-jwt.blacklist.{key}"),
            message: message.to_owned(),
        });
    };
    // A slip would let the tokens of the issuer that was meant pass without a look.
    if settings.issuers.iter().any(|it| !issuers.contains_name(it)) {
        report("issuers", "names an issuer that is not trusted");
    }
    let found = network.and_then(|network| Some((network, network.blacklist()?)));
    let Some((network, store)) = found else {
        report(
            "redis-key",
            "needs a section `redis`, and a program with the feature `redis`",
        );
        return None;
    };
    Some(Blacklist::new(settings, store, network, metrics.clone()))
}
