use hallpass_resource::Claims;

#[derive(serde::Deserialize)]
struct Tenant<'a> {
    tenant: &'a str,
}

async fn tenant(Claims(claims): Claims<Tenant<'_>>) -> String {
    claims.tenant.to_owned()
}

fn main() {}
