//! Documents that are the value of one key, such as rules of Sentinel, among those that are configuration.

use std::pin::Pin;

use hallpass_config::YamlText;
use hallpass_nacos::{DocumentSettings, NacosConfiguration, NacosSettings};

use crate::reload::Documents;
use crate::settings::RuleDocument;

/// What [`NacosConfiguration`] follows, with each text where it belongs.
#[derive(Clone, Debug)]
pub(super) struct PlacedDocuments {
    pub(super) configuration: NacosConfiguration,
    pub(super) rules: Vec<RuleDocument>,
}

/// Asks for the documents that hold rules as well. Who has written a rule may take it away again, so that none of them has to be there.
pub(super) fn ask_for(rules: &[RuleDocument], nacos: &mut NacosSettings) {
    for rule in rules {
        let mut wanted = DocumentSettings::new(&*rule.data_id).in_group(&*rule.group);
        wanted.optional = true;
        let is_same = |it: &DocumentSettings| it.data_id == rule.data_id && it.group == rule.group;
        let documents = &mut nacos.config.documents;
        if !documents.iter().any(is_same) {
            documents.push(wanted);
        }
    }
}

impl Documents for NacosConfiguration {
    fn texts(&mut self) -> Vec<YamlText> {
        let texts = Self::texts(self).into_iter();
        texts
            .map(|(name, text)| YamlText::new(name, text))
            .collect()
    }

    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Self::changed(self))
    }

    fn keep(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Self::keep(self))
    }
}

impl Documents for PlacedDocuments {
    fn texts(&mut self) -> Vec<YamlText> {
        let texts = self.configuration.texts().into_iter();
        let placed = texts.map(|(name, text)| {
            let is_of =
                |rule: &&RuleDocument| name == format!("nacos {}/{}", rule.group, rule.data_id);
            let rule = self.rules.iter().find(is_of);
            let text = YamlText::new(name.clone(), text);
            match rule {
                Some(rule) => {
                    let path: Vec<_> = rule.path.iter().map(String::as_str).collect();
                    text.below(&path)
                }
                None => text,
            }
        });
        placed.collect()
    }

    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.configuration.changed())
    }

    fn keep(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.configuration.keep())
    }
}
