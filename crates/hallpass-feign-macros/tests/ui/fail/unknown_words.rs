use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a", identiti = "relay", fallbackFactory = "X", colour = 3)]
trait UnknownKeys {
    #[get("/x", deadline = 3, name = "b")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a", identity = "realy", when_absent = "ignore")]
trait UnknownValues {
    #[get("/x", identity = "user")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a")]
trait UnknownAttributes {
    #[post("/x")]
    async fn body(&self, #[body] order: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn param(&self, #[param] order: String) -> Result<String, FeignError>;

    #[get("/{order}")]
    async fn path(&self, #[path] order: String) -> Result<String, FeignError>;

    #[GetMapping("/x")]
    async fn spring(&self) -> Result<String, FeignError>;

    #[pots("/x")]
    async fn slip(&self) -> Result<String, FeignError>;
}

fn main() {}
