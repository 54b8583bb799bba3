use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a")]
trait Orders {
    #[get("/x")]
    async fn authorization(&self, #[header("Authorization")] token: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn lower_case(&self, #[header("authorization")] token: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn proxy(&self, #[header("Proxy-Authorization")] token: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn host(&self, #[header("Host")] host: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn length(&self, #[header("Content-Length")] length: u64) -> Result<String, FeignError>;

    #[get("/x")]
    async fn no_name(&self, #[header] trace: String) -> Result<String, FeignError>;

    #[get("/x")]
    async fn bad_name(&self, #[header("X Trace")] trace: String) -> Result<String, FeignError>;
}

fn main() {}
