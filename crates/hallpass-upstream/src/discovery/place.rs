//! Where this process is among the instances that it calls.

use std::sync::Arc;

use super::member::Member;

/// What a choice of instances goes by beside the instances themselves: where this process is, and what marks an instance
/// that is not for everybody.
///
/// ```
/// use hallpass_upstream::Place;
///
/// let place = Place::default().in_zone("hz-a").gray_by("version");
/// assert_eq!(place.zone.as_deref(), Some("hz-a"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The zone of this process: instances in it are called first. `None`: no zone comes first.
    pub zone: Option<Arc<str>>,
    /// The cluster of this process. It counts for instances that name a cluster and, where this process or they name none, no
    /// zone.
    pub cluster: Option<Arc<str>>,
    /// The name of the tag whose value marks an instance for the calls that wish for it; `None`: all instances are for all
    /// calls. See [`Wish`](crate::Wish).
    pub gray: Option<Arc<str>>,
    /// Values of that tag that mark nothing: what an estate that marks all instances writes on those of the usual version.
    pub stable: Arc<[String]>,
}

impl Place {
    /// The same, in a zone.
    #[must_use]
    pub fn in_zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// The same, in a cluster.
    #[must_use]
    pub fn in_cluster(mut self, cluster: &str) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// The same, with the tag of this name as the mark.
    #[must_use]
    pub fn gray_by(mut self, tag: &str) -> Self {
        self.gray = Some(tag.into());
        self
    }

    /// The same, with values of that tag that mark nothing.
    #[must_use]
    pub fn stable_as<'v>(mut self, values: impl IntoIterator<Item = &'v str>) -> Self {
        self.stable = values.into_iter().map(str::to_owned).collect();
        self
    }

    /// What marks an instance as one that is not for every call, if anything does.
    pub(crate) fn mark<'m>(&self, member: &'m Member) -> Option<&'m str> {
        let mark = member.tagged(self.gray.as_ref()?)?;
        let is_mark = !mark.is_empty() && !self.stable.iter().any(|stable| stable == mark);
        is_mark.then_some(mark)
    }

    /// Whether an instance is in the zone of this process; where one of both names no zone, in its cluster.
    pub(crate) fn holds(&self, member: &Member) -> bool {
        match (&self.zone, &member.zone) {
            (Some(own), Some(zone)) => own == zone,
            _ => self.cluster.is_some() && self.cluster == member.cluster,
        }
    }
}
