//! The proxies, each started with its shipped files.

use std::process::Command;

use crate::built::built;
use crate::client::Ask;
use crate::estate::{Estate, SECRET};
use crate::java::SpringBoot;
use crate::process::{BETWEEN_LOOKS, Process, START};
use crate::tools;

/// A proxy in front of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Its plugin forward-auth, in a plain nginx with Lua.
    Apisix,
    Caddy,
    EnvoyByGrpc,
    EnvoyByHttp,
    /// Our own gateway, which asks nobody.
    Hallpass,
    /// Its plugin ext-auth, in a plain Envoy.
    Higress,
    Nginx,
    Shenyu,
    SpringCloudGateway,
    Traefik,
}

/// What opens ShenYu's own interface, and its SHA-512.
const SHENYU_KEY: &str = "shop";
const SHENYU_KEY_SHA512: &str = "fd84a3ce64124632862be8ea48f392682a4e2e72e05e137de6f7b7aa7932b14e5c6983c03e6714d589f66677a7e9a89a146fb4f4505a03df8f8882831ef8e7e3";

enum Running {
    Program(#[expect(dead_code, reason = "it runs until this is dropped")] Process),
    Spring(#[expect(dead_code, reason = "it runs until this is dropped")] SpringBoot),
}

/// The whole estate with a proxy that runs.
pub(crate) struct Front {
    pub(crate) estate: Estate,
    pub(crate) port: u16,
    pub(crate) product: Product,
    _proxy: Running,
}

impl Front {
    /// `None`, with a line that says so, where the proxy cannot be had.
    pub(crate) async fn start(product: Product) -> Option<Self> {
        let program = match product {
            Product::Apisix => tools::apisix_plugin().and_then(|_plugin| tools::nginx()),
            Product::Caddy => tools::caddy(),
            Product::EnvoyByGrpc | Product::EnvoyByHttp => tools::envoy(),
            Product::Hallpass => Some(built(&["hallpass-cli"], &["hallpass"], "hallpass")),
            Product::Higress => tools::higress_plugin().and_then(|_plugin| tools::envoy()),
            Product::Nginx => tools::nginx(),
            Product::Shenyu | Product::SpringCloudGateway => return Self::spring(product).await,
            Product::Traefik => tools::traefik(),
        };
        let mut command = Command::new(program?);
        let estate = Estate::start().await;
        let folder = estate.folder();
        match product {
            Product::Apisix => {
                apisix(&estate)?;
                command.args(["-p", ".", "-c", "nginx.conf"]);
                command.args(["-g", "daemon off; master_process off;"]);
            }
            Product::Caddy => {
                estate.write("caddy/Caddyfile", "Caddyfile");
                command.args(["run", "--config", "Caddyfile"]);
                command
                    .env("HOME", folder)
                    .env_remove("XDG_DATA_HOME")
                    .env_remove("XDG_CONFIG_HOME");
            }
            Product::EnvoyByGrpc | Product::EnvoyByHttp | Product::Higress => {
                envoy(product, &estate)?;
                command.args(["-c", "envoy.yaml", "--concurrency", "1"]);
                command.args(["-l", "warning", "--disable-hot-restart"]);
            }
            Product::Hallpass => {
                estate.write_text(include_str!("hallpass-gateway.yaml"), "gateway.yaml");
                command.env_clear().env("SHOP_SECRET", SECRET);
                command.args(["gateway", "--config", "gateway.yaml"]);
            }
            Product::Nginx => {
                estate.write("nginx/nginx.conf", "nginx.conf");
                command.args(["-p", ".", "-c", "nginx.conf"]);
                command.args(["-g", "daemon off; master_process off;"]);
            }
            Product::Shenyu | Product::SpringCloudGateway => {}
            Product::Traefik => {
                estate.write("traefik/traefik.yaml", "traefik.yaml");
                estate.write("traefik/routes.yaml", "routes.yaml");
                command.arg("--configFile=traefik.yaml");
            }
        }
        let port = estate.proxy_port;
        let proxy = Process::start(command, folder, port).await;
        let front = Self {
            port,
            product,
            _proxy: Running::Program(proxy),
            estate,
        };
        front.is_ready().await;
        Some(front)
    }

    /// Waits until requests get through: some proxies listen before they have read their routes.
    async fn is_ready(&self) {
        let ready = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            while Ask::get("/health").send(self.port).await.status != 200 {
                again.tick().await;
            }
        };
        tokio::time::timeout(START, ready)
            .await
            .expect("requests get through");
        self.estate.service.take();
    }

    async fn spring(product: Product) -> Option<Self> {
        let name = match product {
            Product::Shenyu => "shenyu",
            _ => "spring-cloud-gateway",
        };
        let estate = Estate::start().await;
        let shipped = format!("{name}/src/main/resources/application.yaml");
        estate.write(&shipped, "application.yaml");
        let file = estate.folder().join("application.yaml");
        let properties = [
            format!("spring.config.location={}", file.display()),
            format!("SHENYU_LOCAL_KEY_SHA512={SHENYU_KEY_SHA512}"),
        ];
        let jvm = ["-Xmx256m".to_owned()];
        let proxy = SpringBoot::start_by(name, &jvm, &properties)?;
        let front = Self {
            port: estate.proxy_port,
            product,
            _proxy: Running::Spring(proxy),
            estate,
        };
        if product == Product::Shenyu {
            front.route_shenyu().await;
        }
        front.is_ready().await;
        Some(front)
    }

    /// Gives ShenYu its routes, as its admin would.
    async fn route_shenyu(&self) {
        self.estate.write("shenyu/routes.json", "routes.json");
        let routes = std::fs::read(self.estate.folder().join("routes.json")).unwrap();
        let plugin = br#"{ "id": "5", "name": "divide", "enabled": true, "sort": 200 }"#;
        for (path, body) in [
            ("/shenyu/plugin/saveOrUpdate", plugin.to_vec()),
            ("/shenyu/plugin/selectorAndRule", routes),
        ] {
            let ask = Ask::post(path, body).header("Content-Type", "application/json");
            let stranger = ask.send(self.port).await;
            assert_eq!(stranger.status, 403, "{}", stranger.text);
            let done = ask.header("localKey", SHENYU_KEY).send(self.port).await;
            assert!(done.text.ends_with("success"), "{}", done.text);
        }
    }
}

/// Writes what Envoy reads.
fn envoy(product: Product, estate: &Estate) -> Option<()> {
    match product {
        Product::Higress => {
            estate.write("higress/envoy.yaml", "envoy.yaml");
            let plugin = tools::higress_plugin()?;
            std::fs::copy(plugin, estate.folder().join("ext-auth.wasm")).unwrap();
        }
        Product::EnvoyByGrpc => estate.write("envoy/grpc.yaml", "envoy.yaml"),
        _ => estate.write("envoy/http.yaml", "envoy.yaml"),
    }
    Some(())
}

/// Writes what nginx needs to run the plugin of APISIX.
fn apisix(estate: &Estate) -> Option<()> {
    let folder = estate.folder();
    let plugin = tools::apisix_plugin()?;
    for name in tools::APISIX_FILES {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(plugin.join(name), file).unwrap();
    }
    std::fs::create_dir_all(folder.join("apisix")).unwrap();
    let core = include_str!("apisix/core.lua");
    std::fs::write(folder.join("apisix/core.lua"), core).unwrap();
    let string = include_str!("apisix/string.lua");
    std::fs::write(folder.join("resty/string.lua"), string).unwrap();
    estate.write("apisix/route.json", "route.json");
    estate.write_text(include_str!("apisix/nginx.conf"), "nginx.conf");
    Some(())
}
