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

    /// What each key of Resilience4j, Hystrix, Sentinel and OpenFeign means here, as tables in Markdown: those of docs/resilience.md.
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
        let mut named = self.named_methods.iter();
        named
            .find(|(name, _)| is_of(name, spec, method))
            .map(|(_, it)| it)
    }

    /// What is wrong with what the estate says of this client, or of a method of it.
    pub(crate) fn unusable(&self, spec: &ClientSpec) -> Option<&str> {
        let is_it = |name: &str| {
            name.eq_ignore_ascii_case(spec.name)
                || spec.methods.iter().any(|method| is_of(name, spec, method))
        };
        let mut unusable = self.unusable.iter();
        let found = unusable.find(|(name, _)| is_it(name));
        found.map(|(_, why)| why.as_str())
    }

    /// Which keys of the estate bound this client and its methods, each with what it is about.
    pub(crate) fn bounds_of(&self, spec: &ClientSpec) -> Vec<&str> {
        let methods = spec.methods.iter();
        let methods = methods.filter_map(|method| self.named_method(spec, method));
        let of_methods = methods.flat_map(|method| &method.estate);
        let all = self.client(spec.name).estate.iter().chain(of_methods);
        all.map(String::as_str).collect()
    }
}

/// Whether the estate calls the method so.
fn is_of(name: &str, spec: &ClientSpec, method: &MethodSpec) -> bool {
    let methods: Vec<_> = spec.methods.iter().map(|method| method.name).collect();
    let owners = [spec.trait_name, spec.name];
    owners
        .iter()
        .any(|owner| named_method::is_named(name, owner, method.name, &methods))
}
