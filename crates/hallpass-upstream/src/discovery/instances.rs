//! The addresses of one service.

use std::sync::Arc;

use super::instance::Instance;

/// The instances of one service with a weight each; shared, because every call reads them.
///
/// A discovery that watches its source hands out clones of the same list until the source changes: comparing two clones
/// costs one comparison of pointers.
#[derive(Clone, Debug)]
pub struct Instances {
    weighted: Arc<[(Instance, u32)]>,
}

impl Instances {
    /// Weight of an instance that was given none.
    pub const DEFAULT_WEIGHT: u32 = 1;

    /// No instance.
    #[must_use]
    pub fn none() -> Self {
        Self::from_iter::<[Instance; 0]>([])
    }

    /// The instances, in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.weighted.iter().map(|(instance, _)| instance)
    }

    /// The instances with their weights: an instance of weight 2 gets twice the calls of one of weight 1, and one of
    /// weight 0 only those that nobody else can take.
    pub fn weighted(&self) -> impl Iterator<Item = (&Instance, u32)> {
        self.weighted
            .iter()
            .map(|(instance, weight)| (instance, *weight))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weighted.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weighted.is_empty()
    }
}

impl FromIterator<(Instance, u32)> for Instances {
    fn from_iter<I: IntoIterator<Item = (Instance, u32)>>(instances: I) -> Self {
        Self {
            weighted: instances.into_iter().collect(),
        }
    }
}

/// Each with [`Instances::DEFAULT_WEIGHT`].
impl FromIterator<Instance> for Instances {
    fn from_iter<I: IntoIterator<Item = Instance>>(instances: I) -> Self {
        instances
            .into_iter()
            .map(|instance| (instance, Self::DEFAULT_WEIGHT))
            .collect()
    }
}

/// The same instances with the same weights in the same order.
impl PartialEq for Instances {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.weighted, &other.weighted) || self.weighted == other.weighted
    }
}

impl Eq for Instances {}
