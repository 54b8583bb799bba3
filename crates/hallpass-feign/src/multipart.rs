//! Multipart forms on their way up (RFC 7578).

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hallpass_upstream::{Body, BoxError};
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::error::ArgumentProblem;
use crate::random::random_name;

/// A form of several parts, texts and files: what a `#[multipart]` argument is.
///
/// A form whose parts are all in memory is put together in memory and can be sent again like any other body; one with a
/// stream is sent as its parts come, and once. Names of parts and files are written so that none of them ends its header or
/// begins another one, as browsers do it (WHATWG HTML, multipart/form-data). The boundary between the parts is random.
///
/// ```
/// use hallpass_feign::{FeignError, Multipart, Part, feign_client};
///
/// #[feign_client(name = "document-service")]
/// trait Documents {
///     #[post("/orders/{order_id}/documents")]
///     async fn attach(&self, order_id: u64, #[multipart] form: Multipart) -> Result<(), FeignError>;
/// }
///
/// # async fn example(documents: impl Documents, scan: Vec<u8>) -> Result<(), FeignError> {
/// let form = Multipart::new()
///     .text("title", "Delivery note")
///     .part("file", Part::bytes(scan).file_name("note.pdf").media_type("application/pdf"));
/// documents.attach(7, form).await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Multipart {
    parts: Vec<(String, Part)>,
}

/// One part of a [`Multipart`] form.
#[derive(Debug)]
pub struct Part {
    content: Body,
    file_name: Option<String>,
    media_type: Option<String>,
}

impl Multipart {
    /// A form without parts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.part(name, Part::text(text))
    }

    /// Adds a part. Several may have one name.
    #[must_use]
    pub fn part(mut self, name: impl Into<String>, part: Part) -> Self {
        self.parts.push((name.into(), part));
        self
    }

    /// The media type with the boundary, and the body.
    pub(crate) fn into_body(self) -> Result<(HeaderValue, Body), ArgumentProblem> {
        let boundary = random_name().ok_or(ArgumentProblem::NoRandomness)?;
        let media_type = format!("multipart/form-data; boundary={boundary}");
        let media_type = HeaderValue::try_from(media_type);
        let media_type = media_type.map_err(|_| ArgumentProblem::HeaderText)?;
        let mut pieces = VecDeque::with_capacity(2 * self.parts.len() + 1);
        let mut before = String::new();
        for (name, part) in self.parts {
            before.push_str("--");
            before.push_str(&boundary);
            part.push_head(&name, &mut before)?;
            pieces.push_back(Body::from(std::mem::take(&mut before)));
            pieces.push_back(part.content);
            before.push_str("\r\n");
        }
        before.push_str("--");
        before.push_str(&boundary);
        before.push_str("--\r\n");
        pieces.push_back(Body::from(before));
        Ok((media_type, joined(pieces)))
    }
}

impl Part {
    /// A text, which says nothing of its media type: receivers take it for UTF-8.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::stream(Body::from(text.into()))
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::stream(Body::from(bytes.into()))
    }

    /// A body, which may be a stream: then the form is sent once, and with a length if this body has one.
    #[must_use]
    pub const fn stream(content: Body) -> Self {
        Self {
            content,
            file_name: None,
            media_type: None,
        }
    }

    /// Makes the part a file of this name. Receivers should take the last part of a path alone; this side sends what it gets.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Says what it is, such as `image/png`. A call with one that is no printable ASCII fails before anything is sent.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    fn push_head(&self, name: &str, head: &mut String) -> Result<(), ArgumentProblem> {
        head.push_str("\r\nContent-Disposition: form-data; name=\"");
        push_quoted(name, head);
        if let Some(file_name) = &self.file_name {
            head.push_str("\"; filename=\"");
            push_quoted(file_name, head);
        }
        head.push('"');
        if let Some(media_type) = &self.media_type {
            if !media_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(ArgumentProblem::HeaderText);
            }
            head.push_str("\r\nContent-Type: ");
            head.push_str(media_type);
        }
        head.push_str("\r\n\r\n");
        Ok(())
    }
}

/// A name between quotes: what would end it or its line is percent-encoded, and nothing else is. Other control characters
/// are too, though browsers leave them: no receiver needs them, and some end a line by them.
fn push_quoted(name: &str, head: &mut String) {
    for character in name.chars() {
        match character {
            '"' => head.push_str("%22"),
            control if control.is_ascii_control() => {
                head.push_str(&format!("%{:02X}", u32::from(control)));
            }
            other => head.push(other),
        }
    }
}

