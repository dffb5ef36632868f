//! The log-in: its page, and who is let through without it.

use axum::Form;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::access::{Access, LoginError, Role};
use super::server::Peer;
use super::{NO_STORE, PageState, refusal, uncached};

const PAGE: &str = include_str!("login.html");

/// Lets a request through with the [`Role`] of its sender; else to the log-in and nowhere else.
pub async fn require(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    if matches!(request.uri().path(), "/login" | "/logout") {
        return next.run(request).await;
    }
    let Some(&Peer(peer)) = request.extensions().get() else {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the sender of the request is not known");
    };
    let role = match access.role(peer, request.headers()) {
        Some(role) => role,
        None => match access.program_role(peer, request.headers()).await {
            Some(Ok(role)) => role,
            Some(Err(error)) => return refused(error),
            None => return to_log_in(&request),
        },
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && role < Role::Director {
        return refusal(StatusCode::FORBIDDEN, "who is logged in as a viewer may look, and change nothing");
    }
    request.extensions_mut().insert(role);
    next.run(request).await
}

/// A person is shown the log-in, a program is told.
fn to_log_in(request: &Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if *request.method() == Method::GET && accepts.contains("text/html") {
        return Redirect::to("/login").into_response();
    }
    let mut response = refusal(StatusCode::UNAUTHORIZED, "log in first, or send a password as a bearer token");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn refused(error: LoginError) -> Response {
    match error {
        LoginError::Wrong => refusal(StatusCode::UNAUTHORIZED, "that password is wrong"),
        LoginError::NoPassword => refusal(StatusCode::UNAUTHORIZED, NO_PASSWORD),
        LoginError::TooMany(seconds) => {
            let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "too many passwords were tried; wait a little");
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
    }
}

const NO_PASSWORD: &str = "no password has been set yet: on the mirror, `sudo reverie password` does";

/// The form, which works without a script.
pub async fn form(State(page): State<PageState>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let text = if page.access.is_protected() { "" } else { language.no_password() };
    shown(StatusCode::OK, &page, language, text)
}

#[derive(Deserialize)]
pub struct Sent {
    #[serde(default)]
    password: String,
}

/// Takes what the form sends.
pub async fn log_in(State(page): State<PageState>, peer: axum::Extension<Peer>, request: Request) -> Response {
    let language = Language::of(request.headers());
    let sent: Result<Form<Sent>, _> = axum::RequestExt::extract(request).await;
    let Ok(Form(sent)) = sent else {
        return shown(StatusCode::UNPROCESSABLE_ENTITY, &page, language, language.wrong());
    };
    match page.access.log_in(peer.0.0, &sent.password).await {
        Ok(cookie) => with_cookie(Redirect::to("/"), &cookie),
        Err(LoginError::Wrong) => shown(StatusCode::UNAUTHORIZED, &page, language, language.wrong()),
        Err(LoginError::NoPassword) => shown(StatusCode::UNAUTHORIZED, &page, language, language.no_password()),
        Err(LoginError::TooMany(seconds)) => {
            let mut response = shown(StatusCode::TOO_MANY_REQUESTS, &page, language, &language.too_many(seconds));
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            response
        }
    }
}

/// Ends the session of whoever asks.
pub async fn log_out(State(page): State<PageState>, headers: HeaderMap) -> Response {
    with_cookie(Redirect::to("/login"), &page.access.log_out(&headers).await)
}

fn with_cookie(to: Redirect, cookie: &str) -> Response {
    let mut response = to.into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET /api/session`: who asks, and what there is for them.
pub async fn session(State(page): State<PageState>, role: axum::Extension<Role>) -> Response {
    uncached(&json!({
        "device": page.device.as_str(),
        "role": role.0,
        "protected": page.access.is_protected(),
        "can_set_password": page.access.can_set_password(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    role: Role,
    password: String,
}

/// `POST /api/password`: sets a role's password. Who set the directors' has to log in with it.
pub async fn set_password(State(page): State<PageState>, body: axum::body::Bytes) -> Response {
    let new: NewPassword = match serde_json::from_slice(&body) {
        Ok(new) => new,
        Err(error) => {
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, &format!("a role and a password are needed: {error}"));
        }
    };
    match page.access.set_password(new.role, new.password).await {
        Ok(()) => uncached(&json!({"ok": true})),
        Err(error) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

/// The log-in says little, and that in the browser's language.
#[derive(Clone, Copy)]
enum Language {
    English,
    German,
    French,
}

impl Language {
    fn of(headers: &HeaderMap) -> Language {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut known =
            wanted.split(',').filter_map(|part| match part.trim().get(..2)?.to_ascii_lowercase().as_str() {
                "en" => Some(Language::English),
                "de" => Some(Language::German),
                "fr" => Some(Language::French),
                _ => None,
            });
        known.next().unwrap_or(Language::English)
    }

    /// The language's code, the label of the field, and of the button.
    fn words(self) -> [&'static str; 3] {
        match self {
            Language::English => ["en", "Password", "Log in"],
            Language::German => ["de", "Passwort", "Anmelden"],
            Language::French => ["fr", "Mot de passe", "Se connecter"],
        }
    }

    fn wrong(self) -> &'static str {
        match self {
            Language::English => "That password is wrong.",
            Language::German => "Dieses Passwort ist falsch.",
            Language::French => "Ce mot de passe est faux.",
        }
    }

    fn no_password(self) -> &'static str {
        match self {
            Language::English => "No password has been set yet. On the mirror itself: sudo reverie password",
            Language::German => "Es ist noch kein Passwort gesetzt. Am Spiegel selbst: sudo reverie password",
            Language::French => "Aucun mot de passe n’est encore défini. Sur le miroir même : sudo reverie password",
        }
    }

    fn too_many(self, seconds: u64) -> String {
        match self {
            Language::English => format!("Too many attempts. Wait {seconds} s."),
            Language::German => format!("Zu viele Versuche. Bitte {seconds} s warten."),
            Language::French => format!("Trop d’essais. Attendez {seconds} s."),
        }
    }
}

fn shown(status: StatusCode, page: &PageState, language: Language, message: &str) -> Response {
    let [code, label, button] = language.words();
    // A device's name has no character that means anything to HTML, and the rest is ours.
    let html = PAGE
        .replace("{language}", code)
        .replace("{device}", page.device.as_str())
        .replace("{label}", label)
        .replace("{button}", button)
        .replace("{message}", message);
    (status, [NO_STORE], Html(html)).into_response()
}
