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
    fn assemble(client: __private::Client, fallback: Option<Self::Fallback>) -> Self;
    fn default_fallback() -> Option<Self::Fallback>;
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
    }

    pub struct SharedSpec {
        pub identity: Option<Identity>,
        pub when_absent: Option<WhenAbsent>,
        pub audience: Option<&'static str>,
        pub scope: Option<&'static str>,
        pub deadline_ms: Option<u64>,
    }

    pub trait Answer {
        type Value;
    }

    pub struct Json<T>(PhantomData<fn() -> T>);

    impl<T: Default> Answer for Json<T> {
        type Value = T;
    }

    pub struct Call<'a>(&'a Client);

    impl<'a> Call<'a> {
        pub fn begin(client: &'a Client, _: usize) -> Self {
            Self(client)
        }

        pub fn fixed(&mut self, _: &str) {}

        pub fn path(&mut self, _: &'static str, _: &impl Display) {}

        pub fn query(&mut self, _: &'static str, _: &impl PartialEq) {}

        pub async fn send<A, F, Fut>(self, _: Option<F>) -> Result<A::Value, FeignError>
        where
            A: Answer,
            F: FnOnce() -> Fut,
            Fut: Future<Output = Result<A::Value, FeignError>>,
        {
            Err(FeignError::MockUnset { method: "" })
        }
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
