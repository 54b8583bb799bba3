//! The commands of `docs/roll-out.md`, on two instances of a service.

use hallpass::upstream::{Body, HttpTransport};
use tower::ServiceExt;

use crate::issuer::Running;
use crate::pages::session::Session;
use crate::pages::shown::{Block, blocks};
use crate::process::command;

const PAGE: &str = include_str!("../../../../../docs/roll-out.md");
/// The instances of the page, and how long it watches them: days pass quickly here.
const INSTANCES: [&str; 2] = [
    "http://10.0.0.11:9090/metrics",
    "http://10.0.0.12:9090/metrics",
];
const TIMES: [(&str, &str); 2] = [("24h", "10s"), ("86400", "10")];
const SERVICE: &str = "hallpass:
  service: { name: order-service }
  security: { internal-jwt: { mode: report, jwks-url: 'http://127.0.0.1:1/jwks', routes: [{ path: /orders/**, rule: authenticated }] } }
  authz: { listen: 127.0.0.1:0, management: { listen: 127.0.0.1:0 } }
";

#[test]
fn the_commands_of_the_page_about_rolling_out_do_what_it_says() {
    let mut session = Session::new();
    session.put("order-service.yaml", SERVICE);
    let instances = INSTANCES.map(|_| {
        let arguments = [
            "authz",
            "--config",
            "order-service.yaml",
            "--watch-seconds",
            "1",
        ];
        Running::start_by(command(&arguments).current_dir(session.folder()))
    });
    let here = |block: &Block| {
        let mut text = block.text.clone();
        for (shown, instance) in INSTANCES.iter().zip(&instances) {
            let metrics = instance
                .shown("health")
                .unwrap()
                .replace("/health/ready", "/metrics");
            text = text.replace(shown, &metrics);
        }
        for (shown, short) in TIMES {
            text = text.replace(shown, short);
        }
        Block {
            line: block.line,
            language: block.language.clone(),
            mark: block.mark.clone(),
            text,
        }
    };
    let mut commands = 0;
    for block in blocks(PAGE).iter().map(here) {
        match block.language.as_str() {
            "yaml" if !block.mark.is_empty() => session.put(&block.mark, &block.text),
            "console" => {
                // Just before somebody looks, one comes to each without a token.
                if block.text.contains("rollout status") {
                    for instance in &instances {
                        without_token(instance.shown("listening on").unwrap());
                    }
                }
                commands += session.run(&block);
            }
            _ => {}
        }
    }
    assert_eq!(commands, 4);
}

#[tokio::main(flavor = "current_thread")]
async fn without_token(address: &str) {
    let request = http::Request::get(format!("http://{address}/authz/envoy/orders/7"));
    let request = request.body(Body::empty()).unwrap();
    let response = HttpTransport::new().unwrap().oneshot(request).await;
    assert_eq!(response.unwrap().status(), 200);
}