/// One body in memory where all pieces are, so that it can be sent again.
fn joined(pieces: VecDeque<Body>) -> Body {
    let length = |body: &Body| {
        body.try_clone()?;
        usize::try_from(body.size_hint().exact()?).ok()
    };
    let Some(length) = pieces
        .iter()
        .map(length)
        .try_fold(0_usize, |sum, length| sum.checked_add(length?))
    else {
        return Body::wrap(Pieces(pieces));
    };
    let mut whole = BytesMut::with_capacity(length);
    for piece in pieces {
        if let Some(bytes) = piece.into_bytes() {
            whole.extend_from_slice(&bytes);
        }
    }
    Body::from(whole.freeze())
}

/// Bodies one after the other.
struct Pieces(VecDeque<Body>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while let Some(first) = self.0.front_mut() {
            match ready!(Pin::new(first).poll_frame(cx)) {
                // Trailers of a part are not the form's.
                Some(Ok(frame)) if !frame.is_data() => {}
                Some(frame) => return Poll::Ready(Some(frame)),
                None => {
                    self.0.pop_front();
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut sum = SizeHint::with_exact(0);
        for hint in self.0.iter().map(HttpBody::size_hint) {
            let upper = sum.upper().zip(hint.upper());
            let upper = upper.and_then(|(sum, more)| sum.checked_add(more));
            let mut next = SizeHint::new();
            next.set_lower(sum.lower().saturating_add(hint.lower()));
            if let Some(upper) = upper {
                next.set_upper(upper);
            }
            sum = next;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text_of(form: Multipart) -> (String, String) {
        let (media_type, body) = form.into_body().unwrap();
        let boundary = media_type.to_str().unwrap().split('=').nth(1).unwrap();
        let bytes = body.collect_within(10_000).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (text.replace(boundary, "X"), boundary.to_owned())
    }

    #[tokio::test]
    async fn a_form_is_written_as_receivers_read_it() {
        let form = Multipart::new().text("title", "Note").part(
            "file",
            Part::bytes("pdf")
                .file_name("\u{fc}ber.pdf")
                .media_type("application/pdf"),
        );
        let (text, boundary) = text_of(form).await;
        let expected = "--X\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nNote\r\n\
            --X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\u{fc}ber.pdf\"\r\n\
            Content-Type: application/pdf\r\n\r\npdf\r\n--X--\r\n";
        assert_eq!(text, expected);
        let (_, other) = text_of(Multipart::new()).await;
        assert!(boundary.len() == 32 && boundary != other);
    }

    #[tokio::test]
    async fn no_name_begins_a_header_or_another_part() {
        let evil = "a\"\r\nContent-Type: text/html\r\n\r\n<b>\0";
        let form = Multipart::new().part(evil, Part::text("x").file_name(evil));
        let (text, _) = text_of(form).await;
        let quoted = "a%22%0D%0AContent-Type: text/html%0D%0A%0D%0A<b>%00";
        let expected = format!(
            "--X\r\nContent-Disposition: form-data; name=\"{quoted}\"; filename=\"{quoted}\"\r\n\r\nx\r\n--X--\r\n"
        );
        assert_eq!(text, expected);
        let form = Multipart::new().part("a", Part::text("x").media_type("a/b\r\nX-Admin: 1"));
        assert_eq!(form.into_body().unwrap_err(), ArgumentProblem::HeaderText);
    }

    #[tokio::test]
    async fn a_form_in_memory_can_be_sent_again_and_one_with_a_stream_has_the_length_that_its_parts_have()
     {
        let memory = Multipart::new().text("a", "b").into_body().unwrap().1;
        let length = memory.size_hint().exact();
        assert!(memory.try_clone().is_some() && length.is_some());
        let stream = Part::stream(Body::wrap(Body::from("b")));
        let stream = Multipart::new().part("a", stream).into_body().unwrap().1;
        assert!(stream.try_clone().is_none());
        assert_eq!(stream.size_hint().exact(), length);
        assert_eq!(
            stream.collect_within(1_000).await.unwrap().len() as u64,
            length.unwrap()
        );
    }
}
