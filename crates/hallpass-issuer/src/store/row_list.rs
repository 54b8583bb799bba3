//! The list of the rows that this issuer wrote, sealed: what else stands in the tables is not believed.
//!
//! A digest for every key and every client, with all that belongs to it. So a row that was written, changed, taken
//! away or brought back by somebody who can write the file, but does not have the sealing key, stops the start.
//! What is not noticed: the whole file put back to an older state of itself.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::{Sealer, SealingError};
use serde::Serialize;

/// Tables whose rows are listed; a client's audiences, grants and secrets belong to its row.
/// Instead of a digest, when several rows have one name: the file need not keep its own constraints. It is no row's.
const TWICE: &str = "twice";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    SigningKeys,
    Clients,
    CertificateAuthorities,
}

impl Table {
    /// The name of its sealed list in `store_meta`; the seal is bound to it.
    pub(super) const fn list_name(self) -> &'static str {
        match self {
            Self::SigningKeys => "rows_of_signing_keys",
            Self::Clients => "rows_of_clients",
            Self::CertificateAuthorities => "rows_of_certificate_authorities",
        }
    }

    /// Whether a store may have no list of it, which then is an empty one: older versions made none. Nobody can take one away, since all
    /// lists are under one seal.
    pub(super) const fn may_be_unlisted(self) -> bool {
        matches!(self, Self::CertificateAuthorities)
    }

    const fn one_row(self) -> &'static str {
        match self {
            Self::SigningKeys => "signing key",
            Self::Clients => "client",
            Self::CertificateAuthorities => "certificate authority",
        }
    }
}

/// The digest of each row by its primary key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RowList(BTreeMap<String, String>);

impl RowList {
    /// The list of `rows`; `content` is all of a row that is believed.
    pub(super) fn of<R>(
        rows: &[R],
        id: impl Fn(&R) -> &str,
        content: impl Fn(&R) -> String,
    ) -> Self {
        let mut list = BTreeMap::new();
        for row in rows {
            let digest = digest::digest(&digest::SHA256, content(row).as_bytes());
            let digest = BASE64URL.encode(digest);
            let earlier = list.insert(id(row).to_owned(), digest);
            if earlier.is_some() {
                list.insert(id(row).to_owned(), TWICE.to_owned());
            }
        }
        Self(list)
    }

    /// # Errors
    /// The error of the library.
    pub(super) fn seal(&self, sealer: &Sealer, table: Table) -> Result<String, SealingError> {
        sealer.seal(json(&self.0).as_bytes(), table.list_name().as_bytes())
    }

    /// `None` when it was not sealed by `sealer` for this table.
    pub(super) fn open(sealer: &Sealer, table: Table, sealed: &str) -> Option<Self> {
        let text = sealer.open(sealed, table.list_name().as_bytes())?;
        serde_json::from_slice(&text).ok().map(Self)
    }

    /// What somebody did to the rows `found`, if this is what was sealed.
    pub(super) fn problem(&self, found: &Self, table: Table) -> Option<String> {
        let row = table.one_row();
        let foreign = found.0.keys().find(|id| !self.0.contains_key(*id));
        if let Some(id) = foreign {
            return Some(format!("{row} {id:?} was not written by this issuer"));
        }
        let missing = self.0.keys().find(|id| !found.0.contains_key(*id));
        if let Some(id) = missing {
            return Some(format!("{row} {id:?} was taken away from outside"));
        }
        let changed = self
            .0
            .iter()
            .find(|(id, digest)| *digest == TWICE || found.0.get(*id) != Some(*digest));
        changed.map(|(id, _)| format!("{row} {id:?} was changed from outside"))
    }
}

/// `value` as JSON, in which no two different values look alike.
pub(super) fn json(value: &impl Serialize) -> String {
    // Maps with text as keys, lists, texts and whole numbers: nothing that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: &[(&str, &str)]) -> RowList {
        RowList::of(rows, |row| row.0, |row| row.1.to_owned())
    }

    #[test]
    fn each_kind_of_difference_is_told_with_its_row() {
        let sealed = list(&[("a", "1"), ("b", "2")]);
        let problem = |rows: &[(&str, &str)]| sealed.problem(&list(rows), Table::Clients);
        assert_eq!(problem(&[("b", "2"), ("a", "1")]), None);
        for (rows, words) in [
            (
                &[("a", "1"), ("b", "2"), ("c", "3")][..],
                "client \"c\" was not written",
            ),
            (&[("a", "1")], "client \"b\" was taken away"),
            (&[("a", "1"), ("b", "3")], "client \"b\" was changed"),
            (
                &[("a", "3"), ("a", "1"), ("b", "2")],
                "client \"a\" was changed",
            ),
        ] {
            let said = problem(rows).unwrap();
            assert!(said.starts_with(words), "{said}");
        }
        let twice = list(&[("a", "1"), ("a", "1")]);
        assert!(twice.problem(&twice, Table::Clients).is_some());
    }

    #[test]
    fn a_list_opens_with_its_own_key_and_for_its_own_table_alone() {
        let sealer = |salt: &[u8]| Sealer::derive(&"k".repeat(32), salt, "test").unwrap();
        let rows = list(&[("a", "1")]);
        let sealed = rows.seal(&sealer(b"one"), Table::Clients).unwrap();
        assert_eq!(
            RowList::open(&sealer(b"one"), Table::Clients, &sealed),
            Some(rows)
        );
        assert_eq!(
            RowList::open(&sealer(b"one"), Table::SigningKeys, &sealed),
            None
        );
        assert_eq!(
            RowList::open(&sealer(b"two"), Table::Clients, &sealed),
            None
        );
    }
}
