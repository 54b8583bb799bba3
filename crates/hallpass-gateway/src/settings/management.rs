//! `management.hosts`, wherever there is a management address.

use hallpass_config::{Key, Kind, Section};
use hallpass_resource::HostPattern;

/// By which names it is asked.
pub(super) const HOSTS: Key = Key::new(
    "hosts",
    Kind::Texts {
        what: "hosts, as `edge.shop.example` or `*.svc.cluster.local`",
    },
    "Names under which it is asked, beside IP addresses and `localhost`. A request that names another host gets 421, so that no web page whose name leads here \
    can read what the estate is made of; health is for everybody, and so is `/metrics` where `listen` is not on loopback. A change needs a restart.",
)
.or("");

/// Of a section `management`.
pub(super) fn read_hosts(section: &Section<'_>) -> Option<Vec<HostPattern>> {
    section.texts("hosts", str::parse)
}
