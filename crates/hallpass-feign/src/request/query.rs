//! Values as query parameters: one rule for numbers, texts, options, sequences and plain structs.

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde::ser::{self, Impossible, Serialize, Serializer};

use super::path::ENCODED;
use crate::error::ArgumentProblem;

/// Appends `value` as `name=value` pairs to `query`, each behind a `?` or `&`.
///
/// `None` and `()` add nothing, a sequence adds one pair an element, a struct or map one pair a field (under the
/// field's name, not `name`). Deeper nesting has no agreed form and is refused.
pub(super) fn push(
    query: &mut String,
    name: &str,
    value: &impl Serialize,
) -> Result<(), ArgumentProblem> {
    let place = Place {
        query,
        name,
        depth: Depth::Argument,
    };
    value
        .serialize(place)
        .map_err(|NotPlain| ArgumentProblem::NotPlain)
}

/// The value has no form as query parameters.
#[derive(Debug, PartialEq)]
pub(super) struct NotPlain;

impl std::fmt::Display for NotPlain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no plain value")
    }
}

impl std::error::Error for NotPlain {}

impl ser::Error for NotPlain {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Where a value goes: under which name, and how deep it already is.
struct Place<'a> {
    query: &'a mut String,
    name: &'a str,
    depth: Depth,
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Argument,
    Field,
    Element,
}

impl Place<'_> {
    fn pair(self, value: &str) {
        self.query
            .push(if self.query.contains('?') { '&' } else { '?' });
        self.query.extend(utf8_percent_encode(self.name, ENCODED));
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, ENCODED));
    }
}

/// Methods that send the value's text.
macro_rules! as_text {
    ($($method:ident: $ty:ty),* $(,)?) => {
        $(fn $method(self, value: $ty) -> Result<(), NotPlain> {
            self.pair(&value.to_string());
            Ok(())
        })*
    };
}

impl<'a> Serializer for Place<'a> {
    type Ok = ();
    type Error = NotPlain;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Impossible<(), NotPlain>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<(), NotPlain>;

    as_text! {
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
    }

    fn serialize_str(self, value: &str) -> Result<(), NotPlain> {
        self.pair(value);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    fn serialize_none(self) -> Result<(), NotPlain> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), NotPlain> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), NotPlain> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NotPlain> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), NotPlain> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotPlain> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), NotPlain> {
        Err(NotPlain)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, NotPlain> {
        if self.depth == Depth::Element {
            return Err(NotPlain);
        }
        Ok(Elements(self))
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements<'a>, NotPlain> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Elements<'a>, NotPlain> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, NotPlain> {
        Err(NotPlain)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>, NotPlain> {
        if self.depth != Depth::Argument {
            return Err(NotPlain);
        }
        Ok(Fields {
            query: self.query,
            key: None,
        })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>, NotPlain> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, NotPlain> {
        Err(NotPlain)
    }
}

/// The elements of a sequence, each under the sequence's name.
struct Elements<'a>(Place<'a>);

impl Elements<'_> {
    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotPlain> {
        value.serialize(Place {
            query: self.0.query,
            name: self.0.name,
            depth: Depth::Element,
        })
    }
}

impl ser::SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotPlain> {
        self.element(value)
    }

    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

impl ser::SerializeTuple for Elements<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotPlain> {
        self.element(value)
    }

    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

impl ser::SerializeTupleStruct for Elements<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotPlain> {
        self.element(value)
    }

    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

/// The fields of a struct or map, each under its own name.
struct Fields<'a> {
    query: &'a mut String,
    key: Option<String>,
}

impl Fields<'_> {
    fn field<T: ?Sized + Serialize>(&mut self, name: &str, value: &T) -> Result<(), NotPlain> {
        value.serialize(Place {
            query: self.query,
            name,
            depth: Depth::Field,
        })
    }
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotPlain> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = NotPlain;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, name: &T) -> Result<(), NotPlain> {
        self.key = Some(text_of_key(name)?);
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotPlain> {
        let name = self.key.take().ok_or(NotPlain)?;
        self.field(&name, value)
    }

    fn end(self) -> Result<(), NotPlain> {
        Ok(())
    }
}

/// The text of a key: whatever is one plain value.
fn text_of_key(key: &(impl ?Sized + Serialize)) -> Result<String, NotPlain> {
    // A key is written like a value, under no name, and read back: one rule for what is plain.
    let mut written = String::new();
    key.serialize(Place {
        query: &mut written,
        name: "",
        depth: Depth::Element,
    })?;
    let encoded = written.strip_prefix("?=").ok_or(NotPlain)?;
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| NotPlain)?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests;
