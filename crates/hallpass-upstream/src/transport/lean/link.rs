//! One connection of HTTP/1.1, driven by whoever uses it.
//!
//! hyper divides a connection into a sender and a driver, and most programs give the driver a task of its own. Then each request wakes
//! that task, and each response the task of the caller. Here the caller's task is the one that writes and reads: it is woken when the
//! socket is readable, and by nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use pin_project_lite::pin_project;
use tokio::task::coop::{Unconstrained, unconstrained};

use super::alarm::Alarm;
use super::keeper::Bell;
use crate::body::Body;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Response(Response<Incoming>),
    /// Nothing of it was sent: here it is again.
    Unsent(Box<Request<Body>>, hyper::Error),
    /// The server may have seen it.
    Failed(hyper::Error),
}

/// One connection, for one request at a time.
pub(super) struct Link {
    driven: Pin<Box<dyn Driven + Send>>,
    alarm: Arc<Alarm>,
    /// The alarm, as what a connection calls.
    waker: Waker,
}

impl Link {
    /// A connection over what has just been opened. While nobody uses it, it rings `bell` when something happens to it.
    pub(super) async fn over<T>(io: T, builder: &Builder, bell: &Arc<Bell>) -> hyper::Result<Self>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let (sender, driver) = builder.handshake(io).await?;
        let send = |sender: &mut SendRequest<Body>, request| sender.try_send_request(request);
        let alarm = Alarm::new(bell);
        Ok(Self {
            driven: driven(driver, sender, send),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
        })
    }

    /// Takes a request. It is written when [`Link::poll_answer`] is polled.
    pub(super) fn ask(&mut self, request: Request<Body>) {
        // That there is a request is no news to who looks after unused connections.
        self.alarm.call_nobody();
        self.driven.as_mut().ask(request);
    }

    /// Writes what is to be written and reads what is there, until there is an answer to what was asked.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Answer> {
        self.alarm.call_task(context.waker());
        let mut context = Context::from_waker(&self.waker);
        self.driven.as_mut().poll_answer(&mut context)
    }

    /// Writes what is to be written and reads what is there; ready when the connection has ended.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.alarm.call_task(context.waker());
        self.drive()
    }

    /// Nobody uses it from now on: what happens to it rings the bell. Ready when the connection has ended.
    pub(super) fn rest(&mut self) -> Poll<()> {
        if self.alarm.call_keeper() {
            return self.drive();
        }
        Poll::Pending
    }

    /// The same, for one that has been unused for a while.
    pub(super) fn poll_unused(&mut self) -> Poll<()> {
        self.alarm.call_keeper();
        self.drive()
    }

    fn drive(&mut self) -> Poll<()> {
        let mut context = Context::from_waker(&self.waker);
        self.driven.as_mut().poll_ended(&mut context)
    }

    /// Whether the request has been sent to its end and the response read to its, and the connection is open.
    pub(super) fn is_idle(&self) -> bool {
        self.driven.is_idle()
    }

    /// Takes leave of the server, as far as that goes without waiting.
    pub(super) fn close(mut self) {
        self.alarm.call_nobody();
        self.driven.as_mut().close();
    }
}

/// What a [`Link`] does, whatever it goes over.
trait Driven {
    fn ask(self: Pin<&mut Self>, request: Request<Body>);
    fn poll_answer(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer>;
    fn poll_ended(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()>;
    fn is_idle(&self) -> bool;
    fn close(self: Pin<&mut Self>);
}

pin_project! {
    /// The parts of a connection, in one piece of memory for all its requests.
    struct Parts<D, S, F> {
        // `None` once it has ended.
        driver: Option<D>,
        // `None` once the connection is to end.
        sender: Option<SendRequest<Body>>,
        send: S,
        // The response that is awaited. It does not count against the budget of the task: nothing but the driver, which does,
        // brings it on.
        #[pin]
        answer: Option<Unconstrained<F>>,
    }
}

fn driven<D, S, F>(driver: D, sender: SendRequest<Body>, send: S) -> Pin<Box<dyn Driven + Send>>
where
    D: Future<Output = hyper::Result<()>> + Send + Unpin + 'static,
    S: Fn(&mut SendRequest<Body>, Request<Body>) -> F + Send + 'static,
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + Send + 'static,
{
    Box::pin(Parts {
        driver: Some(driver),
        sender: Some(sender),
        send,
        answer: None,
    })
}

impl<D, S, F> Driven for Parts<D, S, F>
where
    D: Future<Output = hyper::Result<()>> + Unpin,
    S: Fn(&mut SendRequest<Body>, Request<Body>) -> F,
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
{
    fn ask(self: Pin<&mut Self>, request: Request<Body>) {
        let mut this = self.project();
        let answer = this.sender.as_mut().map(|it| (this.send)(it, request));
        this.answer.set(answer.map(unconstrained));
    }

    fn poll_answer(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let _ended = self.as_mut().poll_ended(context);
        let mut this = self.project();
        let Some(answer) = this.answer.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        // Whatever comes, the driver has brought it just now: nobody has to be woken.
        let answer = ready!(answer.poll(&mut Context::from_waker(Waker::noop())));
        this.answer.set(None);
        Poll::Ready(match answer {
            Ok(response) => Answer::Response(response),
            Err(mut error) => match error.take_message() {
                Some(request) => Answer::Unsent(Box::new(request), error.into_error()),
                None => Answer::Failed(error.into_error()),
            },
        })
    }

    fn poll_ended(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if let Some(driver) = this.driver {
            if let Err(error) = ready!(Pin::new(driver).poll(context)) {
                tracing::debug!(%error, "a connection has ended with an error");
            }
            *this.driver = None;
        }
        Poll::Ready(())
    }

    fn is_idle(&self) -> bool {
        let is_ready = |sender: &SendRequest<Body>| sender.is_ready();
        self.driver.is_some() && self.answer.is_none() && self.sender.as_ref().is_some_and(is_ready)
    }

    fn close(mut self: Pin<&mut Self>) {
        *self.as_mut().project().sender = None;
        // TLS says that nothing more will come; a full buffer is not waited for.
        let _ended = self.poll_ended(&mut Context::from_waker(Waker::noop()));
    }
}
