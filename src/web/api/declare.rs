//! The declaration of a route: one line says its handler, and who may call it. The gate enforces it, the reference page
//! and the printed table show it, and a test walks it with every role.

use std::fmt;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::HttpMethod;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

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
    /// Whether a person must have proven who they are within the last ten minutes, as strongly as they can. A tool has
    /// nobody to ask.
    pub fresh: bool,
    /// Whether a recovery code that was shown within the last ten minutes does in the place of that: for one's own factors.
    pub recovered: bool,
}

impl From<Needs> for Rule {
    fn from(needs: Needs) -> Self {
        Self { needs, people_only: false, fresh: false, recovered: false }
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

    /// The same, for people who have just signed in, or shown a recovery code: for keeping one's own factors alone.
    #[must_use]
    pub fn fresh_or_recovered(self) -> Rule {
        Rule { recovered: true, ..self.fresh() }
    }

    /// The same, for tools, and for people who have just signed in.
    #[must_use]
    pub fn sensitive(self) -> Rule {
        Rule { fresh: true, ..self.into() }
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

/// One handler as a route: where it is served now, and its part of the document for whoever asks for that.
pub struct Handled {
    /// The path's pattern.
    pub path: String,
    /// The methods.
    pub methods: Vec<HttpMethod>,
    /// The handler.
    pub router: MethodRouter<Rooms>,
    /// Makes its part of the document.
    pub describe: fn() -> UtoipaMethodRouter<Rooms>,
}

/// utoipa's `routes!` for one handler, with the document left for later: a start need not wait for it.
macro_rules! routes {
    ($handler:ident) => {
        utoipa_axum::paste! {{
            use utoipa_axum::PathItemExt as _;
            let methods = <[<__path_ $handler>] as utoipa::Path>::methods();
            let router = methods
                .iter()
                .fold(axum::routing::MethodRouter::new(), |router, method| router.on(method.to_method_filter(), $handler));
            let path = <[<__path_ $handler>] as utoipa::Path>::path();
            $crate::web::api::declare::Handled { path, methods, router, describe: || utoipa_axum::routes!($handler) }
        }}
    };
}
pub(super) use routes;

/// The routes that were declared so far.
pub struct Routes {
    app: App,
    router: Router<Rooms>,
    declared: Vec<Declared>,
    describe: Vec<fn() -> UtoipaMethodRouter<Rooms>>,
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), router: Router::new(), declared: Vec::new(), describe: Vec::new() }
    }

    /// Declares a route: its handler, and who may call it.
    #[must_use]
    pub fn route(mut self, rule: impl Into<Rule>, handled: Handled) -> Self {
        let rule = rule.into();
        for method in &handled.methods {
            self.declared.push(Declared { method: word(method), path: handled.path.clone(), rule });
        }
        let gated = Gate { app: self.app.clone(), rule };
        let methods = handled.router.route_layer(from_fn_with_state(gated, gate));
        self.router = self.router.route(&handled.path, methods);
        self.describe.push(handled.describe);
        self
    }

    /// The router and the declarations.
    pub fn finish(self) -> (Router<Rooms>, Vec<Declared>) {
        (self.router, self.declared)
    }

    /// The document, begun by `document`, and the declarations.
    pub fn document(self, document: OpenApi) -> (OpenApi, Vec<Declared>) {
        let begun = OpenApiRouter::<Rooms>::with_openapi(document);
        let router = self.describe.into_iter().fold(begun, |router, describe| router.routes(describe()));
        (router.into_openapi(), self.declared)
    }
}

const fn word(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Head => "HEAD",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Trace => "TRACE",
    }
}
