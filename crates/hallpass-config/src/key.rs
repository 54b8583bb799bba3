//! The keys of a section.
//!
//! Each section has one table of [`Key`]s. Readers take defaults and bounds from it, unknown keys are found by it,
//! environment names are matched against it, and the reference page is written from it.

/// A key of a section: its name, what it holds, what stands in for it, and its meaning.
///
/// Names are kebab-case, with the unit at their end (`-seconds`, `-ms`). The meaning is written as sentences, in the
/// Markdown of a table cell.
///
/// ```
/// use hallpass_config::{Key, Kind};
///
/// const KEYS: &[Key] = &[
///     Key::new("token-url", Kind::Text { what: "an https URL" }, "Where tokens are asked for.").required(),
///     Key::new("leeway-seconds", Kind::seconds(0, 300), "How far clocks may differ.").or("10"),
/// ];
/// # assert_eq!(KEYS[1].name(), "leeway-seconds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    name: &'static str,
    kind: Kind,
    /// As it would be written in a file; `None` if nothing stands in for an absent value.
    default: Option<&'static str>,
    /// Shown instead of a default that is not a fixed text.
    otherwise: &'static str,
    /// Meaning, as sentences.
    doc: &'static str,
    /// Of a section: the key in it that is meant when a single value stands in its place.
    main_key: Option<&'static str>,
    /// Of a section: whether other programs may have keys of their own in it.
    is_shared: bool,
    /// Of a list of sections: the key of theirs whose values differ.
    told_apart_by: Option<&'static str>,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// Any text.
    Text {
        /// Says more for the reference; may be empty.
        what: &'static str,
    },
    /// Text that is never shown. Beside it belongs a key of the same name with `-file` at its end, a [`Kind::File`].
    Secret,
    /// The name of a file, seen from the folder of the file that names it.
    File,
    /// A whole number from `min` to `max`.
    Whole {
        /// Such as `seconds`; may be empty.
        unit: &'static str,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// One of these names.
    Choice(&'static [&'static str]),
    /// A list of texts: as a YAML list, or one text with commas.
    Texts {
        /// Says for the reference what they are.
        what: &'static str,
    },
    /// A section within the section.
    Section(&'static [Key]),
    /// A list of sections.
    Sections(&'static [Key]),
    /// A mapping from names of the user's choice to sections.
    Named(&'static [Key]),
    /// A mapping from names of the user's choice to lists of texts.
    NamedTexts {
        /// Says for the reference what they are.
        what: &'static str,
    },
    /// A section that another program or another part of this one reads. See [`Key::elsewhere`].
    Elsewhere,
    /// A key of another product. See [`Key::not_ours`].
    NotOurs,
}

impl Key {
    /// A key that may be absent and has no default.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            default: None,
            otherwise: "",
            doc,
            main_key: None,
            is_shared: false,
            told_apart_by: None,
        }
    }

    /// A section below the prefix that is known but not read here: its content is not looked at, unset
    /// placeholders included. It is not part of the reference.
    ///
    /// A [`Configuration`](crate::Configuration) that also has a key of this name with another kind reads it.
    #[must_use]
    pub const fn elsewhere(name: &'static str) -> Self {
        Self::new(name, Kind::Elsewhere, "")
    }

    /// A key that others have and that people write here, because they come from another product or took the wrong section.
    /// It is a problem that goes on with `advice`: what to write in place of it, or that nothing is needed. Where other programs may
    /// have keys of their own it is a warning. It is not part of the reference.
    ///
    /// ```
    /// use hallpass_config::{Configuration, Key, Kind, Loader, Section};
    ///
    /// struct Client;
    /// const KEYS: &[Key] = &[
    ///     Key::new("grant-types", Kind::Texts { what: "" }, "How it may ask."),
    ///     Key::not_ours("authorization-grant-types", "here it is `grant-types`"),
    /// ];
    /// impl Configuration for Client {
    ///     fn keys() -> Vec<Key> { vec![Key::new("client", Kind::Section(KEYS), "")] }
    ///     fn read(root: &Section<'_>) -> Option<Self> { root.section("client"); Some(Self) }
    /// }
    /// let yaml = "my-app: { client: { authorization-grant-types: x } }";
    /// let problems = Loader::new("my-app").text("a.yaml", yaml).load::<Client>().map(|_| ()).unwrap_err();
    /// assert_eq!(
    ///     problems.to_string(),
    ///     "a.yaml:1:21: my-app.client.authorization-grant-types: is not a known key; here it is `grant-types`"
    /// );
    /// ```
    #[must_use]
    pub const fn not_ours(name: &'static str, advice: &'static str) -> Self {
        Self::new(name, Kind::NotOurs, advice)
    }

    /// The value when the key is absent, as it would be written in a file.
    ///
    /// It is read like one from a file. A default that cannot be read counts as absent, so that a test should load
    /// the section from nothing.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Says in the reference what happens when the key is absent and has no default.
    #[must_use]
    pub const fn otherwise(mut self, note: &'static str) -> Self {
        self.otherwise = note;
        self
    }

    /// Says in the reference that the key has to be there. What checks it is
    /// [`Section::required`](crate::Section::required).
    #[must_use]
    pub const fn required(self) -> Self {
        self.otherwise("required")
    }

    /// Of a section: a single value in its place is the value of its key `main_key`, as in `internal-jwt: true`.
    #[must_use]
    pub const fn or_value_of(mut self, main_key: &'static str) -> Self {
        self.main_key = Some(main_key);
        self
    }

    /// Of a section: other programs may have keys of their own in it, which are left alone unless they are nearly one
    /// of ours. The root always is such a section.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// Of a list of sections: the key of theirs by which they are told apart, so that a sealed secret belongs to an entry
    /// and not to its number in the list. What checks that the values differ is
    /// [`report_doubles`](crate::report_doubles).
    #[must_use]
    pub const fn told_apart_by(mut self, key: &'static str) -> Self {
        self.told_apart_by = Some(key);
        self
    }

    /// The name in files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What stands in for an absent value.
    pub(crate) const fn default(&self) -> Option<&'static str> {
        self.default
    }

    /// What the reference says in place of a default.
    pub(crate) const fn otherwise_note(&self) -> &'static str {
        self.otherwise
    }

    /// Its meaning.
    pub(crate) const fn doc(&self) -> &'static str {
        self.doc
    }

    /// Keys one level down.
    pub(crate) fn children(&self) -> &'static [Self] {
        match self.kind {
            Kind::Section(keys) | Kind::Sections(keys) | Kind::Named(keys) => keys,
            _ => &[],
        }
    }

    /// The key that a single value in place of the section stands for.
    pub(crate) const fn main_key(&self) -> Option<&'static str> {
        self.main_key
    }

    pub(crate) const fn key_of_entries(&self) -> Option<&'static str> {
        self.told_apart_by
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        self.kind == Kind::Elsewhere
    }

    pub(crate) fn is_not_ours(&self) -> bool {
        self.kind == Kind::NotOurs
    }
}

