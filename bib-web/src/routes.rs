//! `/livez` and `/readyz`, for service managers, containers and load balancers.

use crate::readiness::ReadinessFn;
use actix_web::{HttpResponse, Responder, web};

/// Adds the routes. They answer `GET` and `HEAD`; everything else is 404 or 405.
pub(crate) fn configure(config: &mut web::ServiceConfig, readiness: ReadinessFn) {
    config
        .app_data(web::Data::new(readiness))
        .service(web::resource("/livez").route(web::get().to(livez)).route(web::head().to(livez)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)));
}

/// 200 as long as the process can answer at all: a restart by the service manager helps only when it cannot.
async fn livez() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// 200 when every actor runs, 503 otherwise; the body says which does not.
async fn readyz(readiness: web::Data<ReadinessFn>) -> impl Responder {
    let now = (readiness.get_ref())();
    if now.ready { HttpResponse::Ok().json(now) } else { HttpResponse::ServiceUnavailable().json(now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers;
    use crate::readiness::{ActorState, Readiness};
    use actix_web::{App, http::StatusCode, test};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn closure(ready: Arc<AtomicBool>) -> ReadinessFn {
        Arc::new(move || {
            let ready = ready.load(Ordering::Relaxed);
            let state = if ready { "running" } else { "restarting" };
            let actor =
                ActorState { name: "guardian".into(), rank: 2, state: state.into(), incarnation: 1, restarts: 0 };
            Readiness { ready, actors: vec![actor] }
        })
    }

    #[actix_web::test]
    async fn readiness_follows_the_closure_and_liveness_does_not() {
        let ready = Arc::new(AtomicBool::new(true));
        let readiness = closure(Arc::clone(&ready));
        let app = App::new().wrap(headers::defaults()).configure(|config| configure(config, readiness));
        let app = test::init_service(app).await;
        for (state, expected) in [(true, StatusCode::OK), (false, StatusCode::SERVICE_UNAVAILABLE)] {
            ready.store(state, Ordering::Relaxed);
            let answer = test::call_service(&app, test::TestRequest::get().uri("/readyz").to_request()).await;
            assert_eq!(answer.status(), expected);
            assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
            let body: serde_json::Value = test::read_body_json(answer).await;
            assert_eq!(body["ready"], state);
            assert_eq!(body["actors"][0]["name"], "guardian");
            let live = test::call_service(&app, test::TestRequest::get().uri("/livez").to_request()).await;
            assert_eq!(live.status(), StatusCode::OK);
        }
    }

    #[actix_web::test]
    async fn other_paths_and_methods_are_refused() {
        let readiness = closure(Arc::new(AtomicBool::new(true)));
        let app = test::init_service(App::new().configure(|config| configure(config, readiness))).await;
        let other = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
        let post = test::call_service(&app, test::TestRequest::post().uri("/livez").to_request()).await;
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
