//! Where a request's path leads, and what may be done there. A path is read once, and the same reading decides who may come
//! and what is answered.
//!
//! # Why
//! A server that reads a path twice, once to ask for a token and once to answer, can be shown a spelling that the two read
//! differently (CVE-2026-32130). Here whatever is not plainly one of three documents needs a token, known or not.

use axum::http::Method;

use crate::domain::scim::schema::ResourceType;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/`: everything that the connection owns.
    Root,
    /// `/.search`, or that of one type.
    Search(Option<ResourceType>),
    /// `/Users`, `/Groups`.
    All(ResourceType),
    /// `/Users/{id}`, `/Groups/{id}`.
    One(ResourceType, String),
    /// `/Bulk`.
    Bulk,
    /// `/Me`, and what lies under it.
    Me,
    /// A document that everybody may read.
    Document(Document),
    /// Nothing.
    Nothing,
    /// Another version of the protocol, or no version.
    OtherVersion,
}

/// What describes the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `/ServiceProviderConfig`.
    Config,
    /// `/Schemas`, or one by its URN.
    Schemas(Option<String>),
    /// `/ResourceTypes`, or one by its name.
    ResourceTypes(Option<String>),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// GET and HEAD.
    Read,
    /// POST.
    Post,
    /// PUT.
    Replace,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Deed {
    /// What a method asks for; `None` for those that SCIM has no use for.
    #[must_use]
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Read),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Replace),
            Method::PATCH => Some(Self::Patch),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

impl Place {
    /// Where a path leads. Empty segments count for nothing: some clients put a slash too many.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let ["scim", "v2", rest @ ..] = segments.as_slice() else {
            return Self::OtherVersion;
        };
        let Some(decoded) = rest.iter().map(|segment| decode(segment)).collect::<Option<Vec<String>>>() else {
            return Self::Nothing;
        };
        let words: Vec<&str> = decoded.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => Self::Root,
            [".search"] => Self::Search(None),
            ["Bulk"] => Self::Bulk,
            ["Me", ..] => Self::Me,
            ["ServiceProviderConfig"] => Self::Document(Document::Config),
            ["Schemas"] => Self::Document(Document::Schemas(None)),
            ["Schemas", urn] => Self::Document(Document::Schemas(Some((*urn).to_owned()))),
            ["ResourceTypes"] => Self::Document(Document::ResourceTypes(None)),
            ["ResourceTypes", name] => Self::Document(Document::ResourceTypes(Some((*name).to_owned()))),
            [endpoint] => resources(endpoint).map_or(Self::Nothing, Self::All),
            [endpoint, ".search"] => resources(endpoint).map_or(Self::Nothing, |kind| Self::Search(Some(kind))),
            [endpoint, id] => resources(endpoint).map_or(Self::Nothing, |kind| Self::One(kind, (*id).to_owned())),
            _ => Self::Nothing,
        }
    }

    /// The methods that are of use here, as `Allow` lists them; empty where all are answered alike.
    #[must_use]
    pub const fn allowed(&self) -> &'static str {
        match self {
            Self::Root | Self::Document(_) => "GET, HEAD",
            Self::Search(_) | Self::Bulk => "POST",
            Self::All(_) => "GET, HEAD, POST",
            Self::One(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Self::Me | Self::Nothing | Self::OtherVersion => "",
        }
    }

    /// Whether this may be done here.
    #[must_use]
    pub const fn allows(&self, deed: Deed) -> bool {
        match self {
            Self::Root | Self::Document(_) => matches!(deed, Deed::Read),
            Self::Search(_) | Self::Bulk => matches!(deed, Deed::Post),
            Self::All(_) => matches!(deed, Deed::Read | Deed::Post),
            Self::One(..) => !matches!(deed, Deed::Post),
            Self::Me | Self::Nothing | Self::OtherVersion => true,
        }
    }

    /// The word under which requests are counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::All(ResourceType::User) | Self::One(ResourceType::User, _) => "Users",
            Self::All(ResourceType::Group) | Self::One(ResourceType::Group, _) => "Groups",
            Self::Root | Self::Search(_) => ".search",
            Self::Bulk => "Bulk",
            Self::Me | Self::Document(_) | Self::Nothing | Self::OtherVersion => "other",
        }
    }
}

fn resources(endpoint: &str) -> Option<ResourceType> {
    match endpoint {
        "Users" => Some(ResourceType::User),
        "Groups" => Some(ResourceType::Group),
        _ => None,
    }
}

/// A segment without its percent-encoding; `None` for one that leads elsewhere, or holds what no id of ours and no name does.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let leads_elsewhere = text == "." || text == "..";
    let odd = text.chars().any(|c| c == '/' || c == '\\' || c == '%' || c.is_control());
    (!leads_elsewhere && !odd).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: Place = Place::All(ResourceType::User);

    #[test]
    fn a_slash_too_many_leads_to_the_same_place() {
        for path in ["/scim/v2/Users", "/scim/v2/Users/", "/scim/v2//Users", "//scim/v2/Users", "/scim/v2/%55sers"] {
            assert_eq!(Place::of(path), USERS, "{path}");
        }
        assert_eq!(Place::of("/scim/v2"), Place::Root);
        assert_eq!(Place::of("/scim/v2/"), Place::Root);
        assert_eq!(Place::of("/scim/v2/Users//usr_1/"), Place::One(ResourceType::User, "usr_1".to_owned()));
        assert_eq!(Place::of("/scim/v2/Groups/.search"), Place::Search(Some(ResourceType::Group)));
    }

    #[test]
    fn spellings_that_mean_nothing_lead_to_nothing() {
        for path in [
            "/scim/v2/./Users",
            "/scim/v2/%2e/Users",
            "/scim/v2/Schemas/../Users",
            "/scim/v2/Schemas/%2e%2e/Users",
            "/scim/v2/Schemas%2f..%2fUsers",
            "/scim/v2/Users;x",
            "/scim/v2/Users%00",
            "/scim/v2/Users%",
            "/scim/v2/Users%zz",
            "/scim/v2/%+5sers",
            "/scim/v2/%ff",
            "/scim/v2/%2555sers",
            "/scim/v2/users",
            "/scim/v2/Users/usr_1/groups",
            "/scim/v2/serviceConfiguration",
        ] {
            assert_eq!(Place::of(path), Place::Nothing, "{path}");
        }
    }

    #[test]
    fn another_version_is_told_from_a_wrong_path() {
        for path in ["/scim", "/scim/v3/Users", "/scim/V2/Users", "/scim/Users", "/scim/v2;x/Users", "/scim%2Fv2/Users"]
        {
            assert_eq!(Place::of(path), Place::OtherVersion, "{path}");
        }
    }

    #[test]
    fn a_schema_is_found_by_its_urn_and_only_documents_are_for_everybody() {
        let urn = "urn:ietf:params:scim:schemas:core:2.0:User".to_owned();
        let found = Place::of("/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User");
        assert_eq!(found, Place::Document(Document::Schemas(Some(urn))));
        assert_eq!(Place::of("/scim/v2/Schemas/a/b"), Place::Nothing);
        assert_eq!(Place::of("/scim/v2/Me/x"), Place::Me);
    }

    #[test]
    fn what_is_allowed_is_what_the_header_lists() {
        let one = Place::One(ResourceType::Group, "grp_1".to_owned());
        let places = [Place::Root, Place::Bulk, USERS, one, Place::Search(None), Place::Document(Document::Config)];
        for place in places {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                let deed = Deed::of(&method.parse().unwrap()).unwrap();
                let listed = place.allowed().split(", ").any(|one| one == method);
                assert_eq!(place.allows(deed), listed, "{method} {place:?}");
            }
        }
        assert_eq!(Deed::of(&Method::OPTIONS), None);
    }
}
