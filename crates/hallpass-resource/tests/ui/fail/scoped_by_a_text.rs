use hallpass_resource::Scoped;

async fn orders(caller: Scoped<"orders:read">) -> String {
    drop(caller);
    String::new()
}

fn main() {}
