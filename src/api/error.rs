//! The one shape of errors: `{"error":{"code","message","span"?,"hint"?}}`, whatever the status and whoever refuses.

use crate::query::QueryFailure;
use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use logship_parsers::query::{QueryError, QueryErrorCode};
use serde_json::json;
use std::{fmt, panic::AssertUnwindSafe};

/// What went wrong, for programs. docs/API.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The query cannot be read.
    QuerySyntax,
    /// The query is over a limit.
    QueryTooLarge,
    /// Another argument, header or the body cannot be read.
    BadRequest,
    /// The token is missing or wrong.
    Unauthorized,
    /// The request comes from a foreign web page or names a foreign host.
    Forbidden,
    /// No such thing.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The client sends too slowly.
    Timeout,
    /// The body is over a limit.
    TooLarge,
    /// The content type or encoding is not known.
    UnsupportedMediaType,
    /// Too much is going on.
    Busy,
    /// A fault of the server.
    Internal,
    /// The server has not read its log yet.
    Replaying,
    /// This process cannot store: it stops, or cannot write its log.
    Unavailable,
    /// No room is left.
    StorageFull,
}

impl Code {
    /// Its text and its status.
    #[must_use]
    pub fn parts(self) -> (&'static str, StatusCode) {
        match self {
            Code::QuerySyntax => ("query_syntax", StatusCode::BAD_REQUEST),
            Code::QueryTooLarge => ("query_too_large", StatusCode::BAD_REQUEST),
            Code::BadRequest => ("bad_request", StatusCode::BAD_REQUEST),
            Code::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED),
            Code::Forbidden => ("forbidden", StatusCode::FORBIDDEN),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Code::MethodNotAllowed => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Code::Timeout => ("timeout", StatusCode::REQUEST_TIMEOUT),
            Code::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Code::UnsupportedMediaType => ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Code::Busy => ("busy", StatusCode::TOO_MANY_REQUESTS),
            Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Code::Replaying => ("replaying", StatusCode::SERVICE_UNAVAILABLE),
            Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Code::StorageFull => ("storage_full", StatusCode::INSUFFICIENT_STORAGE),
        }
    }

    /// After how many seconds it makes sense to try again.
    fn retry_after(self) -> Option<&'static str> {
        match self {
            Code::Busy | Code::Replaying => Some("1"),
            Code::Unavailable => Some("5"),
            Code::StorageFull => Some("30"),
            _ => None,
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What went wrong, for programs.
    pub code: Code,
    /// The same for people: what, where, what to do.
    pub message: String,
    /// Where in the query, in bytes.
    pub span: Option<(usize, usize)>,
    /// What to do instead.
    pub hint: Option<String>,
}

impl ApiError {
    /// A refusal without span and hint.
    pub fn new(code: Code, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), span: None, hint: None }
    }

    /// [`Code::BadRequest`].
    pub fn bad(message: impl Into<String>) -> ApiError {
        ApiError::new(Code::BadRequest, message)
    }

    /// The refusal as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut error = json!({"code": self.code.parts().0, "message": self.message});
        if let Some((start, end)) = self.span {
            error["span"] = json!([start, end]);
        }
        if let Some(hint) = &self.hint {
            error["hint"] = json!(hint);
        }
        json!({ "error": error })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.json().to_string();
        let mut response = (self.code.parts().1, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(seconds) = self.code.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> ApiError {
        let code = match error.code {
            QueryErrorCode::TooLong | QueryErrorCode::TooManyClauses | QueryErrorCode::TooDeep => Code::QueryTooLarge,
            _ => Code::QuerySyntax,
        };
        ApiError { code, message: error.message, span: Some((error.span.start, error.span.end)), hint: error.hint }
    }
}

impl From<QueryFailure> for ApiError {
    fn from(failure: QueryFailure) -> ApiError {
        match failure {
            QueryFailure::Invalid(why) => ApiError::bad(why),
            QueryFailure::Cancelled => ApiError::new(Code::Timeout, "the reader of the answer was too slow"),
            QueryFailure::Storage(why) => ApiError::new(Code::Internal, why),
            QueryFailure::NotReady(why) => ApiError::new(Code::Replaying, why),
        }
    }
}

/// A handler that panics answers 500 and takes nobody else down.
pub async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request handler panicked; the message stands above");
            ApiError::new(Code::Internal, "the request hit a fault in the server; its log says which").into_response()
        }
    }
}

/// The path has other methods.
pub async fn method_not_allowed(request: Request) -> ApiError {
    let message = format!("{} is not possible on {}", request.method(), request.uri().path());
    ApiError::new(Code::MethodNotAllowed, message)
}
