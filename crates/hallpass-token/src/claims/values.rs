//! Claims that are more than one name or number: `aud`, `scope`, `act`, `cnf`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Map;

use super::reader::Reader;
use super::{Actor, Confirmation, MAX_ACTOR_DEPTH, MAX_AUDIENCES, Thumbprint};
use crate::json::{StrictValue, Text};
use crate::name::Audience;
use crate::scope::Scope;

/// `aud`: one name or an array of names.
pub(super) struct Audiences<'r>(pub(super) &'r Reader);

impl<'de> DeserializeSeed<'de> for Audiences<'_> {
    type Value = Vec<Audience>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Audiences<'_> {
    type Value = Vec<Audience>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![
            Audience::try_from(text).map_err(|_| self.0.bad_value())?,
        ])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut audiences = Vec::new();
        while let Some(text) = items.next_element_seed(Text)? {
            if audiences.len() == MAX_AUDIENCES {
                return Err(self.0.bad_value());
            }
            audiences.push(Audience::try_from(&*text).map_err(|_| self.0.bad_value())?);
        }
        if audiences.is_empty() {
            Err(self.0.bad_value())
        } else {
            Ok(audiences)
        }
    }
}

/// `scope`: words in one string (RFC 8693 section 4.2) or, as some foreign issuers write it, in an array.
pub(super) struct Words<'r>(pub(super) &'r Reader);

impl<'de> DeserializeSeed<'de> for Words<'_> {
    type Value = Scope;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scope, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Words<'_> {
    type Value = Scope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scope, E> {
        text.parse().map_err(|_| self.0.bad_value())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scope, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = items.next_element_seed(Text)? {
            words.push(word);
        }
        Scope::from_words(words.iter().map(AsRef::as_ref)).map_err(|_| self.0.bad_value())
    }
}

/// `act`: an object with a `sub`, and perhaps another actor in it.
pub(super) struct ActorAt<'r> {
    pub(super) reader: &'r Reader,
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for ActorAt<'_> {
    type Value = Actor;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Actor, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ActorAt<'_> {
    type Value = Actor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an actor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Actor, A::Error> {
        let Self { reader, depth } = self;
        if depth > MAX_ACTOR_DEPTH {
            return Err(reader.bad_value());
        }
        let (mut subject, mut issuer, mut client_id, mut actor) = (None, None, None, None);
        // RFC 8693 section 4.1: other members say nothing about who acts. They are read for doubles alone.
        let mut others = Map::new();
        while let Some(name) = members.next_key_seed(Text)? {
            let from = &mut members;
            match &*name {
                "sub" => reader.once("act", &mut subject, |reader| reader.name(from))?,
                "iss" => reader.once("act", &mut issuer, |reader| reader.name(from))?,
                "client_id" => reader.once("act", &mut client_id, |reader| reader.name(from))?,
                "act" => reader.once("act", &mut actor, |reader| {
                    from.next_value_seed(ActorAt {
                        reader,
                        depth: depth + 1,
                    })
                    .map(Box::new)
                })?,
                _ => {
                    let strict = StrictValue::new(&reader.notes, depth + 2);
                    let value = from.next_value_seed(strict)?;
                    strict.insert(&mut others, name.into_owned(), value);
                }
            }
        }
        let subject = subject.ok_or_else(|| reader.bad_value())?;
        Ok(Actor {
            subject,
            issuer,
            client_id,
            actor,
        })
    }
}

/// `cnf`: an object.
pub(super) struct Bound<'r>(pub(super) &'r Reader);

impl<'de> DeserializeSeed<'de> for Bound<'_> {
    type Value = Confirmation;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Confirmation, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Bound<'_> {
    type Value = Confirmation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a confirmation")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Confirmation, A::Error> {
        let mut confirmation = Confirmation::default();
        while let Some(name) = members.next_key_seed(Text)? {
            let from = &mut members;
            let thumbprint = |reader: &Reader| {
                Thumbprint::parse(&from.next_value_seed(Text)?).ok_or_else(|| reader.bad_value())
            };
            match &*name {
                "x5t#S256" => self.0.once("cnf", &mut confirmation.x5t_s256, thumbprint)?,
                "jkt" => self.0.once("cnf", &mut confirmation.jkt, thumbprint)?,
                _ => {
                    let strict = StrictValue::new(&self.0.notes, 3);
                    let value = members.next_value_seed(strict)?;
                    strict.insert(&mut confirmation.others, name.into_owned(), value);
                }
            }
        }
        Ok(confirmation)
    }
}
