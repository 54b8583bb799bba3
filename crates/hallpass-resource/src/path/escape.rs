//! Percent escapes: what they hide, and what of it may be allowed.

use super::fault::PathFault;

/// Characters that are refused in a path even in percent encoding, and that a service may allow there.
///
/// Encoded, they belong to the value of a segment for axum, and for the rules too: `/items/a%2Fb` has two segments.
/// Because other programs take them for structure, a path with such an escape must also satisfy the rules of the
/// path that they would read (`/items/a/b`), and is refused if that holds dot segments. Unencoded they stay refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EncodedCharacters {
    /// `slash`: `%2F`.
    pub slash: bool,
    /// `backslash`: `%5C`.
    pub backslash: bool,
    /// `semicolon`: `%3B`.
    pub semicolon: bool,
    /// `percent`: `%25` in front of what would be an escape again, as in `%2541`.
    pub percent: bool,
}

/// What stands for an allowed escape while a path is decoded: control characters, which no path has.
const KEPT: [(u8, char, &str); 3] = [
    (b'/', '\u{1}', "%2F"),
    (b'\\', '\u{2}', "%5C"),
    (b';', '\u{3}', "%3B"),
];

impl EncodedCharacters {
    fn allows(self, byte: u8) -> bool {
        match byte {
            b'/' => self.slash,
            b'\\' => self.backslash,
            b';' => self.semicolon,
            _ => false,
        }
    }
}

/// A decoded path.
pub(super) struct Decoded {
    /// The text; allowed escapes for what would be structure stay in it.
    pub(super) text: String,
    /// Whether there were such escapes, or some that decode to escapes again.
    pub(super) hides_structure: bool,
}

/// Decodes each escape once and refuses those that hide structure, unless they are allowed.
pub(super) fn decode(path: &str, allowed: EncodedCharacters) -> Result<Decoded, PathFault> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut is_kept = false;
    let mut rest = path.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let byte = hex_value(*high)? * 16 + hex_value(*low)?;
                let mark = KEPT
                    .iter()
                    .find(|(it, ..)| *it == byte && allowed.allows(byte));
                if let Some((_, mark, _)) = mark {
                    is_kept = true;
                    decoded.extend_from_slice(mark.encode_utf8(&mut [0; 4]).as_bytes());
                } else if byte == b'/' {
                    return Err(PathFault::HiddenSeparator);
                } else {
                    check_byte(byte)?;
                    decoded.push(byte);
                }
                tail
            }
            [b'%', ..] => return Err(PathFault::BrokenEscape),
            [byte, tail @ ..] => {
                decoded.push(*byte);
                tail
            }
        };
    }
    let decodes_again = decoded.windows(3).any(is_escape);
    if decodes_again && !allowed.percent {
        return Err(PathFault::DoubleEscape);
    }
    let mut text = String::from_utf8(decoded).map_err(|_| PathFault::NotUtf8)?;
    if is_kept {
        for (_, mark, escape) in KEPT {
            text = text.replace(mark, escape);
        }
    }
    Ok(Decoded {
        text,
        hides_structure: is_kept || decodes_again,
    })
}

/// Refuses what stands in no path, plain or encoded.
pub(super) fn check_byte(byte: u8) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::HiddenSeparator),
        b';' => Err(PathFault::Parameter),
        byte if byte.is_ascii_control() => Err(PathFault::ControlCharacter),
        _ => Ok(()),
    }
}

pub(super) fn hex_value(digit: u8) -> Result<u8, PathFault> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(PathFault::BrokenEscape),
    }
}

pub(super) fn is_escape(window: &[u8]) -> bool {
    matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}
