use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(path = "/x")]
trait NoName {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "order service", name = "b", audience = "", scope = "a  b", deadline_ms = "soon")]
trait BadValues {
    #[get("/x", deadline_ms = 0, idempotent = "yes")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a", url = "https://host/path")]
trait UrlWithPath {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a", url = "https://user:password@host")]
trait UrlWithPassword {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "a", url = "http://orders.example")]
trait PlainHttp {
    #[get("/x")]
    async fn get(&self) -> Result<String, FeignError>;
}

fn main() {}
