//! An organisation whose directory keeps some of its people and groups, and what every route is to do about them.

use muster::domain::connection::ScimProfile;
use muster::store::connections;
use reqwest::Method;
use serde_json::{Value, json};

use super::admin_scene::id_of;
use super::client::Push;
use crate::support::PASSWORD;
use crate::support::admin::{Admin, owned};
use crate::support::http::Answer;
use crate::support::org::Org;
use crate::support::server::Site;

/// What every route of an organisation begins with.
pub const IN_ORG: &str = "/api/v1/orgs/{org}";
const PHRASE: &str = "confirm=Delete%20user%20from%20organization";
/// A password that nobody has yet.
pub const OTHER: &str = "Quay4-Zr8wNb3Lf";
/// What each file begins with.
pub const HEAD: &str = "[[organisation]]\nslug = \"acme\"\nname = \"Acme\"\n";

/// What one asks of oneself; see `read_only_ways`.
pub const OWN: &[&str] = &[
    "PATCH /api/v1/me",
    "POST /api/v1/me/password",
    "DELETE /api/v1/me/identities/{identity}",
    // second factors are Muster's own, and so are sessions, consents and keys
    "POST /api/v1/me/factors",
    "POST /api/v1/me/factors/totp/begin",
    "POST /api/v1/me/factors/totp/confirm",
    "PATCH /api/v1/me/factors/{factor}",
    "DELETE /api/v1/me/factors/{factor}",
    "POST /api/v1/me/recovery-codes",
    "DELETE /api/v1/me/sessions",
    "DELETE /api/v1/me/sessions/{session}",
    "DELETE /api/v1/me/applications/{application}",
    "DELETE /api/v1/me/organisations/{organisation}",
    "DELETE /api/v1/me/access-keys/{key}",
];

/// What names somebody or something that a connection keeps, and is the organisation's to do nevertheless: it steers
/// access, bars, ends what is open, or is about the connection itself.
pub const ALLOWED: &[&str] = &[
    // a suspension of one's own beside what upstream says, and its end
    "POST /users/{user}/suspend",
    "POST /users/{user}/resume",
    // what is open ends, and where somebody may go is narrowed
    "PUT /users/{user}/restriction",
    "DELETE /users/{user}/sessions",
    "DELETE /users/{user}/sessions/{session}",
    // second factors are Muster's own, and a lock is no state of the provider's
    "DELETE /users/{user}/factors",
    "POST /users/{user}/unlock",
    // keys are Muster's own
    "POST /users/{user}/access-keys",
    "PATCH /access-keys/{key}",
    "DELETE /access-keys/{key}",
    // nothing is changed
    "POST /users/{user}/access/simulate",
    "POST /connections/{connection}/mapping/try",
    "POST /connections/{connection}/sign-in/test",
    // what was opened through a provider ends, and an exception is taken back
    "DELETE /users/{user}/identities/{identity}",
    "DELETE /users/{user}/break-glass",
    // whoever owns the organisation may be anybody
    "POST /transfer",
    // roles that were given here are taken here
    "DELETE /bindings/{binding}",
    "DELETE /projects/{project}/members/{user}",
    // who answers for a tool
    "POST /projects/{project}/service-accounts",
    "PATCH /projects/{project}/service-accounts/{account}",
    "POST /applications",
    "PATCH /applications/{application}",
    // the connection itself, and what waits because of it
    "PATCH /connections/{connection}",
    "DELETE /connections/{connection}",
    "POST /connections/{connection}/release",
    "PUT /connections/{connection}/sign-in",
    "PATCH /connections/{connection}/sign-in",
    "DELETE /connections/{connection}/sign-in",
    "PUT /connections/{connection}/mapping",
    "POST /connections/{connection}/credentials",
    "DELETE /connections/{connection}/credentials/{credential}",
    "POST /adoptions/{adoption}/decide",
    "POST /held/{held}/release",
    "POST /held/{held}/reject",
    // what was told is told once more
    "POST /changes/{change}/deliveries/{delivery}/retry",
];

