//! The gateways, each with a file of its own: a check of the token and a route to the service, and nothing else.

use std::path::Path;
use std::process::Command;

use super::row::{Product, Row, Work};
use crate::measure::Failure;
use crate::proxy_tools::{envoy, hallpass, nginx, target};

/// What the files name.
pub(super) struct Around {
    pub(super) service: u16,
    /// Of the service that is in one process with the load.
    pub(super) awake: u16,
    pub(super) gateway: u16,
    pub(super) issuer: u16,
    pub(super) jwks: String,
}

impl Around {
    fn service_of(&self, work: Work) -> u16 {
        match work.is_awake() {
            true => self.awake,
            false => self.service,
        }
    }
}

/// The name of the file: Envoy goes by its ending, and the others do not mind.
const FILE: &str = "gateway.yaml";

/// Writes the file of its gateway.
pub(super) fn write(row: &Row, around: &Around, folder: &Path) -> Result<(), Failure> {
    let (text, name) = match row.product {
        Product::Nginx => (NGINX.to_owned(), FILE),
        Product::Envoy => (ENVOY.replace("JWKS", &around.jwks), FILE),
        Product::Spring => (SPRING.to_owned(), "application.yaml"),
        Product::Hallpass | Product::HallpassWithLogs | Product::Part(_) => (ours(row), FILE),
    };
    let service = around.service_of(row.work);
    let text = text
        .replace("KEYS_PORT", &around.service.to_string())
        .replace("GATEWAY_PORT", &around.gateway.to_string())
        .replace("SERVICE_PORT", &service.to_string())
        .replace("ISSUER_PORT", &around.issuer.to_string())
        .replace("SPOKEN", spoken(row))
        .replace("UPGRADES", upgrades(row));
    Ok(std::fs::write(folder.join(name), text)?)
}

/// What is spoken with callers, where that is not HTTP/1 or HTTP/2 on a plain socket.
const fn spoken(row: &Row) -> &'static str {
    match (row.product, row.work) {
        (Product::Nginx, Work::Http2) => "http2",
        (Product::Nginx, Work::Http2Tls) => "ssl http2",
        (Product::Envoy, Work::Http2Tls) => ENVOY_TLS,
        (_, Work::Http2Tls) => {
            "tls: { certificate-file: certificate.pem, private-key-file: key.pem }"
        }
        _ => "",
    }
}

/// How nginx has connections to the service go on.
const fn upgrades(row: &Row) -> &'static str {
    match row.work {
        Work::WebSocket => {
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
        }
        _ => "proxy_set_header Connection '';",
    }
}

/// To be started in the folder of the file, with one core.
pub(super) fn command(row: &Row, around: &Around) -> Result<Command, Failure> {
    match row.product {
        Product::Part(part) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["gateway-part", part.name(), FILE]);
            for port in [around.gateway, around.service_of(row.work)] {
                command.arg(format!("127.0.0.1:{port}"));
            }
            Ok(command)
        }
        Product::Nginx => Ok(nginx(FILE)),
        Product::Envoy => envoy(FILE),
        Product::Hallpass | Product::HallpassWithLogs => {
            let mut command = Command::new(hallpass()?);
            command.args(["gateway", "--config", FILE]);
            Ok(command)
        }
        Product::Spring => {
            let folder = target()?.join("tmp/spring-cloud-gateway");
            let program = folder.join("gateway.jar");
            if !program.exists() {
                let build =
                    "mvn -q -f bench/spring-cloud-gateway/pom.xml package -Dhallpass.target=";
                let (program, folder) = (program.display(), folder.display());
                return Err(format!("{program} is missing: {build}{folder}").into());
            }
            let mut command = Command::new("java");
            command.args(["-XX:ActiveProcessorCount=1", "-Xmx512m", "-jar"]);
            command.arg(program);
            command.arg("--spring.config.location=application.yaml");
            Ok(command)
        }
    }
}

