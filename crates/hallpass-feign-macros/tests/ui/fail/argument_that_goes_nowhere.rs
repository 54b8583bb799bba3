use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "order-service")]
trait Orders {
    #[post("/orders")]
    async fn create(&self, order: String) -> Result<String, FeignError>;

    #[get("/orders")]
    async fn find(&self, state: String) -> Result<String, FeignError>;
}

fn main() {}
