use hallpass_feign_macros::feign_client;
use runtime::FeignError;

#[path = "../runtime.rs"]
mod runtime;

struct Opaque;

#[feign_client(name = "a", fallback = NoDefault, crate = runtime)]
trait Orders {
    #[get("/x/{value}")]
    async fn path(&self, value: Opaque) -> Result<String, FeignError>;

    #[get("/x")]
    async fn query(&self, #[query] value: Opaque) -> Result<String, FeignError>;

    #[get("/x")]
    async fn answer(&self) -> Result<Opaque, FeignError>;

    #[put("/x")]
    async fn bytes(&self, #[bytes] value: Opaque) -> Result<String, FeignError>;

    #[put("/x")]
    async fn stream(&self, #[stream] value: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn error(&self) -> Result<String, std::io::Error>;
}

struct NoDefault;

#[feign_client(name = "a", fallback_factory = not_a_factory, crate = runtime)]
trait WithFactory {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

fn not_a_factory(cause: String) -> NoDefault {
    drop(cause);
    NoDefault
}

fn main() {}
