//! A configuration with those that it is based on.

use hallpass_config::{Foreign, Trial};

/// A configuration with those that it is based on, the nearest first.
pub(in super::super) struct Effective<'a> {
    pub(super) layers: Vec<Foreign<'a>>,
}

impl<'a> Effective<'a> {
    /// The same, read within `trial`.
    pub(super) fn within<'b>(&self, trial: &'b Trial) -> Effective<'b>
    where
        'a: 'b,
    {
        let layers = self.layers.iter().map(|layer| layer.within(trial));
        Effective {
            layers: layers.collect(),
        }
    }

    /// Says what is wrong with it as a whole.
    pub(in super::super) fn problem(&self, message: &str) {
        if let Some(own) = self.layers.first() {
            own.problem(message);
        }
    }

    /// What the nearest one says.
    pub(in super::super) fn get(&self, key: &str) -> Option<Foreign<'a>> {
        self.layers.iter().find_map(|layer| layer.get(key))
    }

    /// A whole number; what is none is a problem.
    pub(in super::super) fn number(&self, key: &str) -> Option<u64> {
        let found = self.get(key)?;
        let number = found.text()?.parse().ok();
        if number.is_none() {
            found.problem("must be a whole number");
        }
        number
    }

    pub(in super::super) fn is_true(&self, key: &str) -> bool {
        let text = self.get(key).and_then(|found| found.text());
        text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}
