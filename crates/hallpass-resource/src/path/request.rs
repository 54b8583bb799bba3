//! The path of a request at the place where the layer stands.

use super::escape::EncodedCharacters;
use super::fault::PathFault;
use super::normal::NormalPath;

/// The path that a caller wrote, and what a nest has left of it.
///
/// axum's `nest` and `nest_service` take their prefix away from what is below them, and leave the whole path beside the
/// request (`OriginalUri`, an extension: nothing on the wire becomes one). Rules are for the whole path.
#[derive(Clone, Debug)]
pub(crate) struct RequestPath<'a> {
    whole: NormalPath<'a>,
    below_nest: Option<NormalPath<'a>>,
    prefix_segments: usize,
}

impl<'a> RequestPath<'a> {
    /// `original` is what was routed, if a router has run; `seen` is what the request has now.
    ///
    /// # Errors
    /// The first fault of either, or [`PathFault::Rewritten`] if one is not the end of the other.
    pub(crate) fn parse(
        original: Option<&'a str>,
        seen: &'a str,
        allowed: EncodedCharacters,
    ) -> Result<Self, PathFault> {
        let original = original.unwrap_or(seen);
        let whole = NormalPath::parse_allowing(original, allowed)?;
        if original == seen {
            return Ok(Self {
                whole,
                below_nest: None,
                prefix_segments: 0,
            });
        }
        let below = NormalPath::parse_allowing(seen, allowed)?;
        // For the prefix itself, a nest leaves a slash that was not there.
        let prefix = match original.strip_suffix(seen) {
            Some(prefix) => prefix,
            None if seen == "/" => original,
            None => return Err(PathFault::Rewritten),
        };
        Ok(Self {
            whole,
            below_nest: Some(below),
            prefix_segments: prefix.split('/').skip(1).count(),
        })
    }

    /// The whole path, as the caller wrote it.
    pub(crate) fn whole(&self) -> &NormalPath<'a> {
        &self.whole
    }

    /// What routes below the nest see, if there is one.
    pub(crate) fn below_nest(&self) -> Option<&NormalPath<'a>> {
        self.below_nest.as_ref()
    }

    /// How many segments a nest has taken away.
    pub(crate) fn prefix_segments(&self) -> usize {
        self.prefix_segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(original: &str, seen: &str) -> Result<(String, Option<String>, usize), PathFault> {
        let path = RequestPath::parse(Some(original), seen, EncodedCharacters::default())?;
        let below = path.below_nest().map(|it| it.as_str().to_owned());
        Ok((
            path.whole().as_str().to_owned(),
            below,
            path.prefix_segments(),
        ))
    }

    #[test]
    fn a_nest_takes_the_beginning_of_a_path_and_nothing_else() {
        let is = |whole: &str, below: Option<&str>, segments| {
            Ok((whole.to_owned(), below.map(str::to_owned), segments))
        };
        assert_eq!(read("/a/b", "/a/b"), is("/a/b", None, 0));
        assert_eq!(read("/api/a/b", "/a/b"), is("/api/a/b", Some("/a/b"), 1));
        assert_eq!(read("/api/v1/a", "/a"), is("/api/v1/a", Some("/a"), 2));
        assert_eq!(read("/api", "/"), is("/api", Some("/"), 1));
        assert_eq!(read("/api/", "/"), is("/api/", Some("/"), 1));
        assert_eq!(read("/api/a", "/b"), Err(PathFault::Rewritten));
        assert_eq!(read("/a", "/a/b"), Err(PathFault::Rewritten));
        assert_eq!(read("/api/a", "/a/../a"), Err(PathFault::DotSegment));
    }
}
