//! What `context.headers` must not have for what other sections say.

use hallpass_config::Section;
#[cfg(feature = "feign")]
use hallpass_feign::DeadlineHeader;

use super::Settings;

/// A header that says how long somebody waits is each hop's own: carried on, the one of the request would stand in the place of what is left.
pub(super) fn check(root: &Section<'_>, settings: &Settings) {
    let listed = &settings.context.headers;
    let refuse = |key: &str| {
        let message = format!("has the header of {key}, which each hop says anew");
        root.section("context").problem("headers", message);
    };
    #[cfg(feature = "resource")]
    {
        let header = settings.security.deadline.header.as_ref();
        if header.is_some_and(|it| listed.allows(it)) {
            refuse("security.deadline.header");
        }
    }
    #[cfg(feature = "feign")]
    {
        let clients = settings.feign.clients.values();
        let mut all = std::iter::once(&settings.feign.defaults).chain(clients);
        if all.any(
            |it| matches!(&it.deadline_header, DeadlineHeader::Named(name) if listed.allows(name)),
        ) {
            refuse("feign.defaults.deadline-header, or that of a client");
        }
    }
}
