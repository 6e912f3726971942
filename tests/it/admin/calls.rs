//! Calls drawn at random: whoever draws one may or may not be allowed to make it, and it may or may not make sense.

use muster::domain::access::{Role, permission};
use reqwest::Method;
use serde_json::{Value, json};

use super::reach::Books;

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    fn pick(&mut self, from: &[String]) -> String {
        if from.is_empty() { "nothing".to_owned() } else { from[self.roll(from.len())].clone() }
    }

    fn word(&mut self, from: &[&'static str]) -> &'static str {
        from[self.roll(from.len())]
    }
}

/// A call: what is asked for.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path under the organisation.
    pub path: String,
    /// The body.
    pub body: Value,
}

/// Draws calls from what is there.
pub struct Draw<'a> {
    /// Chance.
    pub dice: &'a mut Dice,
    /// What is there.
    pub books: &'a Books,
    /// How many were drawn before: makes names unique.
    pub number: usize,
    /// A day from now.
    pub tomorrow: &'a str,
}

fn post(path: impl Into<String>, body: Value) -> Call {
    Call { method: Method::POST, path: path.into(), body }
}

fn put(path: impl Into<String>, body: Value) -> Call {
    Call { method: Method::PUT, path: path.into(), body }
}

fn patch(path: impl Into<String>, body: Value) -> Call {
    Call { method: Method::PATCH, path: path.into(), body }
}

fn delete(path: impl Into<String>) -> Call {
    Call { method: Method::DELETE, path: path.into(), body: json!({}) }
}