/// What names nobody whom a connection could keep, and no group.
pub const OTHERS: &[&str] = &[
    "POST /api/v1/applications",
    "PATCH /api/v1/applications/{application}",
    "DELETE /api/v1/applications/{application}",
    "POST /api/v1/applications/{application}/secrets",
    "DELETE /api/v1/applications/{application}/secrets/old",
    "POST /api/v1/me/invitations/{organisation}/accept",
    "POST /api/v1/me/invitations/{organisation}/decline",
    "POST /api/v1/orgs",
    "PATCH ",
    "DELETE ",
    "POST /suspend",
    "POST /resume",
    "POST /restore",
    "PATCH /policies",
    "POST /alerts",
    "PATCH /alerts/{alert}",
    "DELETE /alerts/{alert}",
    "POST /alerts/{alert}/secret",
    "DELETE /applications/{application}",
    "POST /applications/{application}/secrets",
    "DELETE /applications/{application}/secrets/old",
    "POST /bundles",
    "PATCH /bundles/{bundle}",
    "DELETE /bundles/{bundle}",
    "POST /connections",
    "POST /domains",
    "PATCH /domains/{domain}",
    "DELETE /domains/{domain}",
    "POST /domains/{domain}/verify",
    "POST /groups",
    "POST /invitations/{invitation}/resend",
    "DELETE /invitations/{invitation}",
    "POST /projects",
    "PATCH /projects/{project}",
    "DELETE /projects/{project}",
    "DELETE /projects/{project}/service-accounts/{account}",
    "POST /projects/{project}/service-accounts/{account}/keys",
    "POST /roles",
    "PATCH /roles/{role}",
    "DELETE /roles/{role}",
];

/// Acme, whose directory has pushed Ana and Cleo and the group Devs with Ana in it; Bo, and the group Ours with him in
/// it, are Acme's own.
pub struct Scene {
    /// The organisation.
    pub org: Org,
    /// Its owner, at the API.
    pub olga: Admin,
    /// The directory.
    pub push: Push,
    /// What people call the connection.
    pub name: String,
    /// Ana.
    pub ana: String,
    /// Cleo, who is in no group.
    pub cleo: String,
    /// Bo.
    pub bo: String,
    /// The directory's group.
    pub devs: String,
    /// The organisation's.
    pub ours: String,
    /// A bundle of roles.
    pub bundle: String,
    /// An account of its person's own, of no organisation.
    pub newt: String,
}

impl Scene {
    /// Makes it.
    pub async fn set(site: &Site) -> Self {
        let (org, _) = owned(site, "acme").await;
        org.project("web").await;
        let bo = org.person("bo", PASSWORD).await.into_string();
        let ours = org.group("Ours", &["bo"]).await.into_string();
        let newt = site.own_account("newt", PASSWORD).await.into_string();
        let push = Push::open(site, &org, ScimProfile::Auto).await;
        let name = connections::name_of(&mut site.conn().await, push.connection.as_str()).await.unwrap();
        let (ana, cleo) = (push.create_user("ana").await, push.create_user("cleo").await);
        let devs = push.create_group("Devs", &[&ana]).await;
        let olga = Admin::of(site, &org, "olga").await;
        let bundle = json!({ "name": "Reading", "roles": [{ "role": "org.reader" }] });
        let bundle = id_of(&olga.post("/bundles", bundle).await);
        Self { org, olga, push, name: name.expect("it has a name"), ana, cleo, bo, devs, ours, bundle, newt }
    }

    /// Everything that must not have changed.
    pub async fn seen(&self) -> Vec<Value> {
        let Self { ana, bo, devs, ours, .. } = self;
        let mut seen = Vec::new();
        for path in [
            format!("/users/{ana}"),
            format!("/users/{bo}"),
            format!("/users/{ana}/access"),
            format!("/groups/{devs}"),
            format!("/groups/{ours}"),
            format!("/groups/{devs}/members"),
            format!("/groups/{ours}/members"),
            "/memberships".to_owned(),
        ] {
            seen.push(self.olga.get(&path).await);
        }
        for path in [format!("/Users/{ana}"), format!("/Groups/{devs}")] {
            seen.push(self.push.get(&path).await.good().json);
        }
        seen
    }

