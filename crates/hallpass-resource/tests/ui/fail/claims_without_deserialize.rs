use hallpass_resource::Claims;

struct Tenant {
    tenant: String,
}

async fn tenant(Claims(claims): Claims<Tenant>) -> String {
    claims.tenant
}

fn main() {}
