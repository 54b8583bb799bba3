//! Path templates: `/orders/{order_id}/shipments`.

use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Ident, LitStr};

/// A path template: fixed text and placeholders by turns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

/// A part of a path template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text that is sent as it is written.
    Fixed(String),
    /// The name of the argument whose value goes here.
    Placeholder(String),
}

impl Template {
    /// Parses a template and checks all that can be known before a value is there.
    pub(crate) fn parse(literal: &LitStr) -> syn::Result<Self> {
        Self::from_text(&literal.value())
            .map_err(|message| syn::Error::new(literal.span(), message))
    }

    fn from_text(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("a path begins with `/`: write \"/{text}\""));
        }
        let template = Self(pieces(text)?);
        for piece in &template.0 {
            if let Piece::Fixed(fixed) = piece {
                check_fixed(fixed)?;
            }
        }
        check_segments(text)?;
        let names: Vec<&str> = template.placeholders().collect();
        match names
            .iter()
            .enumerate()
            .find(|(index, name)| names.iter().take(*index).any(|seen| seen == *name))
        {
            Some((_, twice)) => Err(format!(
                "`{{{twice}}}` stands twice in this path: an argument is bound once"
            )),
            None => Ok(template),
        }
    }

    /// The names of the placeholders in order.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.as_str()),
            Piece::Fixed(_) => None,
        })
    }

    /// `/`.
    pub(crate) fn root() -> Self {
        Self(vec![Piece::Fixed("/".to_owned())])
    }

    /// The template with `prefix` before it, neighbouring fixed texts joined. `/` behind a prefix is the prefix itself: servers tell
    /// `/orders/` from `/orders`, and whoever writes `/` means the latter.
    pub(crate) fn after(self, prefix: Option<&Self>) -> Self {
        let own = match prefix {
            Some(_) if self == Self::root() => Vec::new(),
            _ => self.0,
        };
        let mut joined: Vec<Piece> = Vec::new();
        for piece in prefix
            .map(|prefix| prefix.0.clone())
            .unwrap_or_default()
            .into_iter()
            .chain(own)
        {
            match (joined.last_mut(), piece) {
                (Some(Piece::Fixed(before)), Piece::Fixed(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        Self(joined)
    }

    /// The parts in order.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The template as it was written.
    pub(crate) fn text(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Fixed(text) => text.clone(),
                Piece::Placeholder(name) => format!("{{{name}}}"),
            })
            .collect()
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((fixed, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err("`{` without `}` in this path".to_owned());
        };
        if fixed.contains('}') {
            return Err("`}` without `{` in this path".to_owned());
        }
        if !is_argument_name(name) {
            return Err(format!(
                "`{{{name}}}` is not a placeholder: between the braces stands the name of an argument, without pattern or star"
            ));
        }
        if !fixed.is_empty() {
            pieces.push(Piece::Fixed(fixed.to_owned()));
        }
        pieces.push(Piece::Placeholder(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err("`}` without `{` in this path".to_owned());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Fixed(rest.to_owned()));
    }
    Ok(pieces)
}

/// An identifier as an argument can have it, keywords included (`r#type` is written `{type}`).
fn is_argument_name(name: &str) -> bool {
    !name.starts_with("r#") && Ident::parse_any.parse_str(name).is_ok()
}

/// RFC 3986 section 3.3: only `pchar` and `/`, and nothing that a server may read as a separator after decoding.
fn check_fixed(text: &str) -> Result<(), String> {
    if text.contains('?') {
        return Err("a path has no `?`: query parameters are arguments marked #[query]".to_owned());
    }
    if text.contains('#') {
        return Err("a path has no fragment".to_owned());
    }
    let lower = text.to_ascii_lowercase();
    if ["%2e", "%2f", "%5c"]
        .iter()
        .any(|hidden| lower.contains(hidden))
    {
        return Err("a path does not hide dots and slashes behind percent signs".to_owned());
    }
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let allowed = match byte {
            b'%' => {
                matches!((rest.next(), rest.next()), (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
            }
            _ => byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte),
        };
        if !allowed {
            return Err(format!(
                "`{text}` has a character that does not stand in a path as it is: percent-encode it"
            ));
        }
    }
    Ok(())
}

fn check_segments(text: &str) -> Result<(), String> {
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment == "." || segment == ".." {
            return Err(format!("a path has no `{segment}` segment"));
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err("a path has no empty segment (`//`)".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Piece, Template};

    fn fixed(text: &str) -> Piece {
        Piece::Fixed(text.to_owned())
    }

    fn placeholder(name: &str) -> Piece {
        Piece::Placeholder(name.to_owned())
    }

    #[test]
    fn a_template_is_fixed_text_and_placeholders_by_turns() {
        let template = Template::from_text("/orders/{order_id}/lines/{line}.json").unwrap();
        let expected = [
            fixed("/orders/"),
            placeholder("order_id"),
            fixed("/lines/"),
            placeholder("line"),
            fixed(".json"),
        ];
        assert_eq!(template.pieces(), expected);
        assert_eq!(template.text(), "/orders/{order_id}/lines/{line}.json");
    }

    #[test]
    fn a_prefix_is_joined_to_the_first_fixed_text() {
        let prefix = Template::from_text("/logistics").unwrap();
        let template = Template::from_text("/orders/{id}")
            .unwrap()
            .after(Some(&prefix));
        assert_eq!(
            template.pieces(),
            [fixed("/logistics/orders/"), placeholder("id")]
        );
    }

    #[test]
    fn a_slash_behind_a_prefix_is_the_prefix() {
        let prefix = Template::from_text("/orders").unwrap();
        let template = Template::root().after(Some(&prefix));
        assert_eq!(template.pieces(), [fixed("/orders")]);
        assert_eq!(Template::root().after(None).pieces(), [fixed("/")]);
        let longer = Template::from_text("/lines/").unwrap();
        assert_eq!(longer.after(Some(&prefix)).text(), "/orders/lines/");
    }

    #[test]
    fn what_cannot_be_a_path_is_refused_with_a_reason() {
        for (text, reason) in [
            ("orders", "begins with `/`"),
            ("", "begins with `/`"),
            ("/orders?x=1", "#[query]"),
            ("/orders#top", "fragment"),
            ("/orders/{id", "without `}`"),
            ("/orders/id}", "without `{`"),
            ("/orders}/{id}", "without `{`"),
            ("/orders/{*rest}", "not a placeholder"),
            ("/orders/{}", "not a placeholder"),
            ("/orders/{r#type}", "not a placeholder"),
            ("/orders/{id}/{id}", "stands twice"),
            ("/orders//lines", "empty segment"),
            ("/orders/../admin", "`..` segment"),
            ("/orders/./admin", "`.` segment"),
            ("/orders/%2e%2e/admin", "hide"),
            ("/orders/a b", "percent-encode"),
            ("/orders/\u{fc}", "percent-encode"),
            ("/orders/%zz", "percent-encode"),
        ] {
            let message = Template::from_text(text).unwrap_err();
            assert!(message.contains(reason), "{text}: {message}");
        }
    }
}
