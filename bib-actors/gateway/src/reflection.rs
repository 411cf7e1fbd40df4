//! Server reflection for tools that know none of our schemas. The descriptors are read when the first one asks: most nodes
//! are never asked, and half a megabyte would stand in the memory of each.

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;

/// Both versions of the protocol.
pub(crate) fn add(routes: Routes) -> Routes {
    let made = Arc::default();
    routes.add_service(V1(Late(Arc::clone(&made)))).add_service(V1Alpha(Late(made)))
}

/// Made by the first call.
#[derive(Clone)]
struct Late(Arc<OnceLock<Routes>>);

impl Late {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Infallible>> {
        self.0.get_or_init(make).clone().call(request).boxed()
    }
}

fn make() -> Routes {
    let build = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(bib_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (build().build_v1(), build().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => Routes::new(v1).add_service(v1alpha).prepare(),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "reflection is off: the descriptors cannot be read");
            Routes::default()
        }
    }
}

macro_rules! service {
    ($name:ident, $path:literal) => {
        #[derive(Clone)]
        struct $name(Late);

        impl NamedService for $name {
            const NAME: &'static str = $path;
        }

        impl Service<Request<Body>> for $name {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<Body>) -> Self::Future {
                self.0.answer(request)
            }
        }
    };
}

service!(V1, "grpc.reflection.v1.ServerReflection");
service!(V1Alpha, "grpc.reflection.v1alpha.ServerReflection");
