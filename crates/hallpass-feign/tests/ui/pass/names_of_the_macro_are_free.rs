//! Arguments may have the names that the generated code uses, and two traits may stand side by side.

use hallpass_feign::{FeignError, feign_client};

#[feign_client(name = "a")]
trait First {
    #[get("/{call}/{fallback}/{answer}")]
    async fn get(&self, call: u8, fallback: u8, answer: u8) -> Result<(), FeignError>;

    #[get("/{client}/{value}/{formatter}")]
    async fn call(
        &self,
        client: &str,
        value: &str,
        formatter: &str,
        #[header("x-name")] name: Option<u8>,
    ) -> Result<(), FeignError>;
}

mod private {
    use hallpass_feign::{FeignError, feign_client};

    #[feign_client(name = "b")]
    pub(crate) trait Second {
        #[get("/")]
        async fn get(&self) -> Result<(), FeignError>;
    }
}

pub(crate) fn main() {
    let _ = (MockFirst::new(), private::MockSecond::new());
}
