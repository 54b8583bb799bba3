//! What the proxies are set to.

pub(super) const ENVOY: &str = r#"
node: { id: proxy, cluster: shop }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: PROXY } }
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context: &issued
            tls_certificate_sds_secret_configs: [ { name: own, sds_config: { path_config_source: { path: FOLDER/own.yaml } } } ]
            validation_context_sds_secret_config: { name: peers, sds_config: { path_config_source: { path: FOLDER/peers.yaml } } }
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: mutual
          route_config:
            virtual_hosts: [ { name: all, domains: ["*"], routes: [ { match: { prefix: / }, route: { cluster: service } } ] } ]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: service
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http_protocol_options: {} }
        common_http_protocol_options: { max_requests_per_connection: 1 }
    load_assignment:
      cluster_name: service
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: SERVICE } } } } ] } ]
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: *issued
"#;

/// Envoy looks at the files again when the link in the folder of the agent is replaced.
pub(super) const ENVOY_OWN: &str = r#"
resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: own
  tls_certificate:
    certificate_chain: { filename: FOLDER/proxy/current/tls.crt }
    private_key: { filename: FOLDER/proxy/current/tls.key }
    watched_directory: { path: FOLDER/proxy }
"#;

/// Only workloads of the estate are spoken to.
pub(super) const ENVOY_PEERS: &str = r#"
resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: peers
  validation_context:
    trusted_ca: { filename: FOLDER/proxy/current/ca.crt }
    watched_directory: { path: FOLDER/proxy }
    match_typed_subject_alt_names: [ { san_type: URI, matcher: { prefix: "spiffe://shop.example/" } } ]
"#;

pub(super) const NGINX: &str = "
pid nginx.pid;
user root;
worker_processes 1;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:PROXY ssl;
    ssl_certificate proxy/current/tls.crt;
    ssl_certificate_key proxy/current/tls.key;
    ssl_client_certificate proxy/current/ca.crt;
    ssl_verify_client on;
    location / {
      proxy_pass https://127.0.0.1:SERVICE;
      proxy_ssl_certificate proxy/current/tls.crt;
      proxy_ssl_certificate_key proxy/current/tls.key;
      proxy_ssl_trusted_certificate proxy/current/ca.crt;
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_session_reuse off;
    }
  }
}
";
