//! As much of protocol buffers' wire format as is needed to look into a message without the code under test.

/// What the field at the end of `fields` was set to last; a message that comes several times is merged.
pub(crate) fn last(message: &[u8], fields: &[u32]) -> Option<Vec<u8>> {
    let (field, inner) = fields.split_first()?;
    let found = all(message, *field);
    match inner {
        [] => found.into_iter().next_back(),
        inner => found.iter().rev().find_map(|message| last(message, inner)),
    }
}

/// All that stands in a field of length-delimited type.
pub(crate) fn all(mut message: &[u8], field: u32) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((key, rest)) = varint(message) {
        let length = match key & 7 {
            0 => varint(rest).map(|(_, after)| (rest.len() - after.len(), 0)),
            1 => Some((8, 0)),
            2 => varint(rest).and_then(|(length, after)| {
                Some((rest.len() - after.len(), usize::try_from(length).ok()?))
            }),
            5 => Some((4, 0)),
            _ => None,
        };
        let Some((prefix, length)) = length else {
            break;
        };
        let Some(value) = rest.get(prefix..).and_then(|rest| rest.get(..length)) else {
            break;
        };
        if key >> 3 == u64::from(field) && key & 7 == 2 {
            found.push(value.to_vec());
        }
        message = rest.get(prefix + length..).unwrap_or_default();
    }
    found
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}
