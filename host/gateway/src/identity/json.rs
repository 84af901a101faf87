//! Reads JSON that others may have written to mean two things: a member that stands twice is
//! an error at any depth, since two readers would take different ones.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are no JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotAnObject {
    /// A member stands twice.
    Duplicate,
    /// Not JSON, not an object, or nested too deep.
    Malformed,
}

/// What the reader's error begins with when a member stands twice.
const DUPLICATE: &str = "duplicate member";

/// Reads one JSON object and nothing behind it.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err(NotAnObject::Malformed),
        Err(error) if error.to_string().starts_with(DUPLICATE) => Err(NotAnObject::Duplicate),
        Err(_) => Err(NotAnObject::Malformed),
    }
}

/// Reads one JSON document of any kind and nothing behind it; `None` if it has no single meaning.
pub(crate) fn document(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice::<Strict>(bytes)
        .ok()
        .map(|Strict(value)| value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        assert!(object(br#"{"a":[{"b":1,"c":null}],"d":"x"}"#).is_ok());
        assert_eq!(object(br#"{"a":1,"a":1}"#), Err(NotAnObject::Duplicate));
        assert_eq!(
            object(br#"{"x":[{"a":1,"\u0061":2}]}"#),
            Err(NotAnObject::Duplicate)
        );
        for bad in ["", "[]", "{", "{}{}", "1", r#"{"a":1e999}"#] {
            assert_eq!(object(bad.as_bytes()), Err(NotAnObject::Malformed), "{bad}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert_eq!(object(deep.as_bytes()), Err(NotAnObject::Malformed));
    }
}