impl Draw<'_> {
    /// A call.
    pub fn call(mut self) -> Call {
        match self.dice.roll(16) {
            0..=4 => self.of_roles(),
            5..=7 => self.of_groups(),
            8..=11 => self.of_people(),
            12..=13 => self.of_tools(),
            _ => self.of_the_rest(),
        }
    }

    fn user(&mut self) -> String {
        self.dice.pick(&self.books.users)
    }

    fn project(&mut self) -> String {
        self.dice.pick(&self.books.projects)
    }

    fn group(&mut self) -> (String, String) {
        let all = &self.books.groups;
        all[self.dice.roll(all.len())].clone()
    }

    fn role(&mut self) -> String {
        let own = &self.books.roles;
        let number = self.dice.roll(Role::BUILT_IN.len() + own.len());
        match Role::BUILT_IN.get(number) {
            Some(role) => role.to_string(),
            None => own[number - Role::BUILT_IN.len()].1.clone(),
        }
    }

    /// A role on a scope: mostly one that fits, on the project `web` more often than on others.
    fn grant(&mut self) -> Value {
        let role = self.role();
        let of_project = role.starts_with("project.") != (self.dice.roll(10) == 0);
        let scope = match (of_project, self.dice.roll(4)) {
            (false, _) => json!({ "kind": "org" }),
            (true, 0) => json!({ "kind": "all_projects" }),
            (true, 1) => json!({ "kind": "project", "project_id": self.project() }),
            (true, _) => json!({ "kind": "project", "project_id": self.books.web }),
        };
        json!({ "role": role, "scope": scope })
    }

    /// The same, to somebody.
    fn binding(&mut self) -> Value {
        let mut binding = self.grant();
        let (field, id) = match self.dice.roll(8) {
            0..=4 => ("user", self.user()),
            5..=6 => ("group", self.group().0),
            _ => ("service_account", self.dice.pick(&self.books.accounts)),
        };
        binding[field] = json!(id);
        binding
    }

    fn permissions(&mut self) -> Value {
        let all: Vec<&'static str> =
            permission::ORG.iter().chain(permission::PROJECT).map(|(permission, _)| *permission).collect();
        let count = self.dice.roll(3);
        (0..=count).map(|_| self.dice.word(&all)).collect::<Vec<_>>().into()
    }

    fn own_role(&mut self) -> String {
        let keys: Vec<String> = self.books.roles.iter().map(|(_, key)| key.clone()).collect();
        self.dice.pick(&keys)
    }

    fn of_roles(&mut self) -> Call {
        let number = self.number;
        match self.dice.roll(12) {
            0..=2 => post("/bindings", self.binding()),
            3 => {
                let add = [self.binding(), self.binding()];
                post("/bindings/batch", json!({ "add": add, "remove": [self.dice.pick(&self.books.bindings)] }))
            }
            4..=5 => delete(format!("/bindings/{}", self.dice.pick(&self.books.bindings))),
            6 => post(format!("/users/{}/roles", self.user()), json!({ "add": [self.grant(), self.grant()] })),
            7 => {
                let (key, permissions) = (format!("r{number}"), self.permissions());
                post("/roles", json!({ "key": key, "name": "Of chance", "permissions": permissions }))
            }
            8 => patch(format!("/roles/{}", self.own_role()), json!({ "permissions": self.permissions() })),
            9 => {
                let role = self.own_role();
                delete(format!("/roles/{role}?confirm={role}"))
            }
            10 => post("/bundles", json!({ "name": format!("b{number}"), "roles": [self.grant(), self.grant()] })),
            _ => {
                let bundle = self.dice.pick(&self.books.bundles);
                post("/bindings/apply-bundle", json!({ "bundle": bundle, "user": self.user() }))
            }
        }
    }

    fn of_groups(&mut self) -> Call {
        let ((group, name), user) = (self.group(), self.user());
        match self.dice.roll(10) {
            0..=2 => post(format!("/groups/{group}/members/add"), json!({ "users": [user, self.user()] })),
            3..=4 => post(format!("/groups/{group}/members/remove"), json!({ "users": [user] })),
            5 => put(format!("/users/{user}/groups"), json!({ "groups": [group] })),
            6 => patch(format!("/users/{user}"), json!({ "groups": [group, self.group().0] })),
            7 => post("/groups", json!({ "name": format!("g{}", self.number), "roles": [self.grant()] })),
            8 => patch(format!("/groups/{group}"), json!({ "description": format!("{}", self.number) })),
            _ => delete(format!("/groups/{group}?confirm={}", name.replace(' ', "%20"))),
        }
    }

    fn of_people(&mut self) -> Call {
        let (user, number) = (self.user(), self.number);
        match self.dice.roll(20) {
            0..=3 => post(format!("/users/{user}/password"), json!({ "password": format!("Chance7-Kq2mVx{number}") })),
            4..=6 => patch(format!("/users/{user}"), json!({ "email": format!("c{number}@example.test") })),
            7 => patch(format!("/users/{user}"), json!({ "phone": format!("+8210{:08}", number) })),
            8 => patch(format!("/users/{user}"), json!({ "access_type": self.dice.word(&["key", "password"]) })),
            9 => post(format!("/users/{user}/{}", self.dice.word(&["suspend", "resume"])), json!({})),
            10 => post(format!("/users/{user}/resume"), json!({})),
            11..=12 => {
                let (group, roles) = (self.group().0, [self.grant()]);
                let new = json!({ "user_name": format!("c{number}"), "password": format!("Chance7-Kq2mVx{number}"),
                                  "groups": [group], "roles": roles });
                post("/users", new)
            }
            13 => {
                let key = json!({ "project": self.books.web, "role": self.role(), "name": "k",
                                  "expires_at": self.tomorrow });
                post("/users", json!({ "user_name": format!("k{number}"), "access_type": "key", "key": key }))
            }
            14 => post("/transfer", json!({ "to": user })),
            15 => post(format!("/users/{user}/replace-identity"), json!({ "by": self.user() })),
            16 => put(format!("/users/{user}/restriction"), json!({ "applications": null })),
            17 => delete(format!("/users/{user}/sessions")),
            18 => delete(format!("/memberships?user_id={user}&reassign_to={}", self.user())),
            _ => delete(format!("/users/{user}?confirm=Delete%20user%20from%20organization")),
        }
    }

    fn of_tools(&mut self) -> Call {
        let (project, number) = (self.project(), self.number);
        let account = self.dice.pick(&self.books.accounts);
        let of_project = format!("/projects/{}/service-accounts", self.books.web);
        let key = json!({ "name": "k", "expires_at": self.tomorrow });
        match self.dice.roll(10) {
            0..=1 => {
                let new = json!({ "project": project, "name": "k", "expires_at": self.tomorrow });
                post(format!("/users/{}/access-keys", self.user()), new)
            }
            2..=3 => post(format!("{of_project}/{account}/keys"), key),
            4 => post(of_project, json!({ "name": format!("s{number}"), "roles": [self.grant()] })),
            5 => patch(format!("{of_project}/{account}"), json!({ "name": format!("t{number}") })),
            6 => delete(format!("{of_project}/{account}")),
            7 => delete(format!("/access-keys/{}", self.dice.pick(&self.books.keys))),
            8 => {
                let state = self.dice.word(&["active", "disabled"]);
                patch(format!("/access-keys/{}", self.dice.pick(&self.books.keys)), json!({ "state": state }))
            }
            _ => delete(format!("/projects/{project}/members/{}", self.user())),
        }
    }

    fn of_the_rest(&mut self) -> Call {
        let number = self.number;
        match self.dice.roll(11) {
            0 => post("/applications", json!({ "name": "Of chance", "trusted": true })),
            1 => patch("/applications/robot", json!({ "trusted": true })),
            2 => post("/applications/robot/secrets", json!({})),
            3 => patch("/policies", json!({ "user_visibility": "everyone", "readers_see_keys": true })),
            4 => patch("", json!({ "name": format!("Acme {number}") })),
            5 => post("/projects", json!({ "key": format!("p{number}"), "name": "Of chance" })),
            6 => post("/alerts", json!({ "name": "Of chance", "channel": { "kind": "mail" } })),
            8 => post("/connections", json!({ "name": format!("Connection {number}") })),
            9 => post("/domains", json!({ "domain": format!("d{number}.example") })),
            7 => patch(
                format!("/bundles/{}", self.dice.pick(&self.books.bundles)),
                json!({ "roles": [self.grant(), self.grant()] }),
            ),
            _ => delete(format!("/projects/{}?confirm=data", self.project())),
        }
    }
}
