//! Reading JSON strictly: no member twice in one object (RFC 8259 leaves that open, RFC 7515 section 4 and RFC 7517
//! section 4 do not), and no deep nesting.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deeply arrays and objects may be nested in a header, in claims and in a JWK; the outermost object is level 1.
pub(crate) const MAX_JSON_DEPTH: usize = 16;

/// What is wrong with a document that is JSON all the same. It is noted while reading goes on, so that one bad key in
/// a set of keys can be told from a bad set.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) duplicate: Cell<bool>,
    pub(crate) too_deep: Cell<bool>,
}

/// Reads any value. `depth` is the level that an array or object here would have.
#[derive(Clone, Copy)]
pub(crate) struct StrictValue<'n> {
    pub(crate) notes: &'n Notes,
    pub(crate) depth: usize,
}

impl<'n> StrictValue<'n> {
    pub(crate) fn new(notes: &'n Notes, depth: usize) -> Self {
        Self { notes, depth }
    }

    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }

    fn check_depth(self) {
        if self.depth > MAX_JSON_DEPTH {
            self.notes.too_deep.set(true);
        }
    }

    /// Puts a member into `object`, and notes it if there is one of that name.
    pub(crate) fn insert(self, object: &mut Map<String, Value>, name: String, value: Value) {
        if object.insert(name, value).is_some() {
            self.notes.duplicate.set(true);
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.check_depth();
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self.deeper())? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.check_depth();
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.deeper())?;
            self.insert(&mut object, name, value);
        }
        Ok(Value::Object(object))
    }
}

/// A string, borrowed from the text where it has no escapes. Anything else is a type error.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_JSON_DEPTH, Notes, StrictValue};
    use serde::de::DeserializeSeed;
    use serde_json::{Value, json};

    fn read(text: &str) -> (Option<Value>, bool, bool) {
        let notes = Notes::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = StrictValue::new(&notes, 1).deserialize(&mut reader).ok();
        (value, notes.duplicate.get(), notes.too_deep.get())
    }

    #[test]
    fn reads_every_kind_of_value() {
        let text = r#"{"a":[null,true,-1,1,1.5,"s\n",{}],"b":18446744073709551615}"#;
        let expected = json!({"a": [null, true, -1, 1, 1.5, "s\n", {}], "b": u64::MAX});
        assert_eq!(read(text), (Some(expected), false, false));
    }

    #[test]
    fn notes_a_member_that_comes_twice_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":[{"a":1,"\u0061":2}]}]"#] {
            assert!(read(text).1, "{text}");
        }
        assert!(!read(r#"[{"a":1},{"a":1}]"#).1);
    }

    #[test]
    fn notes_deep_nesting_and_never_overflows_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!read(&nested(MAX_JSON_DEPTH)).2);
        assert!(read(&nested(MAX_JSON_DEPTH + 1)).2);
        assert_eq!(read(&nested(1_000_000)).0, None);
    }
}
