//! What a certificate says that its holder is called: the subject (RFC 5280 section 4.1.2.6) and its alternative names
//! (section 4.2.1.6).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::der::{SEQUENCE, element, elements, from_validity};

/// `SET`.
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
/// `[3] EXPLICIT`, around the extensions.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// Tags of `GeneralName`.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;
const SPIFFE: &[u8] = b"spiffe://";

/// One name that the certificate of a client must have (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// `tls_client_auth_subject_dn`: the whole subject.
    Subject(DistinguishedName),
    /// `tls_client_auth_san_dns`: a DNS name; upper and lower case are the same.
    Dns(String),
    /// `tls_client_auth_san_uri`: a URI, character by character, such as a SPIFFE ID.
    Uri(String),
    /// `tls_client_auth_san_ip`: an address.
    Ip(IpAddr),
    /// `tls_client_auth_san_email`: a mail address, character by character.
    Email(String),
}

/// Whether `certificate`, in DER, has a SPIFFE id and another URI beside it: an X509-SVID has exactly one URI (X509-SVID section 2), so such a one says of
/// nobody who he is. One that cannot be read has none.
#[must_use]
pub fn has_spiffe_id_among_uris(certificate: &[u8]) -> bool {
    let uris = || {
        let names = Parts::of(certificate)?.alternative_names()??;
        let uris = elements(names)?.into_iter().filter(|(tag, _)| *tag == URI);
        Some(uris.map(|(_, uri)| uri).collect::<Vec<_>>())
    };
    let uris: Vec<&[u8]> = uris().unwrap_or_default();
    let is_spiffe = |uri: &&[u8]| {
        let scheme = uri.get(..SPIFFE.len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(SPIFFE)
    };
    uris.len() > 1 && uris.iter().any(is_spiffe)
}

impl CertificateName {
    /// Whether `certificate`, in DER, has this name. Nothing else of it is looked at: whether it is to be believed is for the
    /// handshake to say. One that cannot be read has no name.
    #[must_use]
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        self.find_in(certificate).unwrap_or_default()
    }

    fn find_in(&self, certificate: &[u8]) -> Option<bool> {
        let parts = Parts::of(certificate)?;
        if let Self::Subject(name) = self {
            return Some(DistinguishedName::read(parts.subject)? == *name);
        }
        let Some(names) = parts.alternative_names()? else {
            return Some(false);
        };
        let mut found = false;
        for (tag, content) in elements(names)? {
            found |= match (self, tag) {
                (Self::Dns(name), DNS) => content.eq_ignore_ascii_case(name.as_bytes()),
                (Self::Uri(name), URI) | (Self::Email(name), EMAIL) => content == name.as_bytes(),
                (Self::Ip(IpAddr::V4(address)), IP) => content == address.octets(),
                (Self::Ip(IpAddr::V6(address)), IP) => content == address.octets(),
                _ => false,
            };
        }
        Some(found)
    }
}

/// What of a certificate is looked at.
struct Parts<'c> {
    /// The content of the subject.
    subject: &'c [u8],
    /// What follows the public key.
    rest: &'c [u8],
}

impl<'c> Parts<'c> {
    fn of(certificate: &'c [u8]) -> Option<Self> {
        let (_validity, _, rest) = element(from_validity(certificate)?)?;
        let (tag, subject, rest) = element(rest)?;
        let (_public_key, _, rest) = element(rest)?;
        (tag == SEQUENCE).then_some(Self { subject, rest })
    }

    /// The content of the sequence of alternative names; `Some(None)` without such.
    fn alternative_names(&self) -> Option<Option<&'c [u8]>> {
        let mut found = None;
        for (tag, content) in elements(self.rest)? {
            if tag != EXTENSIONS {
                continue;
            }
            let (_, extensions, _) = element(content)?;
            for (_, extension) in elements(extensions)? {
                let (_, id, rest) = element(extension)?;
                if id != SUBJECT_ALT_NAME {
                    continue;
                }
                // A flag may stand before the value.
                let value = elements(rest)?
                    .into_iter()
                    .find(|(tag, _)| *tag == OCTET_STRING);
                let (_, names, _) = element(value?.1)?;
                // Two of them would be two answers.
                if found.replace(names).is_some() {
                    return None;
                }
            }
        }
        Some(found)
    }
}

