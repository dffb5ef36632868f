//! The page's own files, and the pictures of what is installed.

use std::borrow::Cow;
use std::path::PathBuf;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

use super::{PageState, refusal, uncached};
use crate::director;
use crate::pack::Atlas;

/// Everything that a browser loads: HTML, scripts, styles, icons. No build step, and nothing from elsewhere.
#[derive(Embed)]
#[folder = "src/console/page/"]
struct Files;

const FOR_A_DAY: (header::HeaderName, &str) = (header::CACHE_CONTROL, "max-age=86400");
/// Asked for each time, and answered with 304 where it is still the same: after an update the page is the new one at once.
const REVALIDATED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");

pub fn routes() -> Router<PageState> {
    let mut routes = Router::new()
        .route("/", get(async |headers: HeaderMap| file("index.html", &headers)))
        .route("/shell.json", get(list))
        .route("/atlas/{pack}/{file}", get(atlas))
        .route("/scenes/{file}", get(scene_picture));
    for name in names() {
        let path = format!("/{name}");
        routes = routes.route(&path, get(async move |headers: HeaderMap| file(&name, &headers)));
    }
    routes
}

/// The files that a browser loads. Types and notes are for whoever works on the page.
fn names() -> impl Iterator<Item = Cow<'static, str>> {
    Files::iter().filter(|name| !name.ends_with(".ts") && !name.ends_with(".md"))
}

/// The addresses of all of them, for whoever keeps them.
async fn list() -> Response {
    let addresses = names().map(|name| if name == "index.html" { "/".to_owned() } else { format!("/{name}") });
    uncached(&addresses.collect::<Vec<_>>())
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Files::get(name) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such page");
    };
    let digest: String = metadata.sha256_hash()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{digest}\"");
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [REVALIDATED]).into_response();
    }
    let mut response = ([(header::CONTENT_TYPE, kind(name)), REVALIDATED], data.into_owned()).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    }
}

/// A picture of a pack's atlas: what the neurons of a layer dream of.
async fn atlas(State(page): State<PageState>, Path((pack, file)): Path<(String, String)>) -> Response {
    let found = page.handle.catalogue().packs().find(|(_, manifest)| manifest.name == pack);
    let is_drawn = |atlas: &Atlas| atlas.layers.iter().any(|layer| layer.file == file);
    let Some((dir, _)) = found.filter(|(_, pack)| pack.atlas.as_ref().is_some_and(is_drawn)) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such picture in an atlas");
    };
    picture(dir.join(&file)).await
}

/// A picture of a scene that ships.
async fn scene_picture(State(page): State<PageState>, Path(file): Path<String>) -> Response {
    let is_one =
        page.handle.ask(|director| director.scenes().any(|(name, ..)| director::shipped_picture(name) == file));
    match crate::assets::scene_pictures().filter(|_| is_one) {
        Some(folder) => picture(folder.join(&file)).await,
        None => refusal(StatusCode::NOT_FOUND, "there is no picture of such a scene"),
    }
}

/// A JPEG picture that is part of what is installed.
async fn picture(path: PathBuf) -> Response {
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(jpeg)) => ([(header::CONTENT_TYPE, "image/jpeg"), FOR_A_DAY], jpeg).into_response(),
        _ => refusal(StatusCode::NOT_FOUND, "that picture cannot be read"),
    }
}
