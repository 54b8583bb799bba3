//! Documents that are the value of one key, such as rules of Sentinel, among those that are configuration.

use std::collections::BTreeMap;
use std::pin::Pin;

use hallpass_config::{Loader, Secret, YamlText};
use hallpass_nacos::{DocumentSettings, NacosConfiguration, NacosError, NacosParts, NacosSettings};

use crate::reload::Documents;
use crate::settings::{NacosStart, RuleDocument, SENTINEL_DOCUMENTS, UNREADABLE_RULES};

/// What [`NacosConfiguration`] follows, with each text where it belongs.
#[derive(Clone, Debug)]
pub(super) struct PlacedDocuments {
    configuration: NacosConfiguration,
    rules: Vec<RuleDocument>,
    /// The last text of each that was a list, by group and data id: as Sentinel does, rules stay until there are others.
    lists: BTreeMap<String, Secret>,
}

impl PlacedDocuments {
    /// Asks for the documents of the settings of `parts`, and for those that hold rules, also where a document is what names them.
    pub(super) async fn start(
        loader: &Loader,
        parts: &NacosParts,
        rules: Vec<RuleDocument>,
    ) -> Result<Self, NacosError> {
        let mut placed = Self {
            configuration: NacosConfiguration::start(parts).await?,
            rules,
            lists: BTreeMap::new(),
        };
        let loader = loader.clone().texts(placed.texts());
        let reading = tokio::task::spawn_blocking(move || loader.load_part::<NacosStart>());
        // What is wrong is said when all of it is read.
        let Ok(Ok(mut named)) = reading.await else {
            return Ok(placed);
        };
        named.take_warnings();
        let mut more = named.into_settings().rules;
        more.retain(|rule| !placed.rules.iter().any(|known| known.is_same(rule)));
        if !more.is_empty() {
            placed.rules.extend(more);
            let mut settings = parts.settings().clone();
            ask_for(&placed.rules, &mut settings);
            placed.configuration = NacosConfiguration::start(&parts.by(settings)).await?;
        }
        Ok(placed)
    }

    /// The text of a document of rules, or the last one that was a list, with a text that says so.
    fn rules_of(&mut self, rule: &RuleDocument, name: String, text: Secret) -> Vec<YamlText> {
        let path: Vec<_> = rule.path.iter().map(String::as_str).collect();
        let key = format!("{}/{}", rule.group, rule.data_id);
        // Whoever has emptied it has taken the rules away.
        let text = match text.expose().trim().is_empty() {
            true => Secret::new("[]"),
            false => text,
        };
        let list = YamlText::new(name.clone(), text.clone());
        if list.is_list() {
            self.lists.insert(key, text);
            return vec![list.below(&path)];
        }
        let mut texts = Vec::new();
        if let Some(last) = self.lists.get(&key) {
            texts.push(YamlText::new(name.clone(), last.clone()).below(&path));
        }
        let broken = [SENTINEL_DOCUMENTS, UNREADABLE_RULES, key.as_str()];
        texts.push(YamlText::new(name, Secret::new("true")).below(&broken));
        texts
    }
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
        let mut placed = Vec::new();
        for (name, text) in self.configuration.texts() {
            let is_of =
                |rule: &&RuleDocument| name == format!("nacos {}/{}", rule.group, rule.data_id);
            match self.rules.iter().find(is_of).cloned() {
                Some(rule) => placed.extend(self.rules_of(&rule, name, text)),
                None => placed.push(YamlText::new(name, text)),
            }
        }
        placed
    }

    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.configuration.changed())
    }

    fn keep(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.configuration.keep())
    }
}
