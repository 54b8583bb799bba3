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

    #[get("/x")]
    async fn error(&self) -> Result<String, std::io::Error>;
}

struct NoDefault;

fn main() {}
