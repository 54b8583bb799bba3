//! Nobody but the layer says who calls.

use hallpass_resource::{Scoped, required_scope};

required_scope!(OrdersRead = "orders:read");

fn forged(caller: hallpass_token::SecurityContext) -> Scoped<OrdersRead> {
    Scoped { caller, scope: std::marker::PhantomData }
}

fn main() {}
