//! Headers that travel with the work beside the identity: a tenant, a tag, a language, the number of a transaction.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

/// The headers of a request that go on with the calls made for it. Cheap to clone; an empty one holds nothing.
///
/// They come from whoever calls and prove nothing: what a caller may do is said by its token alone. An
/// [`AllowList`](super::AllowList) says which they are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Carried(Option<Arc<[(HeaderName, HeaderValue)]>>);

impl Carried {
    /// The value of a header; `name` in any case.
    ///
    /// ```
    /// use hallpass_client::context::Carried;
    ///
    /// let carried = Carried::default().with("x-tenant-id".parse()?, "north".parse()?);
    /// assert_eq!(carried.get("X-Tenant-Id").and_then(|it| it.to_str().ok()), Some("north"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        let is_it = |found: &HeaderName| found.as_str().eq_ignore_ascii_case(name);
        self.iter()
            .find_map(|(found, value)| is_it(found).then_some(value))
    }

    /// All of them, each name once.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter().flat_map(|it| it.iter())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The same, with this header in place of one of its name. Only what is on the list of allowed headers ever leaves.
    #[must_use]
    pub fn with(&self, name: HeaderName, value: HeaderValue) -> Self {
        let others = self.without(&name);
        let others = others.iter().cloned();
        others.chain([(name, value)]).collect()
    }

    /// The same without a header.
    #[must_use]
    pub fn without(&self, name: &HeaderName) -> Self {
        if self.iter().all(|(found, _)| found != name) {
            return self.clone();
        }
        let others = self.iter().filter(|(found, _)| found != name);
        others.cloned().collect()
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Carried {
    /// The last one of each name counts.
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(headers: I) -> Self {
        let mut kept: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (name, value) in headers {
            kept.retain(|(before, _)| *before != name);
            kept.push((name, value));
        }
        Self((!kept.is_empty()).then(|| kept.into()))
    }
}

/// Shows the names alone: values are of the caller's own.
impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}
