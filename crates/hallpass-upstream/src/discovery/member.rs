//! One instance of a service, with what a choice may go by.

use std::sync::Arc;

use super::instance::Instance;

/// One instance of a service, with what a choice may go by beside how it is doing.
///
/// ```
/// use hallpass_upstream::Member;
///
/// let member = Member::new("10.0.0.1:8080".parse()?, 3).zone("hz-a").tag("version", "gray");
/// assert_eq!(member.tagged("version"), Some("gray"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Where it is called.
    pub instance: Instance,
    /// Its share of the calls, beside others: see [`Instances::weighted`](crate::Instances::weighted).
    pub weight: u32,
    /// The zone it runs in, such as `hz-a`; `None` when nobody said.
    pub zone: Option<Arc<str>>,
    /// The cluster it is registered in, in a discovery that has clusters.
    pub cluster: Option<Arc<str>>,
    /// What else discovery says of it: names and values. Which of them is the gray tag, says [`Place::gray`](crate::Place::gray).
    pub tags: Arc<[(Box<str>, Box<str>)]>,
}

impl Member {
    /// An instance of which nothing more is known.
    #[must_use]
    pub fn new(instance: Instance, weight: u32) -> Self {
        Self {
            instance,
            weight,
            zone: None,
            cluster: None,
            tags: Arc::default(),
        }
    }

    /// The same, in a zone.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// The same, registered in a cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: &str) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// The same, with another tag. A second value of one name is not looked at.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        let tags = self.tags.iter().cloned();
        self.tags = tags.chain([(key.into(), value.into())]).collect();
        self
    }

    /// The value of a tag.
    #[must_use]
    pub fn tagged(&self, key: &str) -> Option<&str> {
        let mut tags = self.tags.iter();
        let (_, value) = tags.find(|(name, _)| **name == *key)?;
        Some(value)
    }
}
