//! The authorization response: which parameters an answer has, good or bad (RFC 6749 §4.1.2, RFC 9207).
//!
//! How they travel is the request's response mode; the surface writes them into a query or a form.

use crate::domain::oauth::authorization_request::AuthorizationRequest;
use crate::domain::oauth::error::OAuthError;
use crate::kernel::secret::Secret;

/// The parameters of a good answer.
#[must_use]
pub fn success(request: &AuthorizationRequest, code: &Secret, issuer: &str) -> Vec<(String, String)> {
    closed(vec![("code".to_owned(), code.expose().to_owned())], request.state.as_deref(), issuer)
}

/// The parameters of a bad answer: only those that the conformance suite knows.
#[must_use]
pub fn error_params(error: &OAuthError, state: Option<&str>, issuer: &str) -> Vec<(String, String)> {
    let mut parameters = vec![("error".to_owned(), error.code.as_str().to_owned())];
    if !error.description.is_empty() {
        parameters.push(("error_description".to_owned(), error.description.clone()));
    }
    closed(parameters, state, issuer)
}

/// Every answer ends alike: the state byte for byte, and who answers, against mix-up (RFC 9700 §4.4).
fn closed(mut parameters: Vec<(String, String)>, state: Option<&str>, issuer: &str) -> Vec<(String, String)> {
    parameters.extend(state.map(|state| ("state".to_owned(), state.to_owned())));
    parameters.push(("iss".to_owned(), issuer.to_owned()));
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::oauth::application::sample;
    use crate::domain::oauth::authorization_request::check;
    use crate::domain::oauth::error::ErrorCode;
    use crate::domain::oauth::params::Params;

    const ISSUER: &str = "https://id.example";

    fn names(parameters: &[(String, String)]) -> Vec<&str> {
        parameters.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn good_and_bad_answers_name_the_issuer_and_give_the_state_back() {
        let mut application = sample();
        application.require_pkce = false;
        let query = "client_id=shop&redirect_uri=https://shop.example/cb&response_type=code&state=a%26b";
        let request = check(&Params::from_query(query).expect("well formed"), Some(&application)).expect("accepted");
        let good = success(&request, &Secret::presented("mst_ac_x"), ISSUER);
        assert_eq!(names(&good), ["code", "state", "iss"]);
        assert_eq!((good[1].1.as_str(), good[2].1.as_str()), ("a&b", ISSUER));
        let bad = error_params(&OAuthError::new(ErrorCode::AccessDenied, "no"), Some("a&b"), ISSUER);
        assert_eq!(names(&bad), ["error", "error_description", "state", "iss"]);
    }

    #[test]
    fn no_state_comes_back_when_none_was_sent() {
        assert_eq!(
            names(&error_params(&OAuthError::new(ErrorCode::LoginRequired, ""), None, ISSUER)),
            ["error", "iss"]
        );
    }
}
