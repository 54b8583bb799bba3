//! What is found at one place of a tree. Whoever includes this file brings `context`, and rayon.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;

use super::context::{self, CallContext, InContext, body_scope_all, scope_all};
use super::{Frame, HttpBody, ThreadPool, ThreadPoolBuilder, Yield, yield_now};

/// For whom the work at one place is done: numbers of a user, a tenant and a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) user: Option<u8>,
    pub(crate) tenant: Option<u8>,
    pub(crate) tag: Option<u8>,
}

pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-tenant-id");
pub(crate) const TAG: HeaderName = HeaderName::from_static("x-gray-tag");

/// What is current here.
pub(crate) fn look() -> Seen {
    let context = CallContext::current();
    let number = |name: HeaderName| {
        let value = context.carried().get(name.as_str())?;
        Some(value.to_str().unwrap().parse().unwrap())
    };
    let user = context
        .identity()
        .map(|it| number_of(it.subject().as_str()));
    let same = context::current().map(|it| number_of(it.subject().as_str()));
    assert_eq!(user, same);
    Seen {
        user,
        tenant: number(TENANT),
        tag: number(TAG),
    }
}

/// Users are called `user-0`, `user-1`, ...
fn number_of(user: &str) -> u8 {
    user.trim_start_matches("user-").parse().unwrap()
}

pub(crate) async fn with<F: Future>(name: HeaderName, number: u8, future: F) -> F::Output {
    let context = CallContext::current().with_header(name, HeaderValue::from(u16::from(number)));
    scope_all(context, future).await
}

/// A body of one frame, which says who is current when it is polled.
struct Telling(Option<tokio::sync::mpsc::UnboundedSender<Seen>>);

impl HttpBody for Telling {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(say) = self.0.take() {
            say.send(look()).unwrap();
        }
        Poll::Ready(None)
    }
}

pub(crate) async fn body() -> Seen {
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    let body = body_scope_all(CallContext::current(), Telling(Some(say)));
    tokio::spawn(async { body.collect().await.unwrap() })
        .await
        .unwrap();
    said.recv().await.unwrap()
}

/// Says who is current when it is dropped.
struct Dropping(tokio::sync::mpsc::UnboundedSender<Seen>);

impl Drop for Dropping {
    fn drop(&mut self) {
        self.0.send(look()).unwrap();
    }
}

pub(crate) async fn dropped() -> Seen {
    let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
    let dropping = Dropping(say);
    let work = async move {
        let _dropping = dropping;
        std::future::pending::<()>().await;
    };
    let mut work = Box::pin(work.in_current_context());
    let elsewhere = async move {
        std::future::poll_fn(|cx| {
            assert!(work.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(work);
    };
    tokio::spawn(elsewhere).await.unwrap();
    said.recv().await.unwrap()
}

type Job = Box<dyn FnOnce() + Send>;

/// Of two threads for all trees, so that jobs of many users are run in the midst of each other.
fn pool() -> &'static ThreadPool {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| {
        let pool = ThreadPoolBuilder::new().num_threads(2);
        pool.build().unwrap()
    })
}

/// Who is current in a job of the pool before and after others were run meanwhile, as `hand_over` gives the job to it.
pub(crate) async fn pooled(hand_over: impl FnOnce(Job) -> Job) -> Seen {
    let (say, said) = tokio::sync::oneshot::channel();
    let job = hand_over(Box::new(move || {
        let before = look();
        while yield_now() == Some(Yield::Executed) {}
        assert_eq!(look(), before);
        say.send(before).unwrap();
    }));
    pool().spawn(job);
    said.await.unwrap()
}
