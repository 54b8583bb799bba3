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
    lists: LastLists,
}

/// The last text of each document of rules that was a list, by group and data id: as Sentinel does, rules stay until there are others.
#[derive(Clone, Debug, Default)]
struct LastLists(BTreeMap<String, Secret>);

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
            lists: LastLists::default(),
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
}

impl LastLists {
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
            self.0.insert(key, text);
            return vec![list.below(&path)];
        }
        let mut texts = Vec::new();
        if let Some(last) = self.0.get(&key) {
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
                Some(rule) => placed.extend(self.lists.rules_of(&rule, name, text)),
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

#[cfg(test)]
mod tests {
    use hallpass_config::{Configuration, Key, MAX_SOURCE_BYTES, Section};

    use super::*;

    /// What stands below the key of all rules.
    struct Placed {
        lists: Vec<usize>,
        are_unreadable: bool,
    }

    impl Configuration for Placed {
        fn keys() -> Vec<Key> {
            Vec::new()
        }

        fn read(root: &Section<'_>) -> Option<Self> {
            let found = root.foreign(&[SENTINEL_DOCUMENTS])?;
            let flow = found.get("flow").into_iter();
            let flow: Vec<_> = flow
                .flat_map(|it| it.entries().collect::<Vec<_>>())
                .collect();
            let lists = flow.iter().map(|(_, list)| list.items().map(|it| it.len()));
            Some(Self {
                lists: lists.collect::<Option<_>>()?,
                are_unreadable: found.get(UNREADABLE_RULES).is_some(),
            })
        }
    }

    /// How many rules are in effect, and whether it is said that the text cannot be read. What is wrong with the configuration panics.
    fn published(lists: &mut LastLists, text: &str) -> (Vec<usize>, bool) {
        let rule = RuleDocument {
            group: "G".to_owned(),
            data_id: "x".to_owned(),
            path: [SENTINEL_DOCUMENTS, "flow", "G/x"]
                .map(str::to_owned)
                .into(),
        };
        let texts = lists.rules_of(&rule, "nacos G/x".to_owned(), Secret::new(text));
        let nothing: [(&str, &str); 0] = [];
        let loader = Loader::new("hallpass").environment(nothing).texts(texts);
        let placed = loader.load::<Placed>().unwrap().into_settings();
        (placed.lists, placed.are_unreadable)
    }

    #[test]
    fn a_document_that_no_loader_takes_leaves_the_rules_that_were_there_and_stops_no_reload() {
        let huge = format!("[{}]", " ".repeat(MAX_SOURCE_BYTES));
        for broken in [huge.as_str(), "[{", "{}", "7", "[1]\n---\n[2]"] {
            let mut lists = LastLists::default();
            assert_eq!(published(&mut lists, broken), (vec![], true));
            assert_eq!(published(&mut lists, "[{}, {}]"), (vec![2], false));
            assert_eq!(published(&mut lists, broken), (vec![2], true));
            assert_eq!(published(&mut lists, "[{}]"), (vec![1], false));
        }
    }

    #[test]
    fn whoever_empties_a_document_takes_its_rules_away() {
        let mut lists = LastLists::default();
        assert_eq!(published(&mut lists, "[{}]"), (vec![1], false));
        assert_eq!(published(&mut lists, " \n"), (vec![0], false));
        assert_eq!(published(&mut lists, "[{"), (vec![0], true));
    }
}
