//! The little of DER (X.690) that certificates are read with.

/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`, around the version of a certificate.
const VERSION: u8 = 0xa0;

/// Tag and content of the first element, and what follows it.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Three bytes are more than any certificate has.
        let bytes = usize::from(first & 0x7f);
        if !(1..=3).contains(&bytes) {
            return None;
        }
        let (length, rest) = rest.split_at_checked(bytes)?;
        let length = length
            .iter()
            .fold(0, |length, byte| (length << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The same, where its length is written in the fewest bytes, as DER has it (X.690 section 10.1): what is signed has one form.
pub(crate) fn strict_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, content, rest) = element(der)?;
    let header = der
        .len()
        .checked_sub(content.len())?
        .checked_sub(rest.len())?;
    let fewest = match content.len() {
        0..0x80 => 2,
        0x80..0x100 => 3,
        0x100..0x1_0000 => 4,
        _ => 5,
    };
    (header == fewest).then_some((tag, content, rest))
}

/// What `certificate` says from its validity on (RFC 5280 section 4.1): validity, subject, public key, and what follows.
pub(crate) fn from_validity(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, after_version) = element(signed)?;
    let rest = if tag == VERSION {
        after_version
    } else {
        signed
    };
    let (_serial_number, _, rest) = element(rest)?;
    let (_signature_algorithm, _, rest) = element(rest)?;
    let (_issuer, _, rest) = element(rest)?;
    Some(rest)
}

/// Tag and content of each element, one after the other; `None` when something is left over.
pub(crate) fn elements(mut der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (tag, content, rest) = element(der)?;
        found.push((tag, content));
        der = rest;
    }
    Some(found)
}
