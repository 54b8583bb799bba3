//! A service behind the Envoy of a mesh: who calls by the certificate that Envoy has checked, and what forged words of a caller make of it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::{ClientTls, ClientTlsSettings, PeerIdentity, TestAuthority, TlsMetrics};
use hallpass::token::{
    Algorithm, Confirmation, JwkSet, SigningKey, Thumbprint, TokenClaims, UnixTime, sign,
};
use hallpass::upstream::HttpTransport;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::process::{Process, free_ports};
use crate::tools;

const ORDERS: &str = "spiffe://cluster.local/ns/shop/sa/order-service";
const ADMIN: &str = "spiffe://cluster.local/ns/shop/sa/admin";

/// As Istio does it: the proxy connects to the service of its pod from an address of its own.
const ENVOY: &str = r#"
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: PROXY } }
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificates: [ { certificate_chain: { filename: envoy.crt }, private_key: { filename: envoy.key } } ]
            validation_context: { trusted_ca: { filename: ca.crt } }
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: mesh
          forward_client_cert_details: MODE
          set_current_client_cert_details: { subject: true, cert: true, chain: true, uri: true, dns: true }
          route_config:
            virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, route: { cluster: service } } ] } ]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: service
    type: STATIC
    upstream_bind_config: { source_address: { address: 127.0.0.6, port_value: 0 } }
    load_assignment:
      cluster_name: service
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: SERVICE } } } } ] } ]
"#;

struct Mesh {
    folder: TempDir,
    key: SigningKey,
    proxy: u16,
    service: u16,
    _running: (Process, RunningServer),
}

impl Mesh {
    /// `None`, with a line that says so, where Envoy cannot be had.
    async fn start(mode: &str) -> Option<Self> {
        let envoy = tools::envoy()?;
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Mesh CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for (file, name) in [("envoy", "127.0.0.1"), ("orders", ORDERS), ("admin", ADMIN)] {
            let names = [name, "mesh.example"];
            let _settings = authority.certificate(&names).write(folder.path(), file);
        }
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = JwkSet::new([key.public_jwk()]).to_json();
        std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
        let running = serve(&folder).await;
        let service = running.local_addr().port();
        let [proxy] = free_ports();
        let yaml = ENVOY
            .replace("PROXY", &proxy.to_string())
            .replace("SERVICE", &service.to_string())
            .replace("MODE", mode);
        std::fs::write(folder.path().join("envoy.yaml"), yaml).unwrap();
        let mut command = Command::new(envoy);
        command.args(["-c", "envoy.yaml", "--concurrency", "1"]);
        command.args(["-l", "warning", "--disable-hot-restart"]);
        let process = Process::start(command, folder.path(), proxy).await;
        Some(Self {
            folder,
            key,
            proxy,
            service,
            _running: (process, running),
        })
    }

    fn certificate(&self, pair: &str) -> CertificateDer<'static> {
        let file = self.folder.path().join(format!("{pair}.crt"));
        CertificateDer::from_pem_file(file).unwrap()
    }

    /// A token of `order-service`, bound to the certificate of this pair, or to none.
    fn token(&self, bound_to: Option<&str>) -> String {
        let now = UnixTime::from(SystemClock::new().now());
        let end = now.saturating_add(Duration::from_secs(500));
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            "order-service".parse().unwrap(),
            "stock-service".parse().unwrap(),
            end,
        );
        claims.client_id = Some("order-service".parse().unwrap());
        claims.confirmation = bound_to.map(|pair| Confirmation {
            x5t_s256: Some(Thumbprint::of_certificate(&self.certificate(pair))),
            ..Confirmation::default()
        });
        sign(&claims, &self.key, now).unwrap().expose().to_owned()
    }

    /// What Envoy would say of the holder of this pair.
    fn forged(&self, pair: &str) -> String {
        let id = if pair == "orders" { ORDERS } else { ADMIN };
        let digest = Thumbprint::of_certificate(&self.certificate(pair)).0;
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("By=spiffe://cluster.local/x;Hash={hash};Subject=\"\";URI={id}")
    }

    /// Status and text for somebody who shows this pair to Envoy, and says this of himself.
    async fn call(
        &self,
        pair: &str,
        path: &str,
        token: &str,
        forged: Option<&str>,
    ) -> (u16, String) {
        let file = |end: &str| self.folder.path().join(format!("{pair}.{end}"));
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(self.folder.path().join("ca.crt")),
            key_pair: Some(hallpass::tls::KeyPairSettings {
                certificate_file: file("crt"),
                private_key_file: file("key"),
            }),
        };
        let clock = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
        let url = format!("https://127.0.0.1:{}{path}", self.proxy);
        ask(transport, &url, token, forged).await
    }

    /// The same of somebody who goes past Envoy.
    async fn call_directly(&self, path: &str, token: &str, forged: &str) -> u16 {
        let transport = HttpTransport::new().unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.service);
        ask(transport, &url, token, Some(forged)).await.0
    }
}

