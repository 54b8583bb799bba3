//! The fields of a log line for people: an event is one line, whatever its values hold.
//!
//! Two things the library does otherwise. It writes values given with `%` as they are, and what a caller or a peer has put in may
//! end the line and begin another one that looks like ours: here, what could is escaped. And it looks at each character of a
//! message, and asks for the colours of each field, which is a tenth of what the issuer does for a token beside its signature:
//! here, text without anything to escape is written at once.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Writes `name=value` for each field, without colours; texts stand in quotation marks.
#[derive(Debug)]
pub(crate) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = PlainVisitor {
            writer,
            is_empty: true,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct PlainVisitor<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl PlainVisitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_ok() {
            self.result = self.try_write(field.name(), value);
        }
    }

    fn try_write(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        self.name(name)?;
        match value.as_str() {
            Some(text) => OneLine(&mut self.writer).write_str(text),
            None => OneLine(&mut self.writer).write_fmt(value),
        }
    }

    /// What stands before a value: nothing before the message.
    fn name(&mut self, name: &str) -> fmt::Result {
        if !self.is_empty {
            self.writer.write_char(' ')?;
        }
        self.is_empty = false;
        if name == MESSAGE {
            return Ok(());
        }
        self.writer
            .write_str(name.strip_prefix("r#").unwrap_or(name))?;
        self.writer.write_char('=')
    }

    fn quoted(&mut self, name: &str, plain: &str) -> fmt::Result {
        self.name(name)?;
        self.writer.write_char('"')?;
        self.writer.write_str(plain)?;
        self.writer.write_char('"')
    }
}

impl Visit for PlainVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.write(field, format_args!("{value}"));
        } else if !is_plain(value) {
            self.write(field, format_args!("{value:?}"));
        } else if self.result.is_ok() {
            self.result = self.quoted(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    /// With what caused it, as the library writes that.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = String::new();
        let mut library = DefaultVisitor::new(Writer::new(&mut text), true);
        library.record_error(field, value);
        let written = library.finish();
        if !self.is_empty {
            text.insert(0, ' ');
        }
        self.is_empty = false;
        self.result = self
            .result
            .and(written)
            .and_then(|()| OneLine(&mut self.writer).write_str(&text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, format_args!("{value:?}"));
    }
}

/// The field that an event's own words are in.
const MESSAGE: &str = "message";

/// Escapes what ends a line, moves the cursor of a terminal or turns the direction of what is read.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(|char| !may_stand(char)) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut characters = from.chars();
            for escaped in characters.by_ref().take(1).flat_map(char::escape_default) {
                self.0.write_char(escaped)?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

fn may_stand(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // Line and paragraph separators, and what changes the direction.
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    }
}

/// Whether nothing of `value` must be escaped between quotation marks.
fn is_plain(value: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    value.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::DefaultFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What `fields` make of events with `texts` in each place.
    fn written(
        fields: impl for<'w> FormatFields<'w> + Send + Sync + 'static,
        texts: &[&str],
    ) -> String {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .fmt_fields(fields)
            .with_writer(kept.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let nothing: Option<&str> = None;
            for &text in texts {
                tracing::info!(event = "token_issued", text, at = 7_u64, nothing, "issued");
                tracing::info!(message = text, r#type = text, shown = %text, is_new = true);
                tracing::info!(left = -7, share = 0.5, list = ?[text], "{text} issued");
                let error = io::Error::other(io::Error::other(text.to_owned()));
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, last = text);
            }
            tracing::info_span!("request", text = "a", other = "\n").in_scope(|| {
                tracing::info!("without fields");
            });
        });
        let text = kept.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn fields_are_written_as_the_library_writes_them() {
        let texts = ["", "a b~", "\"", "\\", "é", "日本"];
        let ours = written(PlainFields, &texts);
        assert_eq!(ours, written(DefaultFields::new(), &texts));
        assert!(
            ours.contains("issued event=\"token_issued\" text=\"a b~\" at=7\n"),
            "{ours}"
        );
    }

    #[test]
    fn no_value_ends_its_line_moves_the_cursor_or_turns_the_text() {
        for hostile in [
            "\n",
            "\r",
            "\u{1b}[31m",
            "\u{7f}",
            "\u{9b}",
            "\u{85}",
            "\u{2028}",
            "\u{202e}",
            "\u{2067}",
        ] {
            let text = format!("a{hostile}b INFO token issued");
            let ours = written(PlainFields, &[&text]);
            assert_eq!(ours.lines().count(), 5, "{ours}");
            let escaped = hostile.chars().next().unwrap().escape_default().to_string();
            assert!(ours.contains(&format!("shown=a{escaped}")), "{ours}");
            assert!(ours.contains(&format!("a{escaped}")), "{ours}");
            let breaks = |line: &str| line.chars().any(|char| !may_stand(char));
            assert!(!ours.lines().any(breaks), "{ours:?}");
        }
    }
}
