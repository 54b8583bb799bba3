use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a", headers = ["Idempotency-Key: x"])]
trait OneKeyForAll {
    #[get("/x", headers = ["X-Request-Timeout-Ms: 3600000"])]
    async fn hours(&self) -> Result<(), FeignError>;

    #[get("/x", headers = ["X_User~Id: root"])]
    async fn somebody(&self) -> Result<(), FeignError>;

    #[get("/x")]
    async fn keyed(&self, #[header("Idempotency-Key")] key: &str) -> Result<(), FeignError>;
}

fn main() {}
