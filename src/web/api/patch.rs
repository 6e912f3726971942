//! What a merge patch (RFC 7396) says of one field: nothing, null, or a value.

use serde::{Deserialize, Deserializer};

/// A field of a patch. Declare it with `#[serde(default)]`, so that an absent one is [`Given::Absent`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// It stays as it is.
    #[default]
    Absent,
    /// It is cleared.
    Null,
    /// It becomes this.
    Set(T),
}

impl<T> Given<T> {
    /// What the field is afterwards, when it was `before`.
    #[must_use]
    pub fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Absent => before,
            Self::Null => None,
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Patch {
        #[serde(default)]
        name: Given<String>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let read = |text: &str| serde_json::from_str::<Patch>(text).unwrap().name;
        assert!(matches!(read("{}"), Given::Absent));
        assert_eq!(read(r#"{"name":null}"#), Given::Null);
        assert_eq!(read(r#"{"name":"a"}"#), Given::Set("a".to_owned()));
        let before = || Some("b".to_owned());
        assert_eq!(read("{}").over(before()), before());
        assert_eq!(read(r#"{"name":null}"#).over(before()), None);
    }
}
