//! Secrets that stand sealed.

use hallpass_token::SealedValue;

use super::{Found, Section};
use crate::key::{Key, Kind};
use crate::node::Node;
use crate::sealing::{self, Keyring};
use crate::secret::Secret;

impl<'a> Section<'a> {
    /// The same section, whose sealed secrets `keyring` opens.
    pub(crate) fn opened_by(mut self, keyring: &'a Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// What the secret `key` of this section is sealed for.
    pub(super) fn place_of_seal(&self, key: &str) -> String {
        match self.place_of_seals.as_str() {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        }
    }

    /// The text of a value; of a sealed secret, what is in it.
    pub(super) fn clear_text(&self, key: &str, found: &Found<'a>) -> Option<Secret> {
        let text = self.scalar(found.node, &found.path)?;
        if self.key(key).map(Key::kind) != Some(&Kind::Secret) {
            return self.not_sealed(found.node, &found.path, text).cloned();
        }
        let problem = match sealing::foreign_form(text.expose()) {
            Some(message) => Some(message.to_owned()),
            None if !SealedValue::is_marked(text.expose()) => return Some(text.clone()),
            None => {
                let none = Keyring::default();
                let keyring = self.keyring.unwrap_or(&none);
                match keyring.open(text.expose(), &found.place_of_seal) {
                    Ok(secret) => return Some(secret),
                    Err(problem) => problem,
                }
            }
        };
        if let Some(message) = problem {
            self.report.problem(&found.node.place, &found.path, message);
        }
        None
    }

    /// `text`, unless it is sealed.
    fn not_sealed(&self, node: &Node, path: &str, text: &'a Secret) -> Option<&'a Secret> {
        if !SealedValue::is_marked(text.expose()) {
            return Some(text);
        }
        let message = "is sealed, which only secrets can be";
        self.report.problem(&node.place, path, message);
        None
    }

    /// The text of what cannot be sealed.
    pub(super) fn text_of(&self, node: &'a Node, path: &str) -> Option<&'a Secret> {
        let text = self.scalar(node, path)?;
        self.not_sealed(node, path, text)
    }
}
