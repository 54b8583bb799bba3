//! `jti`: 128 random bits, base64url.
//!
//! Asking the generator for 16 bytes costs as much as a third of the whole form parsing, asking for 4 KiB costs
//! little more; so each thread draws a block and hands it out in pieces, each piece once.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::TokenId;

const ID_BYTES: usize = 16;
const BLOCK_BYTES: usize = 256 * ID_BYTES;
/// Characters of 16 bytes in base64url.
const ID_CHARS: usize = 22;

struct Block {
    bytes: Box<[u8; BLOCK_BYTES]>,
    used: usize,
}

thread_local! {
    static BLOCK: RefCell<Block> = RefCell::new(Block { bytes: Box::new([0; BLOCK_BYTES]), used: BLOCK_BYTES });
}

/// A fresh id; `None` only when the system has no random bytes.
pub(crate) fn next() -> Option<TokenId> {
    let raw = BLOCK.with_borrow_mut(Block::take)?;
    let mut text = [0_u8; ID_CHARS];
    let length = BASE64URL.encode_slice(raw, &mut text).ok()?;
    TokenId::try_from(str::from_utf8(text.get(..length)?).ok()?).ok()
}

impl Block {
    fn take(&mut self) -> Option<[u8; ID_BYTES]> {
        if self.used == BLOCK_BYTES {
            aws_lc_rs::rand::fill(self.bytes.as_mut_slice()).ok()?;
            self.used = 0;
        }
        let end = self.used + ID_BYTES;
        let piece = self.bytes.get(self.used..end)?.try_into().ok()?;
        self.used = end;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_128_bits_and_do_not_repeat_across_blocks_and_threads() {
        let draw = || {
            (0..1_000)
                .map(|_| next().unwrap().as_str().to_owned())
                .collect::<Vec<_>>()
        };
        let other = std::thread::spawn(draw);
        let mut all: HashSet<String> = draw().into_iter().collect();
        all.extend(other.join().unwrap());
        assert_eq!(all.len(), 2_000);
        assert!(all.iter().all(|id| id.len() == ID_CHARS));
    }
}
