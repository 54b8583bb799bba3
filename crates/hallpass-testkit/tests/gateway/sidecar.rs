//! The sidecar over real sockets, attacked by callers of its program.

use std::net::SocketAddr;

use hallpass::Hallpass;
use hallpass::Settings;
use hallpass::resource::ResourceServer;
use hallpass_gateway::{RunningSidecar, Sidecar, SidecarServer, SidecarSettings};

use super::estate::{Answer, Estate, bearer, load, send};
use super::raw::Raw;

const NOBODY: &str = "      - { name: none, path: /none, to: lb://orders, identity: none }";

struct Rig {
    /// For its issuer.
    _estate: Estate,
    sidecar: RunningSidecar,
}

impl Rig {
    async fn start(program: SocketAddr) -> Self {
        let estate = Estate::start(program, NOBODY).await;
        let yaml = format!(
            "
hallpass:
  service: {{ name: edge }}
  security: {{ internal-jwt: {{ jwks-url: '{}', routes: [{{ path: /orders/**, rule: authenticated }}, {{ path: /open/**, rule: anonymous }}] }} }}
  sidecar:
    management: {{ listen: 127.0.0.1:0 }}
    inbound: {{ listen: 127.0.0.1:0, forward-to: 'http://{program}', lend-context: true, identity: none }}
    outbound: {{ listen: 127.0.0.1:0, services: [{{ name: orders, identity: relay }}] }}
",
            estate.issuer.jwks_url()
        );
        let settings = load::<Settings>(&yaml);
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let inbound: ResourceServer = hallpass.resource_server().build().unwrap();
        let sidecar = Sidecar {
            outbound: inbound.clone(),
            inbound,
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: settings.security.paths.allow_encoded,
        };
        let settings = load::<SidecarSettings>(&yaml);
        let sidecar = SidecarServer::start(sidecar, &settings).await.unwrap();
        Self {
            _estate: estate,
            sidecar,
        }
    }

    async fn ask(&self, path: &str, lines: &[&str]) -> Answer {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("Connection: close\r\n\r\n");
        let inbound = self.sidecar.inbound_addr().unwrap();
        send(inbound, request.as_bytes()).await.unwrap()
    }

    /// How many handles there are.
    fn lent(&self) -> String {
        let shown = format!("{:?}", self.sidecar);
        let (_, rest) = shown.split_once("Lent(").unwrap();
        rest.split_once(')').unwrap().0.to_owned()
    }
}

#[tokio::test]
async fn a_caller_who_passes_cannot_have_the_handle_of_her_request_left_out() {
    let program = Raw::start().await;
    let rig = Rig::start(program.address).await;
    let alice = bearer("alice");
    for name in ["X-Hallpass-Context", "x-hallpass-context, x-other"] {
        let named = format!("Connection: {name}");
        let answer = rig.ask("/orders/7", &[&alice, &named]).await;
        assert_eq!((answer.status, answer.code()), (400, Some("bad_framing")));
    }
    assert!(program.seen().is_empty());
    // Another spelling takes out nothing that is there.
    let named = "Connection: x_hallpass_context";
    assert_eq!(rig.ask("/orders/7", &[&alice, named]).await.status, 200);
    let handle = program.only().header("x-hallpass-context").map(str::len);
    assert_eq!(handle, Some(32));
}

#[tokio::test]
async fn who_is_refused_leaves_no_handle_behind() {
    let program = Raw::start().await;
    let rig = Rig::start(program.address).await;
    let forged = format!("{}x", bearer("mallory"));
    for (path, status) in [("/orders/7", 401), ("/open/7", 401), ("/secret", 401)] {
        assert_eq!(rig.ask(path, &[&forged]).await.status, status, "{path}");
        assert_eq!(rig.lent(), "0", "{path}");
    }
    assert!(program.seen().is_empty());
    assert_eq!(rig.ask("/orders/7", &[&bearer("alice")]).await.status, 200);
    assert_eq!(rig.lent(), "1", "it may still call for her");
}
