//! A share in hundredths.

use std::fmt;

/// A whole percentage from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);
    /// One in two.
    pub const HALF: Self = Self(50);
    /// One in ten.
    pub const TENTH: Self = Self(10);

    /// A percentage, or `None` above 100.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// The number from 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The same as a ratio from 0.0 to 1.0.
    #[must_use]
    pub fn as_ratio(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_above_one_hundred_is_a_percentage() {
        assert_eq!(Percent::new(100), Some(Percent::ALL));
        assert_eq!(Percent::new(101), None);
        assert!((Percent::HALF.as_ratio() - 0.5).abs() < f64::EPSILON);
    }
}