fn ours(row: &Row) -> String {
    let logs = row.product == Product::HallpassWithLogs;
    let audit = if logs { "all" } else { "denials" };
    let access_log = if logs { "all" } else { "off" };
    let (identity, audience, keys) = match row.work {
        Work::Exchange => (
            "exchange",
            "order-service",
            "jwks-url: http://127.0.0.1:ISSUER_PORT/oauth2/jwks",
        ),
        _ => ("relay", "", "jwks-file: jwks.json"),
    };
    let audience = match audience {
        "" => String::new(),
        name => format!(", audience: {name}"),
    };
    format!(
        "hallpass:
  service: {{ name: shop }}
  gateway:
    listen: '127.0.0.1:GATEWAY_PORT'
    SPOKEN
    management: {{ listen: '127.0.0.1:0' }}
    connections-per-address: 20000
    # It ends at once when it is told to.
    drain-delay-seconds: 0
    access-log: {{ level: {access_log} }}
    # All of the load is one caller's: it is counted, and never too much.
    service-defaults: {{ caller-bulkhead: {{ max-concurrent: 1000 }} }}
    routes:
      - {{ name: service, path: '/**', to: 'lb://order-service', identity: {identity}{audience} }}
  discovery: {{ static: {{ order-service: '127.0.0.1:SERVICE_PORT' }} }}
  internal-token:
    client-id: shop
    client-secret: ShopSecret123!
    token-url: http://127.0.0.1:ISSUER_PORT/oauth2/token
  security:
    internal-jwt:
      issuer: internal
      {keys}
      audit: {audit}
      routes:
        - {{ path: /health, rule: anonymous }}
        - {{ path: '/orders/**', rule: scopes, all: orders.read }}
        - {{ path: '/refunds/**', rule: scopes, all: refunds.write }}
        - {{ path: '/*', rule: scopes, all: orders.read }}
"
    )
}

const NGINX: &str = r"
worker_processes 1;
pid gateway.pid;
error_log stderr warn;
events { worker_connections 16384; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream service { server 127.0.0.1:SERVICE_PORT; keepalive 64; keepalive_requests 1000000000; }
    server {
        listen 127.0.0.1:GATEWAY_PORT SPOKEN backlog=4096;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
        location / {
            proxy_pass http://service;
            proxy_http_version 1.1;
            UPGRADES
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }
    }
}
";

/// Signature, issuer, audience and expiry, which is less than our rules demand; the claim of the user goes into a header as there.
const ENVOY: &str = r#"
static_resources:
  listeners:
    - name: edge
      address: { socket_address: { address: 127.0.0.1, port_value: GATEWAY_PORT } }
      filter_chains:
        - SPOKEN
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: edge
                upgrade_configs: [{ upgrade_type: websocket }]
                route_config:
                  name: all
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{ match: { prefix: / }, route: { cluster: service } }]
                http_filters:
                  - name: envoy.filters.http.jwt_authn
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                      providers:
                        internal:
                          issuer: internal
                          audiences: [shop]
                          require_expiration: true
                          forward: true
                          claim_to_headers: [{ header_name: x-user-id, claim_name: sub }]
                          local_jwks: { inline_string: 'JWKS' }
                          jwt_cache_config: { jwt_cache_size: 1000 }
                      rules:
                        - match: { prefix: / }
                          requires: { provider_name: internal }
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: service
      connect_timeout: 1s
      circuit_breakers: { thresholds: [{ max_connections: 20000, max_pending_requests: 20000, max_requests: 20000 }] }
      load_assignment:
        cluster_name: service
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: SERVICE_PORT } } } }] }]
"#;

const ENVOY_TLS: &str = r#"transport_socket: { name: envoy.transport_sockets.tls, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: { alpn_protocols: [h2], tls_certificates: [{ certificate_chain: { filename: certificate.pem }, private_key: { filename: key.pem } }] } } }"#;

/// Tokens go on as they came: that is what its routes do with `Authorization`.
const SPRING: &str = "
server: { port: GATEWAY_PORT, address: 127.0.0.1, forward-headers-strategy: none }
spring:
  security.oauth2.resourceserver.jwt:
    jwk-set-uri: http://127.0.0.1:KEYS_PORT/jwks.json
    issuer-uri: internal
    audiences: shop
  cloud.gateway.server.webflux:
    routes: [{ id: service, uri: 'http://127.0.0.1:SERVICE_PORT', predicates: ['Path=/**'] }]
logging.level.root: warn
";
