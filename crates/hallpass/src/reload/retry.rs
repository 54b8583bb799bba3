//! When settings that were refused are tried again.

/// Most looks at the files between two tries.
const MAX_LOOKS: u32 = 64;

/// Settings that were read and not taken.
#[derive(Debug)]
pub(super) struct Retry {
    /// Why they were not taken.
    pub(super) reason: String,
    /// Looks to let pass before the next try.
    looks: u32,
    left: u32,
}

impl Retry {
    pub(super) fn after(reason: String) -> Self {
        Self {
            reason,
            looks: 1,
            left: 1,
        }
    }

    /// Called at each look: whether it is time to try again.
    pub(super) fn is_due(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }

    /// Waits twice as long before the next try: taking settings may be dear, such as hashing the secrets of all clients.
    pub(super) fn failed_again(&mut self) {
        self.looks = self.looks.saturating_mul(2).min(MAX_LOOKS);
        self.left = self.looks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_grow_apart_up_to_a_limit() {
        let mut retry = Retry::after("locked".to_owned());
        let mut waits = Vec::new();
        for _try in 0..9 {
            let mut looks = 1;
            while !retry.is_due() {
                looks += 1;
            }
            waits.push(looks);
            retry.failed_again();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
