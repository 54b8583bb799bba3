//! Ready-made `curl` lines to try it by hand.

use hallpass::BoxError;

use crate::estate::{CUSTOMER, Estate};

pub(crate) fn lines(estate: &Estate) -> Result<String, BoxError> {
    let token = estate.token().expose();
    let orders = estate.shop.order_service.address();
    let system = estate.shop.service_system.address();
    let issuer = estate.issuer.local_addr();
    let report = format!("--json '{{\"orders\":1}}' http://{system}/internal/daily-reports");
    Ok([
        format!("\nIt stays up until Ctrl-C. {CUSTOMER}'s token, good for an hour:\n"),
        format!("  TOKEN={token}\n"),
        "Her orders (200):\n".to_owned(),
        format!("  curl -i -H \"Authorization: Bearer $TOKEN\" http://{orders}/orders\n"),
        "Her token on the internal endpoint (403):\n".to_owned(),
        format!("  curl -i -H \"Authorization: Bearer $TOKEN\" {report}\n"),
        "A service token, and the same endpoint with it (200):\n".to_owned(),
        "  SERVICE=$(curl -s -u 'internal-service-client:InternalSecret123!' \\".to_owned(),
        "    -d grant_type=client_credentials -d scope=internal-service -d audience=service-system \\".to_owned(),
        format!("    http://{issuer}/oauth2/token | grep -o 'eyJ[^\"]*')"),
        format!("  curl -i -H \"Authorization: Bearer $SERVICE\" {report}\n"),
        "What order-service gets for her token when it calls the carrier: who she is, who acts for her, whom it is for:\n".to_owned(),
        "  EXCHANGED=$(curl -s -u 'order-service:OrderSecret123!' \\".to_owned(),
        "    -d grant_type=urn:ietf:params:oauth:grant-type:token-exchange -d subject_token=$TOKEN \\".to_owned(),
        "    -d subject_token_type=urn:ietf:params:oauth:token-type:access_token -d audience=logistics-service \\".to_owned(),
        format!("    http://{issuer}/oauth2/token | grep -o 'eyJ[^\"]*')"),
        "  cargo run --quiet --package hallpass-cli -- token inspect \"$EXCHANGED\"\n".to_owned(),
        "What each counts, for Prometheus (deploy/prometheus):\n".to_owned(),
        format!("  issuer   http://{issuer}/metrics"),
        format!("  gateway  http://{}/metrics", estate.edge.management_address()),
        format!("  service  http://{orders}/metrics"),
        format!("  service  http://{system}/metrics"),
        format!("  service  http://{}/metrics", estate.shop.carrier_address()),
    ]
    .join("\n"))
}
