//! Two hundred and fifty users and as many groups, pushed by few requests, and what is true of them: said by plain
//! functions that know nothing of filters.

use serde_json::{Value, json};

use super::client::{GROUP, Push, USER};

/// So many of each.
pub const COUNT: usize = 250;
/// The schema of what an enterprise knows of a person.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const TITLES: [&str; 5] = ["Engineer", "engineer Lead", "MANAGER", "Äbtissin", "analyst"];

/// One user: which one it is says everything about it.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// Its id.
    pub id: String,
    /// Which one.
    pub number: usize,
}

impl Somebody {
    /// The user name as it was sent: two spellings.
    pub fn user_name(&self) -> String {
        let number = self.number;
        if number.is_multiple_of(2) { format!("User{number:03}") } else { format!("user{number:03}") }
    }

    /// The user name as it compares.
    pub fn key(&self) -> String {
        self.user_name().to_lowercase()
    }

    /// The client's own id; every fifth has none.
    pub fn external_id(&self) -> Option<String> {
        (!self.number.is_multiple_of(5)).then(|| format!("X-{}", self.number))
    }

    /// The title; every third has none.
    pub fn title(&self) -> Option<&'static str> {
        (!self.number.is_multiple_of(3)).then(|| TITLES[self.number % TITLES.len()])
    }

    /// Whether it is active.
    pub fn active(&self) -> bool {
        !self.number.is_multiple_of(7)
    }

    /// The family name: some share one.
    pub fn family_name(&self) -> String {
        format!("Family{:02}", self.number % 17)
    }

    /// The department; every second has none.
    pub fn department(&self) -> Option<String> {
        (!self.number.is_multiple_of(2)).then(|| format!("D{}", self.number % 6))
    }

    /// The e-mail addresses with their types; the last one is primary where there are two.
    pub fn emails(&self) -> Vec<(&'static str, String)> {
        let number = self.number;
        let work = || ("work", format!("user{number}@work.test"));
        let home = || ("home", format!("user{number}@home.test"));
        match number % 4 {
            0 => Vec::new(),
            1 => vec![work()],
            2 => vec![work(), home()],
            _ => vec![home()],
        }
    }

    /// The address by which it sorts.
    pub fn main_email(&self) -> Option<String> {
        self.emails().pop().map(|(_, value)| value)
    }

    fn body(number: usize) -> Value {
        let one = Self { id: String::new(), number };
        let emails = one.emails();
        let primary = (emails.len() == 2).then_some(1);
        let emails: Vec<Value> = emails
            .into_iter()
            .enumerate()
            .map(|(place, (kind, value))| json!({ "type": kind, "value": value, "primary": primary == Some(place) }))
            .collect();
        json!({
            "schemas": [USER],
            "userName": one.user_name(),
            "externalId": one.external_id(),
            "title": one.title(),
            "active": one.active(),
            "name": { "familyName": one.family_name() },
            "emails": emails,
            ENTERPRISE: { "department": one.department() },
        })
    }
}

/// One group.
#[derive(Clone, Debug)]
pub struct Band {
    /// Its id.
    pub id: String,
    /// Which one.
    pub number: usize,
}

impl Band {
    /// Its name.
    pub fn name(number: usize) -> String {
        format!("Group {number:03}")
    }

    /// Which users are in it: two, in every tenth nobody.
    pub fn members(number: usize) -> Vec<usize> {
        if number.is_multiple_of(10) { Vec::new() } else { vec![number, (number + 1) % COUNT] }
    }

    fn body(number: usize, users: &[Somebody]) -> Value {
        let members: Vec<Value> = Self::members(number).iter().map(|at| json!({ "value": users[*at].id })).collect();
        let external = number.is_multiple_of(2).then(|| format!("G-{number}"));
        json!({ "schemas": [GROUP], "displayName": Self::name(number), "externalId": external, "members": members })
    }
}

/// Makes many resources by few requests; their ids, in the order of the bodies.
async fn make(push: &Push, path: &str, bodies: Vec<Value>) -> Vec<String> {
    let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]);
    let mut ids = Vec::new();
    for some in bodies.chunks(100) {
        let operations: Vec<Value> = some
            .iter()
            .enumerate()
            .map(|(place, data)| json!({ "method": "POST", "path": path, "bulkId": place.to_string(), "data": data }))
            .collect();
        let answer = push.post("/Bulk", json!({ "schemas": schemas, "Operations": operations })).await.good();
        for operation in answer.json["Operations"].as_array().unwrap() {
            assert_eq!(operation["status"], "201", "{operation}");
            ids.push(operation["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
        }
    }
    ids
}

/// Pushes so many users, in the order of their ids.
pub async fn users(push: &Push, count: usize) -> Vec<Somebody> {
    let ids = make(push, "/Users", (0..count).map(Somebody::body).collect()).await;
    assert_eq!(ids.len(), count);
    let mut users: Vec<Somebody> = ids.into_iter().enumerate().map(|(number, id)| Somebody { id, number }).collect();
    users.sort_by(|one, other| one.id.cmp(&other.id));
    users
}

/// Pushes the groups of all users, in the order of their ids.
pub async fn groups(push: &Push, users: &[Somebody]) -> Vec<Band> {
    let mut by_number = users.to_vec();
    by_number.sort_by_key(|user| user.number);
    let ids = make(push, "/Groups", (0..users.len()).map(|number| Band::body(number, &by_number)).collect()).await;
    let mut bands: Vec<Band> = ids.into_iter().enumerate().map(|(number, id)| Band { id, number }).collect();
    bands.sort_by(|one, other| one.id.cmp(&other.id));
    bands
}

/// A path with parameters.
pub fn with(path: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{path}?{query}")
}

/// The ids on a page.
pub fn ids(page: &Value) -> Vec<String> {
    let resources = page["Resources"].as_array().unwrap_or_else(|| panic!("no list: {page}"));
    assert_eq!(page["itemsPerPage"], resources.len(), "{page}");
    resources.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}
