//! The shop, rolled out by `hallpass rollout` while customers buy and services report: service after service, and back.

mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::listen::HttpServer;
use hallpass::reload::Reloader;
use hallpass::upstream::HttpTransport;
use hallpass::{Hallpass, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, KeyPlace, RunningIssuer};
use shop::identity_provider::IdentityProvider;
use shop::order_service::OrderService;
use shop::{Running, SERVICE_AUTH_YAML, logistics_service, order_service, service_system};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::built::built;
use load::{Load, call};

const SHOP_YAML: &str = include_str!("../../../shop/config/shop.yaml");
const INTERNAL_TOKEN_YAML: &str = include_str!("../../../shop/config/internal-token.yaml");
const ORDER_SERVICE_YAML: &str = include_str!("../../../shop/config/order-service.yaml");
const LOGISTICS_SERVICE_YAML: &str = include_str!("../../../shop/config/logistics-service.yaml");
const SERVICES: [&str; 3] = [
    service_system::NAME,
    logistics_service::NAME,
    order_service::NAME,
];
/// How many of each there are.
const INSTANCES: usize = 2;
const PATIENCE: Duration = Duration::from_secs(120);
/// No call is to fail because the machine is busy: this is not about deadlines.
const PATIENT: [(&str, &str); 3] = [
    ("feign.defaults.deadline-ms", "60000"),
    ("feign.clients.logistics-service.deadline-ms", "60000"),
    ("transport.connect-timeout-ms", "30000"),
];

/// All of the shop, each service in several instances that follow one file.
struct Estate {
    folder: TempDir,
    _issuer: RunningIssuer,
    identity_provider: IdentityProvider,
    orders: Vec<Arc<OrderService>>,
    order_services: Vec<String>,
    running: Vec<Running>,
    following: JoinSet<()>,
}

/// Sockets of all instances of a service.
type Sockets = Vec<TcpListener>;

