//! Which HTTP a peer begins to speak.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::watch;

/// What each connection of HTTP/2 begins with, and no request of HTTP/1.1 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.1, or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Spoken {
    /// What was agreed on in a TLS handshake; without an agreement it is HTTP/1.1 (RFC 9113 section 3.2).
    pub(crate) fn agreed(protocol: Option<&[u8]>) -> Self {
        if protocol == Some(b"h2") {
            return Self::Http2;
        }
        Self::Http1
    }
}

/// The bytes that were read from a connection to see what it speaks, for whoever reads it then.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    bytes: Vec<u8>,
}

impl Begun {
    /// Puts what is left into `buffer`, as far as it has room. `false`: nothing is left.
    pub(crate) fn take(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        let count = self.bytes.len().min(buffer.remaining());
        let rest = self.bytes.split_off(count);
        buffer.put_slice(&self.bytes);
        self.bytes = rest;
        true
    }

    /// What the bytes say; `None` while they may become either.
    fn spoken(&self) -> Option<Spoken> {
        if self.bytes == PREFACE {
            return Some(Spoken::Http2);
        }
        let may_become = PREFACE.starts_with(&self.bytes);
        (!may_become).then_some(Spoken::Http1)
    }
}

/// Reads until it is clear what a plain connection speaks. `None` where its peer ends it before, or takes longer than
/// `limit`. At a stop no more is waited for: what has not come is no request of HTTP/2.
pub(crate) async fn look<T: AsyncRead + Unpin>(
    stream: &mut T,
    limit: Duration,
    mut draining: watch::Receiver<bool>,
) -> Option<(Spoken, Begun)> {
    let mut begun = Begun::default();
    let mut rest = PREFACE.len();
    let looked = async {
        while begun.spoken().is_none() {
            let mut part = (&mut *stream).take(u64::try_from(rest).unwrap_or_default());
            match part.read_buf(&mut begun.bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => rest = rest.saturating_sub(read),
            }
        }
        Some(())
    };
    tokio::select! {
        biased;
        looked = tokio::time::timeout(limit, looked) => looked.ok().flatten()?,
        _stopping = draining.wait_for(|draining| *draining) => {}
    }
    Some((begun.spoken().unwrap_or(Spoken::Http1), begun))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn spoken(parts: &[&[u8]]) -> Option<(Spoken, Vec<u8>)> {
        let (_never, draining) = watch::channel(false);
        let mut stream = tokio_test_stream(parts);
        let looked = look(&mut stream, Duration::from_secs(60), draining).await;
        looked.map(|(spoken, begun)| (spoken, begun.bytes))
    }

    /// Gives one part a read.
    fn tokio_test_stream(parts: &[&[u8]]) -> impl AsyncRead + Unpin + use<> {
        let (mut ours, theirs) = tokio::io::duplex(1);
        let bytes = parts.concat();
        tokio::spawn(async move {
            let _read = tokio::io::AsyncWriteExt::write_all(&mut ours, &bytes).await;
        });
        theirs
    }

    #[tokio::test]
    async fn the_preface_alone_means_http_2_and_nothing_is_lost() {
        for (sent, means) in [
            (
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
                Some(Spoken::Http2),
            ),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", Some(Spoken::Http1)),
            (b"PRI * HTTP/1.1\r\n", Some(Spoken::Http1)),
            (b"PROPFIND / HTTP/1.1", Some(Spoken::Http1)),
            (b"GET / HTTP/1.1", Some(Spoken::Http1)),
            (b"PRI * HTTP/2", None),
            (b"", None),
        ] {
            let looked = spoken(&[sent]).await;
            assert_eq!(looked.as_ref().map(|looked| looked.0), means);
            if let Some((_, begun)) = looked {
                assert!(sent.starts_with(&begun));
            }
        }
    }
}
