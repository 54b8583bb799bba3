use hallpass_feign_macros::feign_client;

struct FeignError;

#[feign_client(name = "a")]
trait Shapes {
    #[get("/x")]
    async fn bytes_on_get(&self, #[bytes] file: Bytes) -> Result<(), FeignError>;

    #[put("/x")]
    async fn two_bodies(&self, #[json] name: &str, #[stream] file: Body) -> Result<(), FeignError>;

    #[put("/x")]
    async fn no_media_type(&self, #[bytes("png")] file: Bytes) -> Result<(), FeignError>;

    #[put("/x")]
    async fn media_type_is_no_text(&self, #[bytes(png)] file: Bytes) -> Result<(), FeignError>;

    #[put("/x")]
    async fn injected(&self, #[stream("image/png\r\nX-Admin: 1")] file: Body) -> Result<(), FeignError>;

    #[post("/x")]
    async fn multipart_and_json(&self, #[multipart] form: Multipart, #[json] name: &str) -> Result<(), FeignError>;

    #[get("/x")]
    async fn multipart_on_get(&self, #[multipart] form: Multipart) -> Result<(), FeignError>;

    #[post("/x")]
    async fn multipart_with_a_name(&self, #[multipart("form")] form: Multipart) -> Result<(), FeignError>;

    #[head("/x")]
    async fn events_of_head(&self) -> Result<Events, FeignError>;

    #[head("/x")]
    async fn body_of_head(&self) -> Result<String, FeignError>;

    #[head("/x")]
    async fn body_of_head_with_headers(&self) -> Result<Response<Vec<u8>>, FeignError>;

    #[options("/x")]
    async fn body_on_options(&self, #[json] name: &str) -> Result<(), FeignError>;

    #[get("/x")]
    async fn optional_response(&self) -> Result<Option<Response<u8>>, FeignError>;

    #[get("/x")]
    async fn response_twice(&self) -> Result<Response<Response<u8>>, FeignError>;
}

fn main() {}