async fn sockets(count: usize) -> Sockets {
    let mut sockets = Vec::new();
    for _socket in 0..count {
        sockets.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    sockets
}

fn addresses(sockets: &[TcpListener]) -> Vec<String> {
    let addresses = sockets
        .iter()
        .map(|it| it.local_addr().unwrap().to_string());
    addresses.collect()
}

async fn issuer(folder: &Path, identity_provider: &str) -> RunningIssuer {
    let loader = Loader::new("scccy").text("service-auth.yaml", SERVICE_AUTH_YAML);
    let mut settings = loader
        .load_part::<IssuerSettings>()
        .unwrap()
        .into_settings();
    settings.listen.set_port(0);
    settings.store = folder.join("service-auth.db");
    for login in &mut settings.trusted_issuers {
        login.keys = KeyPlace::Url(format!("http://{identity_provider}/jwks").parse().unwrap());
    }
    IssuerServer::start(&settings, Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

impl Estate {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let login = sockets(1).await;
        let issuer = issuer(folder.path(), &addresses(&login)[0]).await;
        let all = [
            sockets(INSTANCES).await,
            sockets(INSTANCES).await,
            sockets(INSTANCES).await,
        ];
        let known = [
            ("9000", vec![issuer.local_addr().to_string()]),
            ("9001", addresses(&login)),
            ("9002", addresses(&all[2])),
            ("9003", addresses(&all[1])),
            ("9004", addresses(&all[0])),
        ];
        let mut shop =
            SHOP_YAML.replace("mode: enforce", "mode: off # until all callers have tokens");
        for (port, addresses) in &known {
            shop = shop.replace(&format!("127.0.0.1:{port}"), &addresses.join(", "));
        }
        for name in SERVICES {
            fs::write(folder.path().join(format!("{name}.yaml")), &shop).unwrap();
        }
        let identity_provider = IdentityProvider::new().unwrap();
        let [login] = <[TcpListener; 1]>::try_from(login).unwrap();
        let login = Running::start(HttpServer::new(login), identity_provider.router().unwrap());
        let mut estate = Self {
            folder,
            _issuer: issuer,
            identity_provider,
            orders: Vec::new(),
            order_services: addresses(&all[2]),
            running: vec![login.unwrap()],
            following: JoinSet::new(),
        };
        estate.plan(&all);
        for (name, sockets) in SERVICES.into_iter().zip(all) {
            for socket in sockets {
                estate.serve(name, socket);
            }
        }
        estate
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, all: &[Sockets; 3]) {
        let service = |(name, sockets): (&&str, &Sockets)| {
            let urls = addresses(sockets).into_iter();
            let urls: Vec<_> = urls.map(|it| format!("http://{it}/metrics")).collect();
            format!(
                "      - {{ name: {name}, file: {name}.yaml, metrics: [{}] }}\n",
                urls.join(", ")
            )
        };
        let services: String = SERVICES.iter().zip(all).map(service).collect();
        let plan = format!("scccy:\n  rollout:\n    watch-seconds: 1\n    services:\n{services}");
        fs::write(self.path("rollout.yaml"), plan).unwrap();
    }

    /// One instance, which follows the file of its service.
    fn serve(&mut self, name: &str, socket: TcpListener) {
        // What is one's own goes over what all share, but for the mode, which it does not name.
        let loader = Loader::new("scccy").file(self.path(&format!("{name}.yaml")));
        let loader = match name {
            order_service::NAME => loader
                .text("internal-token.yaml", INTERNAL_TOKEN_YAML)
                .text("order-service.yaml", ORDER_SERVICE_YAML),
            logistics_service::NAME => {
                loader.text("logistics-service.yaml", LOGISTICS_SERVICE_YAML)
            }
            _ => loader,
        };
        let flags = PATIENT.into_iter().chain([("service.name", name)]);
        let loader = flags.fold(loader, |loader, (key, value)| loader.flag(key, value));
        let reloader = Reloader::new(loader).unwrap();
        let mut reloader = reloader.every(Duration::from_millis(100));
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let router = match name {
            order_service::NAME => {
                let orders = OrderService::new(&hallpass).unwrap();
                self.orders.push(Arc::clone(&orders));
                orders.router(&hallpass)
            }
            logistics_service::NAME => logistics_service::router(&hallpass),
            _ => service_system::router(&hallpass),
        };
        let running = Running::start(hallpass.http_server(socket), router.unwrap());
        self.running.push(running.unwrap());
        self.following.spawn(hallpass.follow(reloader));
    }

    async fn rollout(&self, arguments: &[&str]) -> (i32, String) {
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let folder = self.folder.path().to_owned();
        let run = move || {
            let program = built(&["hallpass-cli"], &["hallpass"], "hallpass");
            let mut command = Command::new(program);
            command
                .arg("rollout")
                .args(arguments)
                .current_dir(folder)
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }

    /// Goes on as soon as it is safe.
    async fn advance(&self) -> String {
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            match self.rollout(&["advance"]).await {
                (0, said) => return said,
                (65, said) => assert!(clock.monotonic() < end, "{said}"),
                (code, said) => panic!("{code}: {said}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a customer without a token gets.
    async fn stranger(&self, transport: &HttpTransport, instance: usize) -> u16 {
        let url = format!("http://{}/orders", self.order_services[instance]);
        call(transport, &url, None).await.0
    }
}

/// The gate: a caller without a token is named, and nothing is written.
async fn stops_while_somebody_has_no_token(estate: &Estate, transport: &HttpTransport) {
    estate.stranger(transport, 0).await;
    let (url, way) = (
        format!("http://{}/orders", estate.order_services[0]),
        transport.clone(),
    );
    let strangers = tokio::spawn(async move {
        for _call in 0..100_000 {
            call(&way, &url, None).await;
        }
    });
    let (code, said) = estate.rollout(&["advance", order_service::NAME]).await;
    strangers.abort();
    assert_eq!(code, 65, "{said}");
    assert!(
        said.contains("_unauthenticated would be denied at GET /orders: missing_token"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_rolled_out_and_back_under_load_without_a_failed_call() {
    let estate = Estate::start().await;
    let transport = HttpTransport::new().unwrap();
    let load = Load::start(&estate);
    // First all of them count, in the order of the plan.
    for name in SERVICES {
        let said = estate.advance().await;
        assert!(
            said.starts_with(&format!("{name}: off -> report")),
            "{said}"
        );
    }
    stops_while_somebody_has_no_token(&estate, &transport).await;
    // Then one after the other goes all the way.
    for name in SERVICES {
        for step in ["enforce 1 %", "enforce 10 %", "enforce 50 %", "enforce ("] {
            let said = estate.advance().await;
            let expected =
                said.starts_with(&format!("{name}: ")) && said.contains(&format!("-> {step}"));
            assert!(expected, "{name} {step}: {said}");
        }
    }
    for instance in 0..INSTANCES {
        assert_eq!(estate.stranger(&transport, instance).await, 401);
    }
    for name in SERVICES {
        let said = estate.advance().await;
        assert!(
            said.starts_with(&format!("{name}: enforce, accepted")),
            "{said}"
        );
    }
    assert_eq!(estate.advance().await, "nothing is left to do\n");
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let (code, said) = estate.rollout(&["back"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        said.matches("report at 2 of 2 instances").count(),
        3,
        "{said}"
    );
    assert!(
        clock.monotonic() - began < Duration::from_secs(20),
        "{said}"
    );
    for instance in 0..INSTANCES {
        assert_ne!(estate.stranger(&transport, instance).await, 401);
    }
    let (calls, failed) = load.end().await;
    assert!(calls > 100, "{calls} calls");
    assert_eq!(failed, [""; 0], "of {calls} calls");
    let reports = fs::read_dir(estate.path("rollout-reports"))
        .unwrap()
        .count();
    assert_eq!(reports, 3 * SERVICES.len());
    let kept = fs::read_to_string(estate.path("order-service.yaml")).unwrap();
    assert!(
        kept.contains("mode: report # until all callers have tokens"),
        "{kept}"
    );
}