    /// How a route is asked for something that it must refuse; nothing where there is nothing of the kind.
    pub fn forbidden(&self, method: &str, route: &str) -> Vec<(String, Value)> {
        let Self { ana, bo, cleo, devs, ours, bundle, newt, .. } = self;
        let same = |path: String, bodies: Vec<Value>| -> Vec<(String, Value)> {
            bodies.into_iter().map(|body| (path.clone(), body)).collect()
        };
        let reader = json!({ "role": "org.reader" });
        let binding = json!({ "user": ana, "role": "org.reader" });
        let nora = json!([{ "email": "nora@acme.example", "name": "Nora" }]);
        match (method, route) {
            ("POST", "/users") => vec![("/users".into(), json!({ "user_name": "nora", "groups": [devs] }))],
            ("POST", "/users/bulk") => same(
                "/users/bulk".into(),
                vec![
                    json!({ "text": "Nora, nora@acme.example", "groups": [devs] }),
                    json!({ "text": "Nora, nora@acme.example, Devs" }),
                    json!({ "rows": [{ "user_name": "nora", "email": "nora@acme.example", "groups": [devs] }] }),
                ],
            ),
            ("POST", "/invitations") => {
                vec![("/invitations".into(), json!({ "people": nora, "groups": [devs] }))]
            }
            ("PATCH", "/users/{user}") => [
                same(
                    format!("/users/{ana}"),
                    vec![
                        json!({ "name": "Eve" }),
                        json!({ "given_name": null }),
                        json!({ "family_name": "Eve" }),
                        json!({ "email": "eve@evil.test" }),
                        json!({ "email": null }),
                        json!({ "phone": "+82101234567" }),
                        json!({ "access_type": "key" }),
                        json!({ "groups": [] }),
                        json!({ "groups": [devs, ours] }),
                        json!({ "state": "suspended", "name": "Eve" }),
                    ],
                ),
                vec![(format!("/users/{bo}"), json!({ "groups": [ours, devs] }))],
                vec![(format!("/users/{cleo}"), json!({ "groups": [ours] }))],
            ]
            .concat(),
            ("DELETE", "/users/{user}") => vec![
                (format!("/users/{ana}?{PHRASE}"), Value::Null),
                (format!("/users/{ana}?{PHRASE}&reassign_to={bo}"), Value::Null),
            ],
            ("DELETE", "/memberships") => vec![
                (format!("/memberships?user_id={ana}"), Value::Null),
                ("/memberships?email=ana%40pushed.test&realm=managed".into(), Value::Null),
            ],
            ("POST", "/users/{user}/password") => {
                same(format!("/users/{ana}/password"), vec![json!({ "password": OTHER })])
            }
            ("POST", "/users/{user}/reset-password") => same(
                format!("/users/{ana}/reset-password"),
                vec![
                    json!({ "kind": "link" }),
                    json!({ "kind": "generated" }),
                    json!({ "kind": "set", "password": OTHER }),
                ],
            ),
            ("POST", "/users/{user}/resend") => vec![(format!("/users/{ana}/resend"), json!({}))],
            ("PUT", "/users/{user}/break-glass") => vec![(format!("/users/{ana}/break-glass"), Value::Null)],
            ("POST", "/users/{user}/replace-identity") => {
                vec![(format!("/users/{ana}/replace-identity"), json!({ "by": newt }))]
            }
            ("PUT", "/users/{user}/groups") => vec![
                (format!("/users/{ana}/groups"), json!({ "groups": [] })),
                (format!("/users/{ana}/groups"), json!({ "groups": [devs, ours] })),
                (format!("/users/{bo}/groups"), json!({ "groups": [ours, devs] })),
                (format!("/users/{cleo}/groups"), json!({ "groups": [devs] })),
            ],
            ("POST", "/users/{user}/roles") => vec![(format!("/users/{ana}/roles"), json!({ "add": [reader] }))],
            ("PATCH", "/groups/{group}") => {
                same(format!("/groups/{devs}"), vec![json!({ "name": "Mine" }), json!({ "description": "anew" })])
            }
            ("DELETE", "/groups/{group}") => vec![(format!("/groups/{devs}?confirm=Devs"), Value::Null)],
            ("POST", "/groups/{group}/members/add") => vec![
                (format!("/groups/{devs}/members/add"), json!({ "users": [bo] })),
                (format!("/groups/{devs}/members/add"), json!({ "users": [cleo] })),
                (format!("/groups/{ours}/members/add"), json!({ "users": [ana] })),
                (format!("/groups/{ours}/members/add"), json!({ "users": [bo, ana] })),
            ],
            ("POST", "/groups/{group}/members/remove") => {
                vec![(format!("/groups/{devs}/members/remove"), json!({ "users": [ana] }))]
            }
            ("POST", "/bindings") => vec![("/bindings".into(), binding)],
            ("POST", "/bindings/batch") => {
                let on_group = json!({ "group": devs, "role": "org.reader" });
                same("/bindings/batch".into(), vec![json!({ "add": [binding] }), json!({ "add": [on_group, binding] })])
            }
            ("POST", "/bindings/apply-bundle") => {
                vec![("/bindings/apply-bundle".into(), json!({ "bundle": bundle, "user": ana }))]
            }
            ("POST", "/state/plan" | "/state/apply") => {
                same(route.into(), files().into_iter().map(|file| json!({ "file": file })).collect())
            }
            _ => Vec::new(),
        }
    }

