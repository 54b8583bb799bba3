//! `balance`: which instances are preferred.

use std::time::Duration;

use hallpass_config::{Key, Kind, Percent, Section};

/// Which of the instances that are well are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BalanceSettings {
    /// `zone-preference`: whether instances in the own zone or cluster ([`Place`](crate::Place)) come first.
    pub zone_preference: bool,
    /// `zone-spill-percent`: below this share of well instances, by weight, part of the calls leaves the own zone, so that those
    /// that are well there get no more calls than they would at this share.
    pub zone_spill: Percent,
    /// `slow-start-ms`: how long it takes until an instance that has come, or has recovered, gets its whole share; zero: at once. Those
    /// that come when more than half of the own zone, or of all others, would be on their way get it at once.
    pub slow_start: Duration,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            zone_preference: true,
            zone_spill: SPILL,
            slow_start: Duration::from_secs(30),
        }
    }
}

const SPILL: Percent = match Percent::new(70) {
    Some(percent) => percent,
    None => Percent::ALL,
};

impl BalanceSettings {
    /// The keys of a section that holds them.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "zone-preference",
            Kind::Flag,
            "Whether instances in the own zone (`service.zone`, else the cluster in Nacos) are called first.",
        )
        .or("true"),
        Key::new(
            "zone-spill-percent",
            Kind::percent(1),
            "When less than this share of the own zone is well, by weight, part of the calls goes to other zones: the less is well, \
            the more, and all when nothing is.",
        )
        .or("70"),
        Key::new(
            "slow-start-ms",
            Kind::millis(0, 3_600_000),
            "How long it takes until an instance that has come, or has recovered, gets its whole share of the calls, from a tenth \
            upwards; 0: it gets it at once.",
        )
        .or("30000"),
    ];

    /// Reads such a section.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let zone_preference = section.flag("zone-preference");
        let zone_spill = section.percent("zone-spill-percent");
        let slow_start = section.millis("slow-start-ms");
        Some(Self {
            zone_preference: zone_preference?,
            zone_spill: zone_spill?,
            slow_start: slow_start?,
        })
    }
}
