//! What keys there are.
//!
//! Each section has one table of [`Key`]s. Readers take defaults and bounds from it, unknown keys are found by it,
//! environment names are matched against it, and the reference in `docs/config.md` is written from it.

/// A key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// As it would be written in a file; `None` if nothing stands in for an absent value.
    pub(crate) default: Option<&'static str>,
    /// Told instead of a default where that is no fixed text.
    pub(crate) otherwise: &'static str,
    /// Meaning, as sentences.
    pub(crate) doc: &'static str,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// Any text; `what` says more for the reference.
    Text { what: &'static str },
    /// Text that is never shown.
    Secret,
    /// The name of a file.
    File,
    /// A whole number; `unit` may be empty.
    Whole {
        unit: &'static str,
        min: u64,
        max: u64,
    },
    /// One of a few names.
    Choice(&'static [&'static str]),
    /// A list of texts: as a YAML list, or one text with commas.
    Texts { what: &'static str },
    /// A section within the section.
    Section(&'static [Key]),
    /// A list of sections.
    Sections(&'static [Key]),
    /// A mapping from names of the user's choice to sections.
    Named(&'static [Key]),
    /// A mapping from names of the user's choice to lists of texts.
    NamedTexts { what: &'static str },
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            default: None,
            otherwise: "",
            doc,
        }
    }

    /// The value when the key is absent.
    pub(crate) const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Says in the reference what happens when the key is absent and has no default.
    pub(crate) const fn otherwise(mut self, note: &'static str) -> Self {
        self.otherwise = note;
        self
    }

    /// Says in the reference that the key has to be there.
    pub(crate) const fn required(self) -> Self {
        self.otherwise("required")
    }

    /// Keys one level down.
    pub(crate) fn children(&self) -> &'static [Self] {
        match &self.kind {
            Kind::Section(keys) | Kind::Sections(keys) | Kind::Named(keys) => keys,
            _ => &[],
        }
    }
}

impl Kind {
    /// A span of whole seconds.
    pub(crate) const fn seconds(min: u64, max: u64) -> Self {
        let unit = "seconds";
        Self::Whole { unit, min, max }
    }

    /// A span of whole milliseconds.
    pub(crate) const fn millis(min: u64, max: u64) -> Self {
        let unit = "milliseconds";
        Self::Whole { unit, min, max }
    }

    /// A share in hundredths.
    pub(crate) const fn percent(min: u64) -> Self {
        let unit = "percent";
        Self::Whole {
            unit,
            min,
            max: 100,
        }
    }

    /// A plain number.
    pub(crate) const fn count(min: u64, max: u64) -> Self {
        let unit = "";
        Self::Whole { unit, min, max }
    }
}

/// The key called `name`.
pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}
