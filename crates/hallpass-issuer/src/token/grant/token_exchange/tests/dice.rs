//! What chains of exchanges are made up of.

use hallpass_token::Issuer;

use super::rule;
use crate::clients::exchange_rule::{ExchangeRule, SubjectKind};

pub(super) const SERVICES: usize = 5;
const WORDS: [&str; 4] = ["a", "b", "c", "d"];
/// Other issuers that ours trusts, by their names here. A third one signs tokens as well.
pub(super) const TRUSTED: [&str; 2] = ["login", "mesh"];

/// Numbers that look random and are the same in each run (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % sides
    }

    pub(super) fn word(&mut self) -> &'static str {
        WORDS[self.roll(WORDS.len())]
    }

    pub(super) fn words(&mut self) -> String {
        let words: Vec<_> = WORDS.iter().filter(|_| self.roll(3) > 0).copied().collect();
        words.join(" ")
    }

    pub(super) fn service(&mut self) -> String {
        format!("s{}", self.roll(SERVICES))
    }

    /// A rule about tokens of ours, or of one of the others.
    pub(super) fn rule(&mut self) -> ExchangeRule {
        let kinds = [
            &[SubjectKind::User][..],
            &[SubjectKind::Service],
            &[SubjectKind::User, SubjectKind::Service],
        ];
        let (one, other) = (self.service(), self.service());
        let mut rule = rule(kinds[self.roll(3)], &[&one, &other], &self.words());
        let issuer = self.roll(2 + TRUSTED.len()).checked_sub(2);
        rule.subject_issuer = issuer.map(|n| issuer_of(TRUSTED[n]));
        if self.roll(2) == 0 {
            rule.subject_audiences = vec![self.service().parse().unwrap()];
        }
        if issuer.is_some() && self.roll(2) == 0 {
            let (from, to) = (self.word(), self.word());
            rule.scope_mapping = vec![(from.parse().unwrap(), to.parse().unwrap())];
        }
        rule
    }
}

pub(super) fn issuer_of(name: &str) -> Issuer {
    format!("https://{name}.example").parse().unwrap()
}
