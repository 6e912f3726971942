//! Who may open the pages of groups and of access keys, and who may post their forms.
//!
//! Whoever may see groups may ask for a role to be given or taken: how far that reaches is for the door to say.

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;

use super::{Asked, Desk};
use crate::app::App;
use crate::domain::oauth::params::Params;
use crate::web::pages::admin::form::Form;
use crate::web::pages::error;

/// The permission to see groups.
const READ: &str = "groups.read";
/// The permission to change them.
const WRITE: &str = "groups.write";

/// Somebody who may see groups.
pub struct Seeing(pub Desk);

/// Somebody who may change groups.
pub struct Keeping(pub Desk);

/// A form that was posted from one of our pages by somebody who may change groups.
pub struct Posted {
    /// The place.
    pub desk: Desk,
    /// What was posted.
    pub form: Form,
}

/// A form that was posted from one of our pages by somebody who may see groups, and asks to give or to take roles.
pub struct Giving {
    /// The place.
    pub desk: Desk,
    /// What was posted.
    pub form: Form,
}

/// Somebody who may see every access key of the organisation.
pub struct SeeingKeys(pub Desk);

/// Whether somebody may see every access key: readers may where the organisation says so.
#[must_use]
pub fn sees_keys(desk: &Desk) -> bool {
    desk.may("keys.read") || (desk.settings.readers_see_keys && desk.may("org.read"))
}

/// Reads a form from one of our own pages.
async fn posted<S>(request: Request, state: &S) -> Result<(Desk, Form, Asked), Response>
where
    App: FromRef<S>,
    S: Send + Sync,
{
    let (mut parts, body) = request.into_parts();
    let desk = Desk::from_request_parts(&mut parts, state).await?;
    let (headers, asked) = (parts.headers.clone(), Asked::of(&parts));
    let Ok(form) = Form::read(Request::from_parts(parts, body)).await else {
        return Err(error::forbidden());
    };
    let csrf = form_urlencoded::Serializer::new(String::new()).append_pair("csrf", form.sent("csrf")).finish();
    let csrf = Params::from_query(&csrf).unwrap_or_default();
    if !desk.browser.posted_here(&headers, &csrf) {
        return Err(error::forbidden());
    }
    Ok((desk, form, asked))
}

impl<S> FromRequestParts<S> for Seeing
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let desk = Desk::from_request_parts(parts, state).await?;
        desk.needs(READ, "see groups", &Asked::of(parts)).await?;
        Ok(Self(desk))
    }
}

impl<S> FromRequestParts<S> for Keeping
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let desk = Desk::from_request_parts(parts, state).await?;
        desk.needs(WRITE, "change groups", &Asked::of(parts)).await?;
        Ok(Self(desk))
    }
}

impl<S> FromRequestParts<S> for SeeingKeys
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let desk = Desk::from_request_parts(parts, state).await?;
        if !sees_keys(&desk) {
            desk.needs("keys.read", "see the access keys of others", &Asked::of(parts)).await?;
        }
        Ok(Self(desk))
    }
}

impl<S> FromRequest<S> for Posted
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (desk, form, asked) = posted(request, state).await?;
        desk.needs(WRITE, "change groups", &asked).await?;
        Ok(Self { desk, form })
    }
}

impl<S> FromRequest<S> for Giving
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (desk, form, asked) = posted(request, state).await?;
        desk.needs(READ, "see groups", &asked).await?;
        Ok(Self { desk, form })
    }
}
