//! What the proxy of a mesh says of the caller whose TLS it has ended: `X-Forwarded-Client-Cert` of Envoy and Istio, `l5d-client-id` of
//! Linkerd. Read strictly: what is not clear is a fault, and never "nobody".

use crate::spiffe::SpiffeId;

/// Longest value that is read, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// Longest DNS name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;

/// Who has called, as the proxy of a mesh says that has checked the certificate. Anybody can write such a header: it counts where the
/// proxy that sends it is known, and was told to remove those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    id: Option<SpiffeId>,
    names: Vec<Box<str>>,
    sha256: Option<[u8; 32]>,
}

impl PeerIdentity {
    /// The SPIFFE id of the certificate (its one URI).
    #[must_use]
    pub const fn id(&self) -> Option<&SpiffeId> {
        self.id.as_ref()
    }

    /// The DNS names of the certificate, in lower case, or the one name that Linkerd gives.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// SHA-256 of the certificate, as `x5t#S256` has it (RFC 8705 section 3.1).
    #[must_use]
    pub const fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }
}

/// Why it is not known whom a mesh names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeshFault {
    /// More than 8 KiB.
    #[error("is longer than 8 KiB")]
    TooLong,
    /// Not what the proxy writes: quotes that do not close, pairs without `=`, elements without a pair, bytes that do not print.
    #[error("cannot be read")]
    Malformed,
    /// A key twice of which there can be one.
    #[error("has a key twice")]
    Twice,
    /// The URI is no SPIFFE id in its one form.
    #[error("names a URI that is no SPIFFE id")]
    Uri,
    /// The digest is not that of SHA-256.
    #[error("has a digest that is not 64 hexadecimal digits")]
    Hash,
    /// A name that is no DNS name.
    #[error("names what is no DNS name")]
    Name,
}

/// Reads `X-Forwarded-Client-Cert` as Envoy writes it. Each proxy on the way may have added an element at the end, so the last one says who
/// has called the proxy that sent this, and those before it whatever it was sent: they are read, and not believed.
///
/// An element is `Key=value;Key=value`, its values quoted where they hold `,`, `;` or `=`. `By` and `DNS` may stand there several times.
///
/// # Errors
/// [`MeshFault`].
pub fn read_xfcc(value: &[u8]) -> Result<PeerIdentity, MeshFault> {
    if value.len() > MAX_BYTES {
        return Err(MeshFault::TooLong);
    }
    let mut rest = value;
    loop {
        let (element, after) = read_element(rest)?;
        match after {
            Some(after) => rest = after.trim_ascii_start(),
            None => return element.into_identity(),
        }
    }
}

/// Reads `l5d-client-id` as Linkerd writes it: one name (`orders.shop.serviceaccount.identity.linkerd.cluster.local`), or one SPIFFE id.
///
/// # Errors
/// [`MeshFault`].
pub fn read_client_id(value: &[u8]) -> Result<PeerIdentity, MeshFault> {
    let text = std::str::from_utf8(value).map_err(|_| MeshFault::Malformed)?;
    if text.contains("://") {
        let id = text.parse().map_err(|_| MeshFault::Uri)?;
        return Ok(PeerIdentity {
            id: Some(id),
            ..PeerIdentity::default()
        });
    }
    Ok(PeerIdentity {
        names: vec![read_name(value)?],
        ..PeerIdentity::default()
    })
}

/// What counts of one element, as it was written.
#[derive(Debug, Default)]
struct Element {
    uri: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    names: Vec<Vec<u8>>,
    has_subject: bool,
    has_cert: bool,
    has_chain: bool,
}

impl Element {
    fn take(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), MeshFault> {
        let key = key.to_ascii_lowercase();
        let was_there = match key.as_slice() {
            b"uri" => self.uri.replace(value).is_some(),
            b"hash" => self.hash.replace(value).is_some(),
            b"dns" => {
                self.names.push(value);
                false
            }
            b"subject" => std::mem::replace(&mut self.has_subject, true),
            b"cert" => std::mem::replace(&mut self.has_cert, true),
            b"chain" => std::mem::replace(&mut self.has_chain, true),
            // Who has checked it; and what a later Envoy may add.
            _ => false,
        };
        match was_there {
            true => Err(MeshFault::Twice),
            false => Ok(()),
        }
    }

