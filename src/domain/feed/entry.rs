//! One entry of the feed: something that no longer counts.

use serde_json::{Value, json};

use crate::domain::oauth::words;
use crate::kernel::id::OrgId;

words! {
    /// What an entry ends; the first word of it on the wire.
    pub enum Kind {
        /// Tokens of a person in an organisation below a version.
        Member = "m",
        /// Tokens that were made from a family of tokens, or from an access key.
        Family = "f",
        /// One token.
        Token = "t",
        /// Tokens of a client that were issued before a moment.
        Client = "c",
        /// All tokens that were issued before a moment.
        All = "all",
    }
}

/// An entry with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its number.
    pub seq: i64,
    /// What it ends.
    pub kind: Kind,
    /// The organisation of whoever holds the tokens, if there is one.
    pub org: Option<OrgId>,
    /// The organisation of the application that they were issued to, if it is known and belongs to one.
    pub home: Option<OrgId>,
    /// Whose, or which.
    pub subject: String,
    /// The least version that counts, or the second before which nothing counts.
    pub value: i64,
}

impl Numbered {
    /// Whether an application may read it, by the organisation that it belongs to: one of none reads everything, and
    /// everybody reads what belongs to none.
    #[must_use]
    pub fn is_for(&self, org: Option<&OrgId>) -> bool {
        match org {
            None => true,
            Some(_) if self.org.is_none() && self.home.is_none() => true,
            Some(org) => self.org.as_ref() == Some(org) || self.home.as_ref() == Some(org),
        }
    }

    /// As it stands in a page.
    #[must_use]
    pub fn on_the_wire(&self) -> Value {
        let word = self.kind.as_str();
        match self.kind {
            Kind::Member => json!([word, self.subject, self.org.as_ref().map(OrgId::as_str), self.value]),
            Kind::Family | Kind::Token => json!([word, self.subject]),
            Kind::Client => json!([word, self.subject, self.value]),
            Kind::All => json!([word, self.value]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, subject: &str, value: i64) -> Numbered {
        let org = Some(OrgId::from_u128(1));
        Numbered { seq: 7, kind, org, home: None, subject: subject.to_owned(), value }
    }

    #[test]
    fn each_kind_has_its_shape() {
        let org = OrgId::from_u128(1);
        assert_eq!(entry(Kind::Member, "usr_1", 8).on_the_wire(), json!(["m", "usr_1", org.as_str(), 8]));
        assert_eq!(entry(Kind::Family, "fam_1", 0).on_the_wire(), json!(["f", "fam_1"]));
        assert_eq!(entry(Kind::Token, "fam_1.ab", 0).on_the_wire(), json!(["t", "fam_1.ab"]));
        assert_eq!(entry(Kind::Client, "shop", 900).on_the_wire(), json!(["c", "shop", 900]));
        assert_eq!(entry(Kind::All, "", 800).on_the_wire(), json!(["all", 800]));
    }

    #[test]
    fn an_organisations_applications_read_what_concerns_it_and_the_instances_read_all() {
        let (own, other) = (OrgId::from_u128(1), OrgId::from_u128(2));
        let of_its_people = entry(Kind::Family, "fam_1", 0);
        let of_its_application =
            Numbered { org: Some(other.clone()), home: Some(own.clone()), ..of_its_people.clone() };
        let of_nobody = Numbered { org: None, home: None, ..of_its_people.clone() };
        for entry in [&of_its_people, &of_its_application, &of_nobody] {
            assert!(entry.is_for(Some(&own)) && entry.is_for(None), "{entry:?}");
        }
        assert!(!of_its_people.is_for(Some(&other)) && of_its_application.is_for(Some(&other)));
    }
}
