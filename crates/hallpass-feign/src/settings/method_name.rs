//! How the configuration names a method.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::spec::{MethodSpec, Verb};

/// A method of a declared client, as `methods` of its section names it: verb and path as the trait has them, with the
/// trait's own `path` in front. What stands in braces does not count where names are compared: `{orderId}` of an interface in Java is
/// `{order_id}` in a trait.
///
/// ```
/// use hallpass_feign::MethodName;
///
/// let name: MethodName = "GET /orders/{order_id}/shipments".parse()?;
/// assert_eq!(name.to_string(), "GET /orders/{order_id}/shipments");
/// assert_eq!(name, "GET /orders/{orderId}/shipments".parse()?);
/// assert!("shipments".parse::<MethodName>().is_err());
/// # Ok::<(), hallpass_feign::InvalidMethodName>(())
/// ```
#[derive(Clone, Debug)]
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

    /// The same with a slash at the end of the path; `None` where there is one.
    pub(crate) fn with_slash(&self) -> Option<Self> {
        (!self.0.ends_with('/')).then(|| Self(format!("{}/", self.0).into()))
    }
}

impl MethodName {
    /// Without what stands in braces, which may have braces of its own (`{id:[0-9]{3}}`).
    fn compared(&self) -> impl Iterator<Item = char> {
        let mut depth = 0_usize;
        self.0.chars().filter(move |sign| {
            let before = depth;
            match sign {
                '{' => depth = depth.saturating_add(1),
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            before == 0 || depth == 0
        })
    }
}

impl PartialEq for MethodName {
    fn eq(&self, other: &Self) -> bool {
        self.compared().eq(other.compared())
    }
}

impl Eq for MethodName {}

impl PartialOrd for MethodName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MethodName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compared().cmp(other.compared())
    }
}

impl Hash for MethodName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.compared().for_each(|sign| sign.hash(state));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_braces_does_not_count() {
        let name = |text: &str| text.parse::<MethodName>().unwrap();
        let ours = name("GET /orders/{order_id}/shipments/{no}");
        for theirs in [
            "GET /orders/{orderId}/shipments/{no}",
            "GET /orders/{}/shipments/{shipmentNo:[0-9]{3}}",
        ] {
            assert_eq!(ours, name(theirs));
            assert_eq!(ours.cmp(&name(theirs)), Ordering::Equal);
        }
        for other in [
            "POST /orders/{order_id}/shipments/{no}",
            "GET /orders/{order_id}/shipments",
            "GET /orders/7/shipments/{no}",
            "GET /orders/{order_id}/shipments/{no}/",
        ] {
            assert_ne!(ours, name(other));
        }
    }
}
