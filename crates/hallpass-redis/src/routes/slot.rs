//! Which slot of a cluster a key belongs to.

/// Number of slots of every cluster.
pub(crate) const SLOTS: u16 = 16_384;

/// CRC16 (XMODEM) of the key, or of what stands between its first braces, as the specification of Redis Cluster says.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    crc16(tag_of(key).unwrap_or(key)) % SLOTS
}

fn tag_of(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let rest = key.get(open.saturating_add(1)..)?;
    let close = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..close).filter(|tag| !tag.is_empty())
}

/// Bit by bit: keys are short, and each is used for a call over the network.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc, byte| {
        let crc = crc ^ (u16::from(*byte) << 8);
        (0..8).fold(crc, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ POLYNOMIAL,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn what_stands_in_braces_alone_decides() {
        assert_eq!(slot_of(b"a{foo}b"), slot_of(b"foo"));
        assert_eq!(slot_of(b"a{foo}{bar}"), slot_of(b"foo"));
        assert_eq!(slot_of(b"{{foo}}"), slot_of(b"{foo"));
        for whole in [&b"{}foo"[..], b"foo{", b"foo}{"] {
            assert_eq!(slot_of(whole), crc16(whole) % SLOTS);
        }
    }
}
