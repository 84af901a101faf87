//! What comes to the addresses of channels, through the listener's own route.

use axum::body::Body;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use super::stage::Stage;
use crate::admin::callback::{BAD_MAX, router};

#[tokio::test]
async fn whoever_sends_what_proves_nothing_is_not_listened_to_for_a_while() {
    let stage = Stage::new().await;
    let router = router(stage.site.clone());
    let mut answered = Vec::new();
    for _ in 0..2 * BAD_MAX {
        let request = Request::post("/channels/nobody").body(Body::from("garbage"));
        let response = router.clone().oneshot(request.expect("a request")).await;
        answered.push(response.expect("infallible"));
    }
    let heard = answered
        .iter()
        .filter(|answer| answer.status() == StatusCode::NOT_FOUND);
    let heard = heard.count() as u64;
    assert!((BAD_MAX..2 * BAD_MAX).contains(&heard), "{heard}");
    let last = answered.last().expect("some");
    assert_eq!(last.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(last.headers().contains_key(RETRY_AFTER));
}
