//! One message of Nacos' protocol, as protocol buffers: a type, headers and a body in JSON.
//!
//! ```text
//! Payload  { Metadata metadata = 2; google.protobuf.Any body = 3; }
//! Metadata { string type = 3; map<string, string> headers = 7; string clientIp = 8; }
//! Any      { string type_url = 1; bytes value = 2; }
//! ```
//! The schema has not changed since Nacos 2.0. Two messages are not worth a code generator.

use bytes::Bytes;

/// Largest message either way, in bytes: what Nacos allows by default.
pub(crate) const MAX_MESSAGE_BYTES: usize = 10 * 1024 * 1024;

/// How a field that holds bytes is marked.
const BYTES: u64 = 2;

/// A message of the protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    /// Such as `ConfigQueryRequest`.
    pub(crate) kind: String,
    /// Credentials stand here.
    pub(crate) headers: Vec<(String, String)>,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

impl Payload {
    /// With the frame of gRPC before it: no compression, then the length.
    pub(crate) fn frame(&self) -> Bytes {
        let message = self.encode();
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut frame = Vec::with_capacity(message.len().saturating_add(5));
        frame.push(0);
        frame.extend(length.to_be_bytes());
        frame.extend(message);
        frame.into()
    }

    fn encode(&self) -> Vec<u8> {
        let mut metadata = Vec::new();
        field(&mut metadata, 3, self.kind.as_bytes());
        for (name, value) in &self.headers {
            let mut entry = Vec::new();
            field(&mut entry, 1, name.as_bytes());
            field(&mut entry, 2, value.as_bytes());
            field(&mut metadata, 7, &entry);
        }
        let mut body = Vec::new();
        field(&mut body, 1, self.kind.as_bytes());
        field(&mut body, 2, &self.body);
        let mut message = Vec::new();
        field(&mut message, 2, &metadata);
        field(&mut message, 3, &body);
        message
    }

    /// `None` when the bytes are no such message. Headers of a response are not read.
    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let mut payload = Self::default();
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                2 => payload.kind = text_at(value, 3)?,
                3 => payload.body = bytes_at(value, 2)?.to_vec(),
                _ => {}
            }
        }
        Some(payload)
    }
}

fn field(message: &mut Vec<u8>, number: u64, value: &[u8]) {
    varint(message, number << 3 | BYTES);
    varint(message, value.len() as u64);
    message.extend(value);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn text_at(message: &[u8], number: u64) -> Option<String> {
    String::from_utf8(bytes_at(message, number)?.to_vec()).ok()
}

/// The last field of this number; empty when there is none, as in protocol buffers.
fn bytes_at(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found: &[u8] = &[];
    let mut fields = Fields(message);
    while let Some((at, value)) = fields.next()? {
        if at == number {
            found = value;
        }
    }
    Some(found)
}

/// The fields of a message that hold bytes; numbers are passed over.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// `None`: not a message; `Some(None)`: its end.
    fn next(&mut self) -> Option<Option<(u64, &'a [u8])>> {
        while !self.0.is_empty() {
            let tag = self.varint()?;
            let length = match tag & 7 {
                0 => {
                    self.varint()?;
                    continue;
                }
                1 => 8,
                BYTES => usize::try_from(self.varint()?).ok()?,
                5 => 4,
                _ => return None,
            };
            let (value, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            if tag & 7 == BYTES {
                return Some(Some((tag >> 3, value)));
            }
        }
        Some(None)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Payload {
        Payload {
            kind: "ConfigQueryRequest".to_owned(),
            headers: vec![("accessToken".to_owned(), "t".to_owned())],
            body: "{\"dataId\":\"ä\"}".repeat(40).into_bytes(),
        }
    }

    #[test]
    fn a_message_reads_back_as_it_was_written_but_for_its_headers() {
        let frame = sample().frame();
        assert_eq!(frame[0], 0);
        let length = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!(length as usize, frame.len() - 5);
        let expected = Payload {
            headers: Vec::new(),
            ..sample()
        };
        assert_eq!(Payload::decode(&frame[5..]), Some(expected));
    }

    #[test]
    fn the_bytes_are_those_that_other_clients_write() {
        let payload = Payload {
            kind: "T".to_owned(),
            headers: vec![("k".to_owned(), "v".to_owned())],
            body: b"{}".to_vec(),
        };
        // Made by hand from the schema above.
        let expected = b"\x12\x0b\x1a\x01T\x3a\x06\x0a\x01k\x12\x01v\x1a\x07\x0a\x01T\x12\x02{}";
        assert_eq!(&payload.frame()[5..], expected);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_what_is_cut_off_is_no_message() {
        let mut bytes = vec![
            0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4,
        ];
        bytes.extend(&sample().frame()[5..]);
        assert_eq!(Payload::decode(&bytes).unwrap().kind, "ConfigQueryRequest");
        for length in 1..bytes.len() {
            // None of them panics, and no length is trusted.
            let _any = Payload::decode(&bytes[..length]);
        }
        assert_eq!(Payload::decode(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
        assert_eq!(Payload::decode(&[0xff; 12]), None);
        assert_eq!(Payload::decode(&[0x13]), None);
    }
}