impl Kind {
    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(min: u64, max: u64) -> Self {
        let unit = "seconds";
        Self::Whole { unit, min, max }
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn millis(min: u64, max: u64) -> Self {
        let unit = "milliseconds";
        Self::Whole { unit, min, max }
    }

    /// A share in hundredths, at most 100.
    #[must_use]
    pub const fn percent(min: u64) -> Self {
        let unit = "percent";
        Self::Whole {
            unit,
            min,
            max: 100,
        }
    }

    /// A plain number. One that [`Section::count`](crate::Section::count) reads must fit into 32 bits.
    #[must_use]
    pub const fn count(min: u64, max: u64) -> Self {
        let unit = "";
        Self::Whole { unit, min, max }
    }
}

/// The key called `name`.
pub(crate) fn find<'k>(keys: &'k [Key], name: &str) -> Option<&'k Key> {
    keys.iter().find(|key| key.name == name)
}

/// The names that may be meant by one that is none.
pub(crate) fn names(keys: &[Key]) -> impl Iterator<Item = &'static str> {
    keys.iter()
        .filter(|key| !key.is_not_ours())
        .map(|key| key.name)
}

/// Each name once: a section that is read wins over one that is only known.
pub(crate) fn without_doubles(keys: Vec<Key>) -> Vec<Key> {
    let mut known: Vec<Key> = Vec::with_capacity(keys.len());
    for key in keys {
        match known.iter_mut().find(|known| known.name == key.name) {
            Some(known) if known.is_elsewhere() => *known = key,
            Some(_) => {}
            None => known.push(key),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_read_wins_over_the_same_elsewhere() {
        let read = Key::new("a", Kind::Flag, "");
        for keys in [[Key::elsewhere("a"), read], [read, Key::elsewhere("a")]] {
            assert_eq!(without_doubles(keys.to_vec()), [read]);
        }
    }
}
