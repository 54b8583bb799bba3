//! What a `#[bytes]` argument may be.

use std::borrow::Cow;

use bytes::Bytes;

/// A value that is sent as the bytes that it is. `Bytes` are shared; all others are copied, because a fallback gets the
/// argument as well.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no bytes",
    label = "a #[bytes] argument is `Bytes`, `Vec<u8>`, `&[u8]`, `String` or `&str`; a stream is #[stream]"
)]
pub trait SentBytes {
    /// The bytes.
    fn to_sent(&self) -> Bytes;
}

impl SentBytes for Bytes {
    fn to_sent(&self) -> Bytes {
        self.clone()
    }
}

impl SentBytes for [u8] {
    fn to_sent(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl SentBytes for Vec<u8> {
    fn to_sent(&self) -> Bytes {
        self.as_slice().to_sent()
    }
}

impl<const N: usize> SentBytes for [u8; N] {
    fn to_sent(&self) -> Bytes {
        self.as_slice().to_sent()
    }
}

impl SentBytes for str {
    fn to_sent(&self) -> Bytes {
        self.as_bytes().to_sent()
    }
}

impl SentBytes for String {
    fn to_sent(&self) -> Bytes {
        self.as_bytes().to_sent()
    }
}

impl<B: SentBytes + ToOwned<Owned: SentBytes> + ?Sized> SentBytes for Cow<'_, B> {
    fn to_sent(&self) -> Bytes {
        match self {
            Cow::Borrowed(bytes) => bytes.to_sent(),
            Cow::Owned(bytes) => bytes.to_sent(),
        }
    }
}

impl<B: SentBytes + ?Sized> SentBytes for &B {
    fn to_sent(&self) -> Bytes {
        (**self).to_sent()
    }
}
