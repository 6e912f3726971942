//! What every request passes: whose it is, whether the connection may ask so much, its media types and its body; then it goes
//! to whoever answers it.
//!
//! # Why
//! The body is read after the token was found good. Elsewhere the edge reads it first, which is cheap for 64 KiB; 16 MiB for
//! every stranger would not be.

use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use metrics::counter;
use serde_json::Value;

use super::discovery::Documents;
use super::log::Line;
use super::path::{Deed, Place};
use super::{body, bulk, media, query, reply, search, shape, users_and_groups};
use crate::app::App;
use crate::app::lanes::Throttled;
use crate::domain::change::Origin;
use crate::domain::scim::error::ScimError;
use crate::domain::scim::schema::ResourceType;
use crate::flows::scim::Asking;
use crate::flows::scim::authenticate::{NotAuthenticated, by_token};
use crate::kernel::id::ChangeId;
use crate::kernel::secret::Secret;
use crate::web::extract::bearer;
use crate::web::layers::{ClientIp, RequestId};

/// What the handler is given.
#[derive(Clone)]
pub struct Desk {
    /// The handles.
    pub app: App,
    /// What describes the service.
    pub documents: Documents,
}

/// A request whose sender is known, without its body.
pub struct Call<'r> {
    /// The handles.
    pub app: &'r App,
    /// Who asks.
    pub asking: &'r Asking,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The parameters.
    pub query: Vec<(String, String)>,
}

/// An answer, and what was changed on the way to it.
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// The change.
    pub change: Option<ChangeId>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, change: None }
    }
}

/// Answers everything under `/scim`.
pub async fn serve(State(desk): State<Desk>, ClientIp(address): ClientIp, id: RequestId, request: Request) -> Response {
    let begun = Instant::now();
    let (parts, mut body) = request.into_parts();
    let (place, deed) = (Place::of(parts.uri.path()), Deed::of(&parts.method));
    let within = Duration::from_millis(desk.app.config.http.body_timeout_ms);
    let (response, is_known) = match &place {
        Place::OtherVersion => (reply::error(&reply::other_version()), false),
        Place::Document(document) => (desk.documents.answer(document, deed, parts.uri.query()), false),
        _ => {
            let origin = Origin { address: address.to_string(), request_id: id.to_string(), repeatable: None };
            match enter(&desk.app, &parts.headers, origin).await {
                Ok(asking) => {
                    let visit = Visit { app: &desk.app, asking: &asking, parts: &parts, place: &place, deed, begun };
                    (visit.answer(&mut body, within).await, true)
                }
                Err(response) => (response, false),
            }
        }
    };
    // Whoever was too slow once is not waited for again.
    if !body.is_end_stream() && response.status() != StatusCode::REQUEST_TIMEOUT {
        body::discard(&mut body, is_known, within).await;
    }
    response
}

/// The connection whose token the request shows, or the answer to one without.
async fn enter(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Asking, Response> {
    let Ok(Some(token)) = bearer::token(headers, None) else {
        return Err(reply::token_required());
    };
    match by_token(app, &Secret::presented(token)).await {
        Ok(asking) => Ok(Asking { origin, ..asking }),
        Err(NotAuthenticated::Refused) => Err(reply::token_refused()),
        Err(failed @ NotAuthenticated::Store(_)) => Err(reply::error(&failed.into_error())),
    }
}

/// A request of a connection on its way through the gate.
struct Visit<'r> {
    app: &'r App,
    asking: &'r Asking,
    parts: &'r Parts,
    place: &'r Place,
    deed: Option<Deed>,
    begun: Instant,
}

