use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "order-service")]
trait Orders {
    #[get("/orders/{id}")]
    async fn in_path_and_query(&self, #[query] id: u64) -> Result<String, FeignError>;

    #[get("/orders")]
    async fn in_query_and_header(&self, #[query] #[header("X-Id")] id: u64) -> Result<String, FeignError>;

    #[get("/orders/{id}/{id}")]
    async fn twice_in_path(&self, id: u64) -> Result<String, FeignError>;

    #[get("/orders")]
    async fn same_name(&self, #[query("q")] first: u64, #[query("q")] second: u64) -> Result<String, FeignError>;
}

fn main() {}
