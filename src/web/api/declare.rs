//! The declaration of a route: one line says its handler, and who may call it. The gate enforces it, the reference page
//! and the printed table show it, and a test walks it with every role.

use std::fmt;

use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use super::gate::{Gate, gate};
use crate::app::App;
use crate::web::oidc::discovery::Rooms;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Whoever has a token for the API.
    Caller,
    /// The instance's operator.
    Operator,
    /// A member of the organisation; what is shown or done may depend on more, as the route's text says.
    Member,
    /// A permission on the organisation.
    Org(&'static str),
    /// The first permission on the project of the path, or the second on the organisation.
    Project(&'static str, &'static str),
    /// The person whom the path names, or a permission on the organisation.
    OwnOr(&'static str),
    /// The organisation's owner.
    Owner,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller => f.write_str("a token"),
            Self::Operator => f.write_str("the operator"),
            Self::Member => f.write_str("membership"),
            Self::Org(word) => write!(f, "`{word}`"),
            Self::Project(word, "") => write!(f, "`{word}` on the project"),
            Self::Project(word, on_org) => write!(f, "`{word}` on the project, or `{on_org}`"),
            Self::OwnOr(word) => write!(f, "oneself, or `{word}`"),
            Self::Owner => f.write_str("the owner"),
        }
    }
}

/// What a route asks for besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who may call it.
    pub needs: Needs,
    /// Whether only a person may, not a tool with an API token.
    pub people_only: bool,
    /// Whether the person must have signed in within the last ten minutes.
    pub fresh: bool,
}

impl From<Needs> for Rule {
    fn from(needs: Needs) -> Self {
        Self { needs, people_only: false, fresh: false }
    }
}

impl Needs {
    /// The same, for people only.
    #[must_use]
    pub fn people_only(self) -> Rule {
        Rule { people_only: true, ..self.into() }
    }

    /// The same, for people who have just signed in.
    #[must_use]
    pub fn fresh(self) -> Rule {
        Rule { people_only: true, fresh: true, ..self.into() }
    }
}

/// A declared route.
#[derive(Clone, Debug)]
pub struct Declared {
    /// `GET`, `POST` …
    pub method: &'static str,
    /// The path's pattern.
    pub path: String,
    /// Who may call it.
    pub rule: Rule,
}

/// The routes that were declared so far.
pub struct Routes {
    app: App,
    router: OpenApiRouter<Rooms>,
    declared: Vec<Declared>,
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new(app: &App, document: OpenApi) -> Self {
        Self { app: app.clone(), router: OpenApiRouter::with_openapi(document), declared: Vec::new() }
    }

    /// Declares a route: its handler, through utoipa's `routes!` with one handler, and who may call it.
    #[must_use]
    pub fn route(mut self, rule: impl Into<Rule>, route: UtoipaMethodRouter<Rooms>) -> Self {
        let rule = rule.into();
        for (path, item) in &route.1.paths {
            let operations = [
                ("GET", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            for (method, _) in operations.into_iter().filter(|(_, there)| *there) {
                self.declared.push(Declared { method, path: path.clone(), rule });
            }
        }
        let gated = Gate { app: self.app.clone(), rule };
        let route = route.map(|methods| methods.route_layer(from_fn_with_state(gated, gate)));
        self.router = self.router.routes(route);
        self
    }

    /// The router, the document and the declarations.
    pub fn finish(self) -> (axum::Router<Rooms>, OpenApi, Vec<Declared>) {
        let (router, document) = self.router.split_for_parts();
        (router, document, self.declared)
    }
}