impl Visit<'_> {
    async fn answer(&self, body: &mut Body, within: Duration) -> Response {
        let lane = self.app.lanes.of(&self.asking.connection.id);
        let response = match lane.enter(self.app.now()).await {
            Ok(_place) => self.in_lane(body, within).await,
            Err(throttled) => self.put_off(throttled),
        };
        let class = match response.status().as_u16() {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        counter!("muster_scim_requests_total", "resource" => self.place.name(), "status" => class).increment(1);
        response
    }

    async fn in_lane(&self, body: &mut Body, within: Duration) -> Response {
        let pairs = query::pairs(self.parts.uri.query());
        let mut line = self.line(pairs.as_deref().unwrap_or_default());
        let answer = match pairs {
            Ok(query) => self.carry_out(query, body, within, &mut line).await,
            Err(error) => Err(error),
        };
        let response = match answer {
            Ok(Answer { response, change }) => {
                line.note_change(change);
                response
            }
            Err(error) => {
                line.note_detail(&error.detail);
                reply::error_at(self.place, &error)
            }
        };
        line.end(response.status().as_u16());
        response
    }

    /// Answers a request that must come again later. Of a storm's answers one a second is logged.
    fn put_off(&self, throttled: Throttled) -> Response {
        let detail = "Too many requests at once; send this one again after a pause.";
        let error = ScimError { retry_after: Some(throttled.retry_after), ..ScimError::status(429, detail) };
        let mut line = self.line(&[]);
        if throttled.is_first {
            line.note_detail(detail);
            line.end(error.status);
        } else {
            line.forget();
        }
        reply::error(&error)
    }

    fn line(&self, query: &[(String, String)]) -> Line {
        let path = shape::line(self.parts.uri.path(), query);
        Line::begin(self.app, &self.asking.connection.id, self.parts.method.as_str(), path, self.begun)
    }

    async fn carry_out(
        &self,
        query: Vec<(String, String)>,
        body: &mut Body,
        within: Duration,
        line: &mut Line,
    ) -> Result<Answer, ScimError> {
        match self.place {
            Place::Nothing => return Err(ScimError::not_found("The endpoint")),
            Place::Me => return Err(ScimError::status(501, "A connection is nobody: there is no /Me for it.")),
            _ => {}
        }
        let allowed = self.deed.filter(|deed| self.place.allows(*deed));
        let deed = allowed.ok_or_else(|| reply::not_allowed(self.place))?;
        let strict = self.asking.profile().is_strict();
        if strict && !media::is_understood(&self.parts.headers) {
            return Err(ScimError::status(406, "Answers are application/scim+json; name that in Accept, or nothing."));
        }
        let sent = match deed {
            Deed::Post | Deed::Replace | Deed::Patch => self.read(body, within, strict).await?,
            Deed::Read | Deed::Delete => Value::Null,
        };
        line.note_body(shape::body(self.place, &sent));
        let call = Call { app: self.app, asking: self.asking, headers: &self.parts.headers, query };
        dispatch(&call, self.place, deed, &sent).await
    }

    async fn read(&self, body: &mut Body, within: Duration, strict: bool) -> Result<Value, ScimError> {
        if !media::is_readable(&self.parts.headers, strict) {
            let detail = "Send JSON as application/scim+json or application/json, in UTF-8 and not packed.";
            return Err(ScimError::status(415, detail));
        }
        body::read(body, within).await
    }
}

/// Who answers what. What may be done at each place was asked before.
async fn dispatch(call: &Call<'_>, place: &Place, deed: Deed, sent: &Value) -> Result<Answer, ScimError> {
    const EVERYTHING: [ResourceType; 2] = [ResourceType::User, ResourceType::Group];
    match (place, deed) {
        (Place::Root, _) => search::by_query(call, &EVERYTHING).await,
        (Place::Search(None), _) => search::by_body(call, &EVERYTHING, sent).await,
        (Place::Search(Some(kind)), _) => search::by_body(call, &[*kind], sent).await,
        (Place::All(kind), Deed::Read) => search::by_query(call, &[*kind]).await,
        (Place::All(kind), _) => users_and_groups::create(call, *kind, sent).await,
        (Place::One(kind, id), Deed::Read) => users_and_groups::read(call, *kind, id).await,
        (Place::One(kind, id), Deed::Replace) => users_and_groups::replace(call, *kind, id, sent).await,
        (Place::One(kind, id), Deed::Patch) => users_and_groups::patch(call, *kind, id, sent).await,
        (Place::One(kind, id), Deed::Delete) => users_and_groups::delete(call, *kind, id).await,
        (Place::Bulk, _) => bulk::carry_out(call, sent).await,
        (Place::One(..) | Place::Me | Place::Document(_) | Place::Nothing | Place::OtherVersion, _) => {
            Err(ScimError::not_found("The endpoint"))
        }
    }
}
