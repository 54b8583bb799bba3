use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a")]
trait Orders {
    #[get("/x")]
    async fn no_result(&self) -> String;

    #[get("/x")]
    async fn nothing(&self);

    #[get("/x")]
    fn not_async(&self) -> Result<String, FeignError>;

    #[get("/x")]
    async fn generic<T>(&self, #[query] value: T) -> Result<String, FeignError>;

    #[get("/x")]
    async fn hidden_generic(&self, #[query] value: impl ToString) -> Result<String, FeignError>;

    #[get("/x")]
    async fn no_self() -> Result<String, FeignError>;

    #[get("/x")]
    async fn mutable(&mut self) -> Result<String, FeignError>;

    #[get("/x")]
    async fn body(&self) -> Result<String, FeignError> {
        Ok(String::new())
    }

    #[get("/x")]
    #[post("/x")]
    async fn two_verbs(&self) -> Result<String, FeignError>;

    #[get("/x")]
    #[get("/y")]
    async fn same_verb_twice(&self) -> Result<String, FeignError>;

    async fn no_verb(&self) -> Result<String, FeignError>;

    #[get]
    async fn no_path(&self) -> Result<String, FeignError>;

    #[get("/x")]
    async fn pattern(&self, #[query] (a, b): (u8, u8)) -> Result<String, FeignError>;

    const LIMIT: u8;
}

#[feign_client(name = "a")]
trait Generic<T> {
    #[get("/x")]
    async fn get(&self) -> Result<T, FeignError>;
}

#[feign_client(name = "a")]
trait Borrowed<'a> {
    #[get("/x")]
    async fn get(&self, #[query] text: &'a str) -> Result<(), FeignError>;
}

#[feign_client(name = "a")]
trait OfItsOwn {
    #[get("/x")]
    async fn get(&self) -> Result<u8, FeignError>;

    fn not_async(&self) -> u8 {
        1
    }

    async fn generic<T>(&self, _value: T) -> u8 {
        1
    }

    async fn bound(&self, #[query] value: u8) -> u8 {
        value
    }

    async fn no_self() -> u8 {
        1
    }

    async fn hidden(&self, _value: impl ToString) -> u8 {
        1
    }
}

#[feign_client(name = "a")]
trait Empty {}

#[feign_client(name = "a")]
struct NotATrait;

fn main() {}
