//! The claims of a token as texts under their names on the wire.

use std::borrow::Cow;

use hallpass_token::TokenClaims;
use serde_json::Value;

/// A token whose marks are looked for.
pub(super) struct ClaimsOf<'t> {
    pub(super) claims: &'t TokenClaims,
    /// Whether its subject stands in `sub`.
    pub(super) states_subject: bool,
    /// Its client, as far as that is known already.
    pub(super) client: Option<&'t str>,
}

/// A claim is there, but is not one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOneText;

impl<'t> ClaimsOf<'t> {
    /// The text of a claim that is one, or a list of one; `None` when the claim is absent (or null).
    pub(super) fn one_text(&self, name: &str) -> Result<Option<Cow<'t, str>>, NotOneText> {
        let is_text =
            |value: &Value| matches!(value, Value::Null | Value::String(_) | Value::Array(_));
        if self.is_odd(name) || !self.claims.extra.get(name).is_none_or(is_text) {
            return Err(NotOneText);
        }
        match self.texts(name) {
            None => Ok(None),
            Some(texts) => match <[_; 1]>::try_from(texts) {
                Ok([one]) => Ok(Some(one)),
                Err(_) => Err(NotOneText),
            },
        }
    }

    /// Whether the claim is, or has in its list, what is no text: it cannot be compared with one.
    pub(super) fn is_odd(&self, name: &str) -> bool {
        match self.claims.extra.get(name) {
            Some(Value::Array(items)) => !items.iter().all(Value::is_string),
            Some(value) => value.is_object(),
            None => {
                let claims = self.claims;
                (name == "act" && claims.actor.is_some())
                    || (name == "cnf" && claims.confirmation.is_some())
            }
        }
    }

    /// The texts of a claim: of a list each of its texts, of a number or a truth value its JSON; `None` when the claim
    /// is absent (or null). An object is there, and has no text.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Cow<'t, str>>> {
        let claims = self.claims;
        let one = |text: &'t str| Some(vec![Cow::Borrowed(text)]);
        match name {
            "iss" => one(claims.issuer.as_str()),
            "sub" if !self.states_subject => None,
            "sub" => one(claims.subject.as_str()),
            "aud" => Some(
                claims
                    .audience
                    .iter()
                    .map(|it| it.as_str().into())
                    .collect(),
            ),
            "client_id" => one(claims.client_id.as_ref()?.as_str()),
            "jti" => one(claims.token_id.as_ref()?.as_str()),
            "act" => claims.actor.is_some().then(Vec::new),
            "cnf" => claims.confirmation.is_some().then(Vec::new),
            // `scp` is read as the scope where there is no `scope`, so the two are one here.
            "scope" | "scp" => {
                let words: Vec<_> = claims.scope.iter().map(Cow::Borrowed).collect();
                (!words.is_empty()).then_some(words)
            }
            _ => texts_of(claims.extra.get(name)?),
        }
    }
}

fn texts_of(value: &Value) -> Option<Vec<Cow<'_, str>>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(vec![text.into()]),
        Value::Bool(_) | Value::Number(_) => Some(vec![value.to_string().into()]),
        Value::Array(items) => Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .map(Cow::Borrowed)
                .collect(),
        ),
        Value::Object(_) => Some(Vec::new()),
    }
}
