//! argon2id with a stated amount of memory: buffers that are used again and wiped after each run.
//!
//! A run fills 19 MiB. Left to the allocator, each thread that ever ran one keeps its own; here there are
//! as many as run at once, and no more.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// Blocks of a run, 1 KiB each: the OWASP minimum for argon2id, 19 MiB (two passes, one lane).
const MAX_BLOCKS: usize = Params::DEFAULT_M_COST as usize;
/// Most passes that a stored hash may demand.
const MAX_PASSES: u32 = 10;
/// Longest hash that is compared, in bytes.
const MAX_OUTPUT_BYTES: usize = 64;

/// The buffers of one issuer.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    idle: Mutex<Vec<Box<[Block]>>>,
}

impl Buffers {
    /// Whether `phc` is the hash of `secret`. Costs some 16 ms of one core: call it off the async threads.
    ///
    /// Makes a buffer when all are in use, so the caller limits how many run at once.
    pub(crate) fn verify(&self, secret: &str, phc: &str) -> bool {
        let Some((hasher, hash)) = parse(phc) else {
            return false;
        };
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return false;
        };
        let mut output = [0_u8; MAX_OUTPUT_BYTES];
        let Some(output) = output.get_mut(..expected.as_bytes().len()) else {
            return false;
        };
        let mut buffer = self.take();
        let filled = hasher.hash_password_into_with_memory(
            secret.as_bytes(),
            salt.as_ref(),
            output,
            &mut buffer,
        );
        self.put_back(buffer);
        let right = filled.is_ok() && bool::from(output.ct_eq(expected.as_bytes()));
        output.zeroize();
        right
    }

    /// Buffers that wait for a run.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.idle.lock().unwrap().len()
    }

    fn take(&self) -> Box<[Block]> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.unwrap_or_else(|| vec![Block::new(); MAX_BLOCKS].into_boxed_slice())
    }

    fn put_back(&self, mut buffer: Box<[Block]>) {
        for block in &mut buffer {
            block.zeroize();
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(buffer);
    }
}

/// Whether `phc` is an argon2id hash that a run of ours can compare: not larger, not longer than the limits above.
pub(crate) fn is_usable(phc: &str) -> bool {
    parse(phc).is_some_and(|(_, hash)| hash.salt.is_some() && hash.hash.is_some())
}

fn parse(phc: &str) -> Option<(Argon2<'static>, PasswordHash)> {
    let hash = PasswordHash::new(phc).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_ours = Algorithm::try_from(hash.algorithm.as_str()).ok() == Some(Algorithm::Argon2id)
        && hash
            .version
            .is_none_or(|version| version == u32::from(Version::V0x13));
    let within_limits = params.block_count() <= MAX_BLOCKS && params.t_cost() <= MAX_PASSES;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    (is_ours && within_limits).then_some((hasher, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordHasher as _;

    fn phc(secret: &str) -> String {
        let hashed = Argon2::default().hash_password(secret.as_bytes());
        hashed.unwrap().to_string()
    }

    #[test]
    fn forty_checks_one_after_the_other_use_one_buffer_and_two_at_once_use_two() {
        let (buffers, hash) = (Buffers::default(), phc("right"));
        for n in 0..40 {
            assert!(!buffers.verify(&format!("wrong {n}"), &hash));
        }
        assert!(buffers.verify("right", &hash));
        assert_eq!(buffers.idle.lock().unwrap().len(), 1);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..5).for_each(|_| assert!(buffers.verify("right", &hash))));
            }
        });
        assert!(buffers.idle.lock().unwrap().len() <= 2);
    }

    #[test]
    fn a_buffer_that_waits_holds_nothing_of_a_secret() {
        let buffers = Buffers::default();
        assert!(buffers.verify("right", &phc("right")));
        let idle = buffers.idle.lock().unwrap();
        let is_zero = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
        assert!(idle.iter().flatten().all(is_zero));
    }

    #[test]
    fn a_hash_that_demands_more_than_a_run_may_cost_is_not_usable() {
        let good = phc("right");
        assert!(is_usable(&good));
        for bad in [
            good.replace("m=19456", "m=4194304"),
            good.replace("t=2", "t=4000000"),
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "scrypt"),
            good.rsplit_once('$').unwrap().0.to_owned(),
            String::new(),
        ] {
            assert!(!is_usable(&bad), "{bad}");
            assert!(!Buffers::default().verify("right", &bad), "{bad}");
        }
    }
}