/// A distinguished name, as RFC 4514 writes it: `CN=order-service,OU=shop,O=Example,C=DE`, the last part of the certificate
/// first.
///
/// Two are the same when all their parts are, in this order, character by character. Types are those of RFC 4514 section 3,
/// `serialNumber`, `emailAddress`, and numbers with dots; a value in hexadecimal (`#04024869`) is not read.
#[derive(Clone)]
pub struct DistinguishedName {
    /// In the order of the certificate; each part sorted, since it is a set.
    parts: Vec<Vec<(Vec<u8>, String)>>,
    text: String,
}

/// The text is no distinguished name of RFC 4514.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a distinguished name as RFC 4514 writes it, such as `CN=order-service,O=Example`")]
pub struct InvalidDistinguishedName;

/// Names of types and their numbers.
const TYPES: [(&str, &str); 13] = [
    ("CN", "2.5.4.3"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("TITLE", "2.5.4.12"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
];

impl DistinguishedName {
    /// The content of a `Name`; `None` with a value that is no text.
    fn read(der: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        for (tag, part) in elements(der)? {
            let mut values = Vec::new();
            for (inner, value) in elements(part)? {
                let (kind, id, rest) = element(value)?;
                let (text, value, rest) = element(rest)?;
                let is_text = matches!(text, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
                if (tag, inner, kind) != (SET, SEQUENCE, OBJECT_IDENTIFIER)
                    || !is_text
                    || !rest.is_empty()
                {
                    return None;
                }
                values.push((id.to_vec(), String::from_utf8(value.to_vec()).ok()?));
            }
            values.sort_unstable();
            parts.push(values);
        }
        Some(Self {
            parts,
            text: String::new(),
        })
    }
}

impl FromStr for DistinguishedName {
    type Err = InvalidDistinguishedName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        for part in split(text, ',') {
            let mut values = Vec::new();
            for value in split(part, '+') {
                let (kind, value) = value.split_once('=').ok_or(InvalidDistinguishedName)?;
                let kind = identifier(kind.trim()).ok_or(InvalidDistinguishedName)?;
                values.push((kind, unescape(value).ok_or(InvalidDistinguishedName)?));
            }
            values.sort_unstable();
            parts.push(values);
        }
        parts.reverse();
        Ok(Self {
            parts,
            text: text.to_owned(),
        })
    }
}

/// By what is named, however it was written.
impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for DistinguishedName {}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({:?})", self.text)
    }
}

/// `text` at each `separator` that no backslash stands before.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, character) in text.char_indices() {
        if character == separator && !escaped {
            parts.push(text.get(start..index).unwrap_or_default());
            start = index + separator.len_utf8();
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// The value that was meant; spaces around it do not count, unless they are escaped.
fn unescape(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    if text.starts_with('#') {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    // Up to where a space at the end counts.
    let mut kept = 0;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => {
                let escaped = rest.next()?;
                match (hexadecimal(escaped), escaped) {
                    (Some(high), _) => bytes.push(high * 16 + hexadecimal(rest.next()?)?),
                    (
                        None,
                        b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\',
                    ) => {
                        bytes.push(escaped);
                    }
                    _ => return None,
                }
                kept = bytes.len();
            }
            b'"' | b';' | b'<' | b'>' | 0 => return None,
            b' ' => bytes.push(byte),
            _ => {
                bytes.push(byte);
                kept = bytes.len();
            }
        }
    }
    bytes.truncate(kept);
    String::from_utf8(bytes)
        .ok()
        .filter(|value| !value.is_empty())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The number of a type as a certificate has it (X.690 section 8.19).
fn identifier(name: &str) -> Option<Vec<u8>> {
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    let numbers = known.map_or(name, |(_, numbers)| numbers).split('.');
    let numbers: Option<Vec<u64>> = numbers.map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    let [first, second, rest @ ..] = numbers.as_slice() else {
        return None;
    };
    if *first > 2 || (*first < 2 && *second > 39) || *second > u64::from(u32::MAX) {
        return None;
    }
    let mut bytes = Vec::new();
    for number in std::iter::once(&(first * 40 + second)).chain(rest) {
        let mut groups = vec![u8::try_from(number & 0x7f).ok()?];
        let mut number = number >> 7;
        while number > 0 {
            groups.push(u8::try_from(number & 0x7f).ok()? | 0x80);
            number >>= 7;
        }
        bytes.extend(groups.iter().rev());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
