//! Why a command over the API failed, and the exit code that says so (docs/guides/cli.md).

use std::process::ExitCode;

use crate::outside::api_client::ApiError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The command line lacks something.
    #[error("{0}")]
    Usage(String),
    /// Nobody is signed in, or not any more.
    #[error("{0}")]
    SignIn(String),
    /// Somebody said no.
    #[error("{0}")]
    Denied(String),
    /// A name that nothing has.
    #[error("{0}")]
    NotFound(String),
    /// What was typed can't be meant so.
    #[error("{0}")]
    Invalid(String),
    /// The server refuses, or can't be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something on this machine.
    #[error("{0:#}")]
    Here(#[from] anyhow::Error),
}

impl Failed {
    /// That nobody is signed in to a server.
    pub fn not_signed_in(server: &str) -> Self {
        Self::SignIn(format!("not signed in: use `muster login --server {server}`"))
    }

    /// The word of a refusal for programs.
    pub fn problem(&self) -> &str {
        match self {
            Self::Api(ApiError::Refused(problem)) => &problem.code,
            _ => "",
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::Here(_) => 1,
            Self::Usage(_) => 2,
            Self::SignIn(_) => 3,
            Self::Denied(_) => 4,
            Self::NotFound(_) => 5,
            Self::Invalid(_) => 7,
            Self::Api(ApiError::BadServer(_) | ApiError::BadName(_)) => 7,
            Self::Api(ApiError::Refused(problem)) => match problem.status {
                401 => 3,
                403 => 4,
                404 => 5,
                409 | 412 => 6,
                400 | 413 | 415 | 422 => 7,
                _ => 1,
            },
            Self::Api(_) => 1,
        }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// What to do, where the reason doesn't say it.
    pub fn advice(&self) -> Option<&'static str> {
        match (self.problem(), self) {
            ("fresh_sign_in_required" | "insufficient_user_authentication", _) => {
                Some("Use `muster login`, and try again within ten minutes.")
            }
            ("user_required", _) => Some("Use `muster login` instead of an access key."),
            (_, Self::Api(ApiError::Refused(problem))) if problem.status == 401 => Some("Use `muster login`."),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::api_client::Problem;

    #[test]
    fn each_kind_of_refusal_has_its_number() {
        let refused = |status| Failed::Api(ApiError::Refused(Box::new(Problem { status, ..Problem::default() })));
        let numbers: Vec<u8> =
            [500, 401, 403, 404, 409, 412, 400, 422, 429].map(|status| refused(status).number()).to_vec();
        assert_eq!(numbers, [1, 3, 4, 5, 6, 6, 7, 7, 1]);
        assert_eq!(Failed::Usage(String::new()).number(), 2);
        assert_eq!(Failed::not_signed_in("https://a").number(), 3);
    }
}
