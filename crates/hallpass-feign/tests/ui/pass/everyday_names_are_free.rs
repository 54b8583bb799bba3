//! Methods and types may be called what they are called elsewhere, and what is old may be deprecated.
#![deny(warnings)]

use hallpass_feign::{FeignError, feign_client};

/// A type of the user with the name of a type parameter.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Implementation {
    id: u64,
}

/// A trait of the user with the name of a derive.
pub trait Debug {}

/// Names of others.
#[feign_client(name = "names", fallback = Nobody)]
pub trait Names {
    #[get("/clone")]
    async fn clone(&self) -> Result<Implementation, FeignError>;

    #[get("/new/{default}")]
    async fn new(&self, default: u8) -> Result<(), FeignError>;

    #[get("/builder")]
    async fn builder(&self) -> Result<(), FeignError>;

    #[get("/default")]
    async fn default(&self) -> Result<(), FeignError>;

    #[get("/fmt")]
    async fn fmt(&self, #[query] formatter: &str) -> Result<(), FeignError>;

    #[post("/fields")]
    async fn client(&self, #[json] fallback: &Implementation)
    -> Result<Implementation, FeignError>;

    #[get("/fields")]
    async fn fallback(&self) -> Result<(), FeignError>;

    #[get("/as_ref")]
    async fn as_ref(&self) -> Result<(), FeignError>;

    #[get("/call")]
    async fn call(&self) -> Result<(), FeignError>;

    #[get("/into")]
    async fn into(&self) -> Result<(), FeignError>;

    #[get("/type/{type}")]
    async fn r#type(&self, r#type: u8) -> Result<(), FeignError>;
}

/// Stands in.
#[derive(Debug, Default)]
pub struct Nobody;

impl Names for Nobody {
    async fn clone(&self) -> Result<Implementation, FeignError> {
        Ok(Implementation { id: 7 })
    }
    async fn new(&self, _: u8) -> Result<(), FeignError> {
        Ok(())
    }
    async fn builder(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn default(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn fmt(&self, _: &str) -> Result<(), FeignError> {
        Ok(())
    }
    async fn client(&self, fallback: &Implementation) -> Result<Implementation, FeignError> {
        Ok(Implementation { id: fallback.id })
    }
    async fn fallback(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn as_ref(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn call(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn into(&self) -> Result<(), FeignError> {
        Ok(())
    }
    async fn r#type(&self, _: u8) -> Result<(), FeignError> {
        Ok(())
    }
}

/// Names of the mock.
#[feign_client(name = "queue")]
pub trait Queue {
    #[post("/push")]
    async fn push(&self, #[json] item: u8) -> Result<(), FeignError>;

    #[post("/on-push")]
    async fn on_push(&self) -> Result<(), FeignError>;

    #[get("/push-calls")]
    async fn push_calls(&self) -> Result<u64, FeignError>;

    #[get("/a")]
    async fn b_calls(&self) -> Result<(), FeignError>;

    #[get("/b")]
    async fn on_b(&self) -> Result<(), FeignError>;

    #[get("/when-push")]
    async fn when_push(&self) -> Result<(), FeignError>;
}

/// Deprecated below.
#[deprecated(note = "ask the queue")]
#[feign_client(name = "old")]
pub trait Old {
    #[deprecated]
    #[get("/old")]
    async fn old(&self) -> Result<(), FeignError>;
}

/// Deprecated above.
#[feign_client(name = "older")]
#[deprecated]
pub trait Older {
    #[get("/older")]
    #[deprecated(note = "nobody asks")]
    async fn older(&self, #[query] at: Option<u8>) -> Result<(), FeignError>;
}

async fn clone_of(names: &impl Names) -> Result<u64, FeignError> {
    Ok(names.clone().await?.id)
}

pub(crate) async fn main() -> Result<(), FeignError> {
    assert_eq!(clone_of(&BoxNames::new(Nobody)).await?, 7);
    let mock = MockQueue::new()
        .when_push_(|item| {
            assert_eq!(item, 3);
            Ok(())
        })
        .on_on_push(|| Ok(()));
    Queue::push(&mock, 3).await?;
    Queue::on_push(&mock).await?;
    let counts = (
        mock.push_call_count(),
        mock.on_push_calls(),
        mock.on_b_call_count(),
    );
    assert_eq!(counts, (1, 1, 0));
    Ok(())
}
