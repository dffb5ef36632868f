//! Which requests are allowed: those of the page itself and of programs, not those of other sites' pages in the same browser.
//!
//! A page of another site can make its visitor's browser send requests to `http://127.0.0.1:8080`. Browsers then mark them: in `Origin`
//! for everything that changes something, in `Sec-Fetch-Site` for pictures too. And a site whose name is made to resolve
//! to this machine (DNS rebinding) is recognised by the name in `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Settings, refusal};

/// The names by which the device may be addressed.
pub struct Guard {
    remote: bool,
    names: Vec<String>,
}

impl Guard {
    pub fn new(settings: &Settings) -> Guard {
        let mut names = vec!["localhost".to_owned()];
        if settings.allow_remote {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = host.trim().to_lowercase();
            names.extend([format!("{host}.local"), host]);
            names.extend(settings.names.iter().map(|name| name.to_lowercase()));
        }
        Guard { remote: settings.allow_remote, names }
    }

    /// Why a request is refused; none: it is not.
    fn fault(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(host) = text(header::HOST) else { return Some("the request names no host") };
        if !self.knows(host) {
            return Some("this device has no such name; its names are set in console.names");
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            // A proxy before us may speak TLS with the browser.
            let origin = origin.to_str().unwrap_or_default();
            let own = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
            if own.is_none_or(|own| !own.eq_ignore_ascii_case(host)) {
                return Some("the request comes from another site's page");
            }
        }
        let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
        // A link to the page from elsewhere is harmless; the page cannot be framed.
        let page = *method == Method::GET && matches!(path, "/" | "/login");
        if !page && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Some("the request comes from another site's page");
        }
        None
    }

    /// Whether `host`, a `Host` header, is a name of this device. An address cannot be made to point elsewhere.
    fn knows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        match bare.parse::<IpAddr>() {
            Ok(address) => self.remote || address.is_loopback(),
            Err(_) => self.names.iter().any(|own| own.eq_ignore_ascii_case(name)),
        }
    }
}

/// Refuses the requests that [`Guard`] finds fault with, and adds the headers that keep every answer to this page.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let fault = guard.fault(request.method(), request.uri().path(), request.headers());
    let mut response = match fault {
        Some(reason) => refusal(StatusCode::FORBIDDEN, reason),
        None => next.run(request).await,
    };
    // The log-in has its style within, for nothing else is served before it.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; \
                  connect-src 'self'; manifest-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                  form-action 'self'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With none at all a browser would not say either where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(guard: &Guard, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Option<&'static str> {
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        guard.fault(&method, path, &pairs.collect::<HeaderMap>())
    }

    #[test]
    fn the_page_itself_and_programs_may_and_other_sites_may_not() {
        let guard = Guard::new(&Settings::default());
        let get = |path, headers: &[_]| fault(&guard, Method::GET, path, headers).is_none();
        let post = |headers: &[_]| fault(&guard, Method::POST, "/set", headers).is_none();
        let own = ("host", "127.0.0.1:8080");
        assert!(get("/state", &[own]) && post(&[own]), "curl");
        assert!(post(&[own, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]));
        assert!(get("/preview.mjpg", &[own, ("sec-fetch-site", "same-origin")]));
        assert!(get("/preview.jpg", &[own, ("sec-fetch-site", "none")]), "typed into the address bar");
        assert!(get("/", &[own, ("sec-fetch-site", "cross-site")]), "a link");
        assert!(post(&[own, ("origin", "https://127.0.0.1:8080")]), "behind a proxy");
        assert!(!post(&[own, ("origin", "http://evil.example")]));
        assert!(!post(&[own, ("origin", "https://evil.example")]));
        assert!(!post(&[own, ("origin", "null")]));
        assert!(!post(&[own, ("origin", "http://127.0.0.1:9999")]), "another server on this machine");
        assert!(!get("/preview.jpg", &[own, ("sec-fetch-site", "cross-site")]));
        assert!(!get("/preview.jpg", &[own, ("sec-fetch-site", "same-site")]));
        assert!(!get("/state", &[]));
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_not_known() {
        let guard = Guard::new(&Settings::default());
        for good in ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.8.9.1:80", "[::1]:8080", "[::1]"] {
            assert!(guard.knows(good), "{good}");
        }
        for bad in ["evil.example", "evil.example:8080", "192.168.1.5", "localhost.evil.example", "", ":8080", "[::2]"]
        {
            assert!(!guard.knows(bad), "{bad}");
        }
        let remote = Settings { allow_remote: true, names: vec!["Mirror.Lan".into()], ..Settings::default() };
        let guard = Guard::new(&remote);
        assert!(guard.knows("192.168.1.5:8080") && guard.knows("mirror.lan:8080") && guard.knows("localhost"));
        assert!(!guard.knows("evil.example"));
    }
}
