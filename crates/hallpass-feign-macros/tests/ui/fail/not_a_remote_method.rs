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
trait Empty {}

#[feign_client(name = "a")]
struct NotATrait;

fn main() {}