async fn ask(
    transport: HttpTransport,
    url: &str,
    token: &str,
    forged: Option<&str>,
) -> (u16, String) {
    let mut request = http::Request::get(url).header("authorization", format!("Bearer {token}"));
    if let Some(forged) = forged {
        request = request.header("x-forwarded-client-cert", forged);
    }
    let request = request.body(hallpass::upstream::Body::empty()).unwrap();
    let response = transport.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(10_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn serve(folder: &TempDir) -> RunningServer {
    let yaml = "
hallpass:
  service: { name: stock-service }
  security:
    internal-jwt:
      jwks-file: keys.json
      mesh:
        header: x-forwarded-client-cert
        peers: 127.0.0.6
        trust-domains: cluster.local
      routes:
        - { path: /any, rule: authenticated }
        - { path: /orders, rule: authenticated, peers: 'spiffe://cluster.local/ns/shop/sa/order-service' }
";
    let file = folder.path().join("service.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load::<Settings>();
    let hallpass = Hallpass::from_settings(&loaded.unwrap().into_settings()).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let who = async |request: Request<Body>| {
        let identity = request.extensions().get::<PeerIdentity>();
        let id = identity.and_then(PeerIdentity::id);
        id.map(ToString::to_string).unwrap_or_default()
    };
    let router = Router::new().fallback(any(who)).layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = hallpass.http_server(listener);
    server.serve(move |_peer| router.clone()).unwrap()
}

async fn only_who_shows_the_certificate_is_its_holder(mode: &str) {
    let Some(mesh) = Mesh::start(mode).await else {
        return;
    };
    let (bound, free) = (mesh.token(Some("orders")), mesh.token(None));
    let own = (200, ORDERS.to_owned());
    assert_eq!(mesh.call("orders", "/any", &bound, None).await, own);
    assert_eq!(mesh.call("orders", "/orders", &free, None).await, own);
    assert_eq!(mesh.call("admin", "/any", &bound, None).await.0, 401);
    assert_eq!(mesh.call("admin", "/orders", &free, None).await.0, 403);
    let of_orders = mesh.forged("orders");
    for forged in [
        of_orders.clone(),
        format!("{of_orders},{of_orders}"),
        // An open quote, which would take what Envoy adds for its text.
        format!("{of_orders};X=\""),
        "nonsense".to_owned(),
    ] {
        // What Envoy passes on of it may make a request unreadable, and never somebody else's.
        let (status, _) = mesh.call("admin", "/any", &bound, Some(&forged)).await;
        assert!(matches!(status, 400 | 401), "{status}: {forged}");
        let (status, _) = mesh.call("admin", "/orders", &free, Some(&forged)).await;
        assert!(matches!(status, 400 | 403), "{status}: {forged}");
        let (status, seen) = mesh.call("admin", "/any", &free, Some(&forged)).await;
        assert!(
            (status, &*seen) == (200, ADMIN) || status == 400,
            "{status} {seen}"
        );
        assert_eq!(mesh.call_directly("/any", &bound, &forged).await, 401);
        assert_eq!(mesh.call_directly("/orders", &free, &forged).await, 403);
        // Nor does anybody lose by what another has said before.
        let of_admin = mesh.forged("admin");
        let (status, seen) = mesh.call("orders", "/any", &bound, Some(&of_admin)).await;
        assert_eq!((status, &*seen), (200, ORDERS));
    }
}

#[tokio::test]
async fn behind_an_envoy_that_sets_its_own_word_no_other_counts() {
    only_who_shows_the_certificate_is_its_holder("SANITIZE_SET").await;
}

#[tokio::test]
async fn behind_an_envoy_that_appends_its_word_the_last_one_counts_and_no_other() {
    only_who_shows_the_certificate_is_its_holder("APPEND_FORWARD").await;
}
