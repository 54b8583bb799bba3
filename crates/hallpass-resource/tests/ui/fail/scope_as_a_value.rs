use hallpass_resource::required_scope;

required_scope!("orders:read");

fn main() {}
