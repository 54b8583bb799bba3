use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "order-service")]
trait Orders {
    #[get("/orders")]
    async fn find(&self, #[json] filter: String) -> Result<String, FeignError>;

    #[head("/orders")]
    async fn any(&self, #[text] filter: String) -> Result<(), FeignError>;

    #[delete("/orders")]
    async fn remove(&self, #[json] first: String, #[text] second: String) -> Result<(), FeignError>;

    #[post("/orders")]
    async fn two(&self, #[json] first: String, #[json] second: String) -> Result<(), FeignError>;

    #[post("/orders")]
    async fn note(&self, #[text("text/plain; Charset=\"gbk\"")] note: String) -> Result<(), FeignError>;
}

fn main() {}
