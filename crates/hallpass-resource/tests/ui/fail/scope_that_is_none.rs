use hallpass_resource::required_scope;

required_scope!(Listed = "orders:read, orders:write");
required_scope!(Empty = "");
required_scope!(Apart = "orders:read  orders:write");

fn main() {}