    /// Whether an answer refuses all that was asked, with the connection's name.
    pub fn refuses(&self, answer: &Answer) -> bool {
        let told = answer.json();
        let rows = told["rows"].as_array().or_else(|| told["people"].as_array());
        match rows {
            Some(rows) if answer.status == 200 && !rows.is_empty() => rows.iter().all(|row| {
                let problem = &row["problem"];
                problem["code"] == "managed_by_idp"
                    && problem["reason"].as_str().is_some_and(|reason| reason.contains(&self.name))
            }),
            _ => {
                answer.status == 409
                    && told["code"] == "managed_by_idp"
                    && told["object"] == json!(self.name)
                    && told["detail"].as_str().is_some_and(|detail| detail.contains(&self.name))
            }
        }
    }

    /// Asks as the owner.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.olga.call(method, path, Some(body).filter(|body| !body.is_null())).await
    }

    /// Turns whether the connection's people may be steered here on or off.
    pub async fn set_local_grants(&self, on: bool) {
        self.olga.patch(&format!("/connections/{}", self.push.connection), json!({ "local_grants": on })).await;
    }
}

/// Files that would change what the connection keeps.
pub fn files() -> Vec<String> {
    let with = |rest: &str| format!("{HEAD}{rest}");
    vec![
        with("[[organisation.person]]\nuser_name = \"ana\"\nname = \"Eve\"\n"),
        with("[[organisation.person]]\nuser_name = \"ANA\"\nemail = \"eve@evil.test\"\naccess_type = \"key\"\n"),
        with("[[organisation.group]]\nname = \"Devs\"\nmembers = [\"bo\"]\n"),
        with("[[organisation.group]]\nname = \"devs\"\n"),
        with("[[organisation.group]]\nname = \"Devs\"\ndescription = \"anew\"\n"),
        with("[[organisation.group]]\nname = \"Ours\"\nmembers = [\"ana\", \"bo\"]\n"),
        with(
            "[[organisation.binding]]\nperson = \"ana\"\nrole = \"org.reader\"\nnot_after = \"2999-01-01T00:00:00Z\"\n",
        ),
        with("[[organisation.invitation]]\nemail = \"nora@acme.example\"\nname = \"Nora\"\ngroups = [\"Devs\"]\n"),
    ]
}
