//! What a call wants of the instance it goes to.

/// What a call wants of the instance beside that it is well; [`Wish::default`] wants nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wish<'a> {
    /// The value of the tag that marks instances ([`Place::gray`](crate::Place::gray)), such as `gray`. An instance without
    /// the tag takes the call when no instance with this value can.
    pub tag: Option<&'a str>,
}

impl<'a> Wish<'a> {
    /// An instance with this value of the tag.
    #[must_use]
    pub const fn tagged(tag: &'a str) -> Self {
        Self { tag: Some(tag) }
    }
}
