use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a", path = "api/")]
trait Prefix {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a", path = "/api/{version}")]
trait PrefixWithPlaceholder {
    #[get("/x")]
    async fn get(&self, version: u8) -> Result<String, FeignError>;
}

#[feign_client(name = "a")]
trait Paths {
    #[get("x")]
    async fn no_slash(&self) -> Result<String, FeignError>;

    #[get("/x?y=1")]
    async fn query(&self) -> Result<String, FeignError>;

    #[get("/x/../y")]
    async fn dots(&self) -> Result<String, FeignError>;

    #[get("/x/{*rest}")]
    async fn star(&self, rest: String) -> Result<String, FeignError>;

    #[get]
    async fn nothing_behind_nothing(&self) -> Result<String, FeignError>;

    #[get("")]
    async fn empty(&self) -> Result<String, FeignError>;

    #[get("/x/{id")]
    async fn open(&self, id: u8) -> Result<String, FeignError>;
}

#[feign_client(name = "a", path = "/api")]
trait Behind {
    #[get(path)]
    async fn no_text(&self) -> Result<String, FeignError>;

    #[get("")]
    async fn empty(&self) -> Result<String, FeignError>;
}

fn main() {}
