//! The settings of one client, and what the estate says, for those who build clients and pages.

use super::named_method::{self, NamedMethod};
use super::{FeignClientSettings, FeignSettings, estate};
use crate::spec::{ClientSpec, MethodSpec};

impl FeignSettings {
    /// The settings of the client `name`, or the defaults. The case of a name does not count, unless two differ in nothing else.
    #[must_use]
    pub fn client(&self, name: &str) -> &FeignClientSettings {
        let ignoring_case = || {
            let mut clients = self.clients.iter();
            let found = clients.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, client)| client)
        };
        let exact = self.clients.get(name);
        exact.or_else(ignoring_case).unwrap_or(&self.defaults)
    }

    /// What each key of Resilience4j, Hystrix and Sentinel means here, as tables in Markdown: those of docs/resilience.md.
    #[must_use]
    pub fn estate_tables() -> String {
        estate::tables()
    }

    /// What the estate says of one method by its name.
    pub(crate) fn named_method(
        &self,
        spec: &ClientSpec,
        method: &MethodSpec,
    ) -> Option<&NamedMethod> {
        let methods: Vec<_> = spec.methods.iter().map(|method| method.name).collect();
        let is_it = |name: &str| {
            let owners = [spec.trait_name, spec.name];
            owners
                .iter()
                .any(|owner| named_method::is_named(name, owner, method.name, &methods))
        };
        let mut named = self.named_methods.iter();
        named.find(|(name, _)| is_it(name)).map(|(_, it)| it)
    }
}
