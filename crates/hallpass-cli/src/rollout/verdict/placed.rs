//! Whether what the plan lists under a service are its instances, each once.

use std::collections::BTreeMap;

use super::Verdict;
use crate::readiness::Identity;
use crate::rollout::instances::Instance;

impl Verdict {
    /// What speaks against it in what they say of themselves: by a service's counters no other one may be enforced. `others` are the services of the plan beside
    /// `service`. Names of services are taken for audiences, as they are unless somebody sets `audience`.
    pub(crate) fn placed<'n>(
        &mut self,
        service: &str,
        others: impl IntoIterator<Item = &'n str>,
        instances: &[Instance],
    ) {
        let identity = |it: &'_ Instance| {
            it.answer
                .as_ref()
                .ok()
                .map(|it| it.service.identity.clone())
        };
        let said = instances
            .iter()
            .filter_map(|it| Some((it.url.as_str(), identity(it)?)));
        let said: Vec<(&str, Identity)> = said.filter(|(_, it)| !it.audiences.is_empty()).collect();
        let others: Vec<&str> = others.into_iter().collect();
        let mut processes = BTreeMap::<&str, &str>::new();
        for (url, it) in &said {
            if let Some(first) = processes.insert(&it.process, url) {
                self.why_not.push(format!(
                    "{first} and {url} are one process: list each instance once"
                ));
            }
            if it.audiences.contains(service) {
                continue;
            }
            match others.iter().find(|other| it.audiences.contains(**other)) {
                Some(other) => self.why_not.push(format!(
                    "{url} is an instance of {other}: it takes tokens for {}",
                    it.names()
                )),
                None => self.notes.push(format!(
                    "{url} takes tokens for {}: is it an instance of {service}?",
                    it.names()
                )),
            }
        }
        let Some(((first, one), rest)) = said.split_first() else {
            return;
        };
        if let Some((url, other)) = rest.iter().find(|(_, it)| it.audiences != one.audiences) {
            self.why_not.push(format!(
                "{first} takes tokens for {}, and {url} for {}: are both instances of {service}?",
                one.names(),
                other.names()
            ));
        }
    }
}
