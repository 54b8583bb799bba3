//! What `context.headers` must not have for what other sections say: a header that says how long somebody waits is each hop's own. Carried on,
//! the one of the request would stand in the place of what is left.

use hallpass_client::ContextSettings;
use hallpass_config::Section;
#[cfg(feature = "feign")]
use hallpass_feign::{DeadlineHeader, FeignSettings};
#[cfg(feature = "resource")]
use hallpass_resource::SecuritySettings;

#[cfg(feature = "resource")]
pub(super) fn check_security(
    root: &Section<'_>,
    context: &ContextSettings,
    security: &SecuritySettings,
) {
    let header = security.deadline.header.as_ref();
    if header.is_some_and(|it| context.headers.allows_spelling_of(it)) {
        refuse(root, "security.deadline.header");
    }
}

#[cfg(feature = "feign")]
pub(super) fn check_feign(root: &Section<'_>, context: &ContextSettings, feign: &FeignSettings) {
    let mut all = std::iter::once(&feign.defaults).chain(feign.clients.values());
    let is_listed = all.any(|it| match &it.deadline_header {
        DeadlineHeader::Named(name) => context.headers.allows_spelling_of(name),
        DeadlineHeader::None => false,
    });
    if is_listed {
        refuse(root, "feign.defaults.deadline-header, or that of a client");
    }
}

fn refuse(root: &Section<'_>, key: &str) {
    let message = format!("has the header of {key}, which each hop says anew");
    root.section("context").problem("headers", message);
}
