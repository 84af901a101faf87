//! The console's own files. Their names carry their hash, so that a browser may keep them for
//! good and never shows an old one with a new page.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};

/// For as long as a browser likes: another content has another name.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The sheet of styles.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset {
    path: named(include_bytes!("../../../assets/console.css"), "css"),
    content_type: "text/css; charset=utf-8",
    body: include_bytes!("../../../assets/console.css"),
});

/// The script.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| Asset {
    path: named(include_bytes!("../../../assets/console.js"), "js"),
    content_type: "text/javascript; charset=utf-8",
    body: include_bytes!("../../../assets/console.js"),
});

/// The icon.
pub(crate) static ICON: LazyLock<Asset> = LazyLock::new(|| Asset {
    path: named(include_bytes!("../../../assets/icon.svg"), "svg"),
    content_type: "image/svg+xml",
    body: include_bytes!("../../../assets/icon.svg"),
});

/// One file.
pub(crate) struct Asset {
    path: String,
    content_type: &'static str,
    body: &'static [u8],
}

impl Asset {
    /// Returns where it is served.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns what it holds.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &'static [u8] {
        self.body
    }
}

fn named(body: &[u8], ending: &str) -> String {
    let hash = hex::encode(&Sha256::digest(body)[..8]);
    format!("/console/assets/{hash}.{ending}")
}

/// `GET /console/assets/{name}`.
pub(crate) async fn show(Path(name): Path<String>) -> Response {
    let files = [&*STYLE, &*SCRIPT, &*ICON];
    let found = files.into_iter().find(|file| {
        let own = file.path.rsplit('/').next();
        own == Some(name.as_str())
    });
    match found {
        Some(file) => {
            let headers: [(HeaderName, &str); 4] = [
                (CONTENT_TYPE, file.content_type),
                (CACHE_CONTROL, FOR_GOOD),
                (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (
                    HeaderName::from_static("cross-origin-resource-policy"),
                    "same-origin",
                ),
            ];
            (headers, file.body).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
