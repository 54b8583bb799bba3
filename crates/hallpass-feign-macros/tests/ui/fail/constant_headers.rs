use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a", headers = ["Authorization: Bearer x"])]
trait Owned {
    #[get("/x", headers = ["content-length: 7"])]
    async fn get(&self) -> Result<(), FeignError>;
}

#[feign_client(name = "a", headers = ["X-Region: ${region}"])]
trait Placeholder {
    #[get("/x", headers = ["X-Empty:"])]
    async fn empty(&self) -> Result<(), FeignError>;

    #[get("/x", headers = ["X-Split: a\r\nX-Admin: 1"])]
    async fn split(&self) -> Result<(), FeignError>;

    #[get("/x", headers = ["X-Name"])]
    async fn no_value(&self) -> Result<(), FeignError>;

    #[get("/x", headers = ["X Name: 1"])]
    async fn no_name(&self) -> Result<(), FeignError>;

    #[get("/x", headers = ["X-A: 1", "x-a: 2"])]
    async fn twice(&self) -> Result<(), FeignError>;

    #[get("/x", headers = "X-A: 1")]
    async fn no_list(&self) -> Result<(), FeignError>;

    #[get("/x", headers = [X-A])]
    async fn no_text(&self) -> Result<(), FeignError>;
}

#[feign_client(name = "a", fallback = Nobody, fallback_factory = Nobody::because)]
trait BothFallbacks {
    #[get("/x")]
    async fn get(&self) -> Result<(), FeignError>;
}

fn main() {}
