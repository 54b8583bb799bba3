// As much of `hallpass_feign` as generated code names, so that type errors can be shown without building the rest.
pub struct Feign;
pub struct BuildError;
pub enum FeignError {
    MockUnset { method: &'static str },
}
pub enum Identity {}
pub enum WhenAbsent {}
pub struct ClientBuilder<C>(std::marker::PhantomData<C>);

impl<C> ClientBuilder<C> {
    pub fn new(_: &Feign) -> Self {
        Self(std::marker::PhantomData)
    }

    pub fn build(self) -> Result<C, BuildError> {
        Err(BuildError)
    }
}

pub trait GeneratedClient: Sized {
    type Fallback;
    const SPEC: &'static __private::ClientSpec;
    fn assemble(
        client: __private::Client,
        fallback: Option<__private::Fallback<Self::Fallback>>,
    ) -> Self;
    fn default_fallback() -> Option<__private::Fallback<Self::Fallback>>;
}

pub mod __private {
    use std::fmt::Display;
    use std::future::Future;
    use std::marker::PhantomData;
    use std::sync::Arc;

    use super::{FeignError, Identity, WhenAbsent};

    pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

    #[derive(Clone, Debug)]
    pub struct Client;

    pub enum Verb {
        Get,
        Put,
    }

    pub struct ClientSpec {
        pub trait_name: &'static str,
        pub name: &'static str,
        pub url: Option<&'static str>,
        pub shared: SharedSpec,
        pub isolate: bool,
        pub methods: &'static [MethodSpec],
    }

    pub struct MethodSpec {
        pub name: &'static str,
        pub verb: Verb,
        pub template: &'static str,
        pub shared: SharedSpec,
        pub idempotent: bool,
        pub idempotency_key: bool,
    }

    pub struct SharedSpec {
        pub identity: Option<Identity>,
        pub when_absent: Option<WhenAbsent>,
        pub audience: Option<&'static str>,
        pub scope: Option<&'static str>,
        pub deadline_ms: Option<u64>,
        pub headers: &'static [(&'static str, &'static str)],
    }

    #[derive(Clone, Debug)]
    pub enum Fallback<B> {
        Shared(B),
    }

    impl<B: Clone> Fallback<B> {
        pub fn made_by(_: impl Fn(&FeignError) -> B + Send + Sync + 'static) -> Self {
            loop {}
        }

        pub fn because_of(&self, _: &FeignError) -> B {
            let Self::Shared(fallback) = self;
            fallback.clone()
        }
    }

    #[derive(Default)]
    pub struct Body;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no bytes",
        label = "a #[bytes] argument is `Bytes`, `Vec<u8>`, `&[u8]`, `String` or `&str`; a stream is #[stream]"
    )]
    pub trait SentBytes {}

    impl SentBytes for Vec<u8> {}

    pub trait Answer {
        type Value;
    }

    pub struct Json<T>(PhantomData<fn() -> T>);

    impl<T: Default> Answer for Json<T> {
        type Value = T;
    }

    pub struct Text;

    impl Answer for Text {
        type Value = String;
    }

    pub struct Call<'a>(&'a Client);

    impl<'a> Call<'a> {
        pub fn begin(client: &'a Client, _: usize) -> Self {
            Self(client)
        }

        pub fn fixed(&mut self, _: &str) {}

        pub fn path(&mut self, _: &'static str, _: &impl Display) {}

        pub fn query(&mut self, _: &'static str, _: &impl PartialEq) {}

        pub fn bytes(&mut self, _: &'static str, _: &(impl SentBytes + ?Sized)) {}

        pub fn text(&mut self, _: &'static str, _: &(impl AsRef<str> + ?Sized)) {}

        pub fn stream(&mut self, _: &'static str, _: Body) {}

        pub async fn send<A, E, F, Fut>(self, _: Option<F>) -> Result<A::Value, E>
        where
            A: Answer,
            E: From<FeignError> + Send + 'static,
            F: FnOnce(&FeignError) -> Fut,
            Fut: Future<Output = Result<A::Value, E>>,
        {
            Err(E::from(FeignError::MockUnset { method: "" }))
        }
    }

    pub fn mock_unset<E: From<FeignError>>(method: &'static str) -> E {
        E::from(FeignError::MockUnset { method })
    }

    pub struct MockMethod<F: ?Sized>(Option<Arc<F>>);

    impl<F: ?Sized> Clone for MockMethod<F> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<F: ?Sized> Default for MockMethod<F> {
        fn default() -> Self {
            Self(None)
        }
    }

    impl<F: ?Sized> std::fmt::Debug for MockMethod<F> {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    impl<F: ?Sized> MockMethod<F> {
        pub fn answer_by(&mut self, answer: Arc<F>) {
            self.0 = Some(answer);
        }

        pub fn call(&self) -> Option<&F> {
            self.0.as_deref()
        }

        pub fn calls(&self) -> usize {
            0
        }
    }
}