    fn into_identity(self) -> Result<PeerIdentity, MeshFault> {
        // A certificate without a URI has an empty one here.
        let uri = self.uri.filter(|uri| !uri.is_empty());
        let read_id = |uri: Vec<u8>| {
            let text = String::from_utf8(uri).ok();
            text.and_then(|text| text.parse().ok())
                .ok_or(MeshFault::Uri)
        };
        let names = self.names.iter().map(|name| read_name(name));
        Ok(PeerIdentity {
            id: uri.map(read_id).transpose()?,
            names: names.collect::<Result<_, _>>()?,
            sha256: self.hash.as_deref().map(read_digest).transpose()?,
        })
    }
}

/// The first element of a list, and what follows its comma.
fn read_element(text: &[u8]) -> Result<(Element, Option<&[u8]>), MeshFault> {
    let mut element = Element::default();
    let mut rest = text;
    loop {
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric();
        let end = rest.iter().position(|byte| !is_key(byte));
        let (key, after) = rest.split_at(end.ok_or(MeshFault::Malformed)?);
        let Some((b'=', after)) = after.split_first() else {
            return Err(MeshFault::Malformed);
        };
        if key.is_empty() {
            return Err(MeshFault::Malformed);
        }
        let (value, after) = match after.split_first() {
            Some((b'"', quoted)) => read_quoted(quoted)?,
            _ => read_plain(after)?,
        };
        element.take(key, value)?;
        match after.split_first() {
            None => return Ok((element, None)),
            Some((b',', after)) => return Ok((element, Some(after))),
            Some((b';', after)) => rest = after,
            Some(_) => return Err(MeshFault::Malformed),
        }
    }
}

/// Up to where the value ends that no quotes stand around.
fn read_plain(text: &[u8]) -> Result<(Vec<u8>, &[u8]), MeshFault> {
    let end = text.iter().position(|byte| matches!(byte, b',' | b';'));
    let (value, rest) = text.split_at(end.unwrap_or(text.len()));
    let is_fit = |byte: &u8| byte.is_ascii_graphic() && *byte != b'"';
    match value.iter().all(is_fit) {
        true => Ok((value.to_vec(), rest)),
        false => Err(MeshFault::Malformed),
    }
}

/// What stands in quotes, of which the first is read already. A backslash takes the next byte as it is.
fn read_quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), MeshFault> {
    let mut value = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => return Ok((value, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first().ok_or(MeshFault::Malformed)?;
                value.push(*escaped);
                rest = after;
            }
            // A subject may hold letters of any language.
            0..=31 | 127 => return Err(MeshFault::Malformed),
            _ => value.push(*byte),
        }
    }
    Err(MeshFault::Malformed)
}

fn read_digest(text: &[u8]) -> Result<[u8; 32], MeshFault> {
    let mut digest = [0; 32];
    let (pairs, odd) = text.as_chunks::<2>();
    if pairs.len() != digest.len() || !odd.is_empty() {
        return Err(MeshFault::Hash);
    }
    for (to, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or(MeshFault::Hash);
        let value = digit(high)? * 16 + digit(low)?;
        *to = u8::try_from(value).map_err(|_| MeshFault::Hash)?;
    }
    Ok(digest)
}

/// A DNS name, in lower case. A certificate may be for all hosts of a domain.
fn read_name(text: &[u8]) -> Result<Box<str>, MeshFault> {
    let name = std::str::from_utf8(text).map_err(|_| MeshFault::Name)?;
    let name = name.to_ascii_lowercase();
    let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_label);
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    match name.len() <= MAX_NAME && labels.split('.').all(is_label) {
        true => Ok(name.into()),
        false => Err(MeshFault::Name),
    }
}

#[cfg(test)]
mod tests;
