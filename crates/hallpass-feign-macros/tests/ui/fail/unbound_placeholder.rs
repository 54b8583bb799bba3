use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "order-service")]
trait Orders {
    #[get("/orders/{order_id}")]
    async fn find(&self, orderid: u64) -> Result<String, FeignError>;

    #[get("/orders/{id}")]
    async fn all(&self) -> Result<String, FeignError>;
}

fn main() {}
