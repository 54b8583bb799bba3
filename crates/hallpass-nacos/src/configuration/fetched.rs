//! The documents as of one look.

use hallpass_config::Secret;
use serde::{Deserialize, Serialize};

use crate::documents::{Found, NacosDocuments};
use crate::error::NacosError;
use crate::properties;
use crate::settings::DocumentSettings;

/// All documents, in their order.
pub(crate) struct Fetched {
    documents: Vec<Document>,
    is_from_disk: bool,
}

struct Document {
    data_id: String,
    group: String,
    /// `None`: it may be absent, and is.
    found: Option<Found>,
}

/// A document in a snapshot. Its text stands there as it is: see the mode of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    data_id: String,
    group: String,
    text: Option<String>,
}

impl Fetched {
    /// What is there now. Of documents that are not followed, those of `before` stay.
    pub(super) async fn fetch(
        from: &NacosDocuments,
        wanted: &[DocumentSettings],
        before: Option<&Self>,
    ) -> Result<Self, NacosError> {
        let mut documents = Vec::with_capacity(wanted.len());
        for (place, it) in wanted.iter().enumerate() {
            let kept = before.and_then(|before| before.documents.get(place));
            let found = match kept {
                Some(kept) if !it.refresh => kept.found.as_ref().map(|found| Found {
                    text: found.text.clone(),
                    md5: found.md5.clone(),
                }),
                _ => from.find(&it.data_id, &it.group).await?,
            };
            if found.is_none() && !it.optional {
                return Err(NacosError::NoDocument {
                    document: name(&it.data_id, &it.group).into(),
                });
            }
            documents.push(Document {
                data_id: it.data_id.clone(),
                group: it.group.clone(),
                found,
            });
        }
        Ok(Self {
            documents,
            is_from_disk: false,
        })
    }

    /// `None` when they are not those that are wanted now.
    pub(super) fn from_entries(entries: Vec<Entry>, wanted: &[DocumentSettings]) -> Option<Self> {
        let is_wanted = |entry: &Entry, it: &DocumentSettings| {
            entry.data_id == it.data_id
                && entry.group == it.group
                && (entry.text.is_some() || it.optional)
        };
        let all = entries
            .iter()
            .zip(wanted)
            .all(|(entry, it)| is_wanted(entry, it));
        if entries.len() != wanted.len() || !all {
            return None;
        }
        // Without a digest the first look asks for it.
        let found = |text: String| Found {
            text: Secret::new(text),
            md5: String::new(),
        };
        let document = |entry: Entry| Document {
            data_id: entry.data_id,
            group: entry.group,
            found: entry.text.map(found),
        };
        Some(Self {
            documents: entries.into_iter().map(document).collect(),
            is_from_disk: true,
        })
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |document: &Document| Entry {
            data_id: document.data_id.clone(),
            group: document.group.clone(),
            text: document
                .found
                .as_ref()
                .map(|found| found.text.expose().to_owned()),
        };
        self.documents.iter().map(entry).collect()
    }

    pub(super) const fn is_from_disk(&self) -> bool {
        self.is_from_disk
    }

    /// Name and text of each that is there.
    pub(super) fn texts(&self) -> Vec<(String, Secret)> {
        let text = |document: &Document| {
            let found = document.found.as_ref()?;
            let text = match document.data_id.ends_with(".properties") {
                true => Secret::new(properties::properties_as_yaml(found.text.expose())),
                false => found.text.clone(),
            };
            Some((name(&document.data_id, &document.group), text))
        };
        self.documents.iter().filter_map(text).collect()
    }

    /// Data id, group and digest of those that are followed.
    pub(super) fn followed<'a>(
        &'a self,
        wanted: &'a [DocumentSettings],
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let both = self.documents.iter().zip(wanted);
        both.filter(|(_, it)| it.refresh).map(|(document, _)| {
            let md5 = document.found.as_ref().map_or("", |found| &*found.md5);
            (&*document.data_id, &*document.group, md5)
        })
    }

    pub(super) fn is_another_than(&self, before: &Self) -> bool {
        self.changed(before).next().is_some()
    }

    pub(super) fn names_of_changed(&self, before: &Self) -> String {
        let names: Vec<_> = self.changed(before).collect();
        names.join(", ")
    }

    fn changed<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let text = |document: &'a Document| document.found.as_ref().map(|it| it.text.expose());
        let both = self.documents.iter().zip(&before.documents);
        both.filter(move |(now, before)| text(now) != text(before))
            .map(|(now, _)| &*now.data_id)
    }
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.documents.iter().map(|it| name(&it.data_id, &it.group));
        f.debug_set().entries(names).finish()
    }
}

/// How a document is called in problems and origins.
fn name(data_id: &str, group: &str) -> String {
    format!("nacos {group}/{data_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(data_id: &str, text: Option<&str>) -> Entry {
        Entry {
            data_id: data_id.to_owned(),
            group: "DEFAULT_GROUP".to_owned(),
            text: text.map(str::to_owned),
        }
    }

    #[test]
    fn a_snapshot_of_other_documents_is_not_used() {
        let wanted = [
            DocumentSettings::new("a.yaml"),
            DocumentSettings::new("b.yaml"),
        ];
        let usable = |entries| Fetched::from_entries(entries, &wanted).is_some();
        assert!(usable(vec![
            entry("a.yaml", Some("")),
            entry("b.yaml", Some(""))
        ]));
        assert!(!usable(vec![
            entry("b.yaml", Some("")),
            entry("a.yaml", Some(""))
        ]));
        assert!(!usable(vec![entry("a.yaml", Some(""))]));
        assert!(!usable(vec![
            entry("a.yaml", Some("")),
            entry("b.yaml", None)
        ]));
    }

    #[test]
    fn no_text_of_a_document_is_shown() {
        let wanted = [DocumentSettings::new("a.yaml")];
        let entries = vec![entry("a.yaml", Some("InternalSecret123!"))];
        let fetched = Fetched::from_entries(entries, &wanted).unwrap();
        assert_eq!(format!("{fetched:?}"), "{\"nacos DEFAULT_GROUP/a.yaml\"}");
    }
}
