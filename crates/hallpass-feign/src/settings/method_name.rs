//! How the configuration names a method.

use std::fmt;
use std::str::FromStr;

use crate::spec::{MethodSpec, Verb};

/// A method of a declared client, as `methods` of its section names it: verb and path as the trait has them, with the
/// trait's own `path` in front.
///
/// ```
/// use hallpass_feign::MethodName;
///
/// let name: MethodName = "GET /orders/{order_id}/shipments".parse()?;
/// assert_eq!(name.to_string(), "GET /orders/{order_id}/shipments");
/// assert!("shipments".parse::<MethodName>().is_err());
/// # Ok::<(), hallpass_feign::InvalidMethodName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodName(Box<str>);

/// No verb and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no method; write verb and path as the trait has them, such as `GET /orders/{{order_id}}`"
)]
pub struct InvalidMethodName;

const VERBS: [Verb; 7] = [
    Verb::Get,
    Verb::Post,
    Verb::Put,
    Verb::Patch,
    Verb::Delete,
    Verb::Head,
    Verb::Options,
];

impl MethodName {
    pub(crate) fn of(method: &MethodSpec) -> Self {
        Self(format!("{} {}", method.verb.as_str(), method.template).into())
    }
}

impl FromStr for MethodName {
    type Err = InvalidMethodName;

    fn from_str(text: &str) -> Result<Self, InvalidMethodName> {
        let (verb, path) = text.split_once(' ').ok_or(InvalidMethodName)?;
        let is_verb = VERBS.iter().any(|known| known.as_str() == verb);
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_verb || !is_plain || !path.starts_with('/') {
            return Err(InvalidMethodName);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
