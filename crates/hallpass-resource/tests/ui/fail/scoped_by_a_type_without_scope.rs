use hallpass_resource::Scoped;

struct OrdersRead;

async fn orders(_: Scoped<OrdersRead>) {}

fn main() {}
