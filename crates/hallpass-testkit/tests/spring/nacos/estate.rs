//! An estate of Spring Cloud Alibaba and services here, at one Nacos server: tokens of users and of services go through all of it, and
//! one service after the other gets another issuer while it works.

mod documents;
mod load;
mod services;

use hallpass_issuer::IssuerSettings;
use hallpass_testkit::TestIssuer;
use http::StatusCode;
use serde_json::{Value, json};

use self::documents::{Documents, SECRETS, secret_of};
use self::load::Load;
use self::services::{Service, edge, stock};
use super::{NacosServer, until};
use crate::foreign_issuer::Login;
use crate::java::SpringBoot;
use crate::{Seen, guide_block, service_token};

/// The block of the guide with the issuer.
const ISSUER: &str = "### The issuer beside the old one";
/// What alice is called by the issuer here.
const ALICE: &str = "login|alice";

/// alice, `edge` (here), `orders` (Spring), `stock` (here); where users log in, and the issuer that services are moved to.
struct Estate {
    login: Login,
    issuer: TestIssuer,
    documents: Documents,
    stock: Service,
    orders: SpringBoot,
    edge: Service,
    _home: tempfile::TempDir,
}

impl Estate {
    /// With all services at the old issuer; the new one is beside it. `None` where Spring or Nacos cannot run.
    async fn start() -> Option<Self> {
        let nacos = NacosServer::shared()?;
        let login = Login::start_with(&clients_of_services())?;
        let issuer = issuer(&login).await;
        let documents = Documents::new(nacos, &login.issuer(), &issuer.url(""));
        documents.stock_trusts(&[documents.old()]).await;
        documents.orders("login", &[documents.old()]).await;
        documents.edge_asks(documents.old()).await;
        let stock = stock(nacos).await;
        let home = tempfile::tempdir().unwrap();
        let orders = orders(nacos, home.path())?;
        let edge = edge(nacos, &login.issuer()).await;
        let estate = Self {
            login,
            issuer,
            documents,
            stock,
            orders,
            edge,
            _home: home,
        };
        estate.is_found(&estate.token_of("edge", false).await).await;
        Some(estate)
    }

    /// Waits until each finds its neighbour.
    async fn is_found(&self, token: &str) {
        let url = self.orders.url("/orders/7/own");
        until("orders finds stock", async || {
            crate::get(&url, Some(token)).await.status == StatusCode::OK
        })
        .await;
        let alice = self.login.log_in().await;
        until("edge finds orders", async || {
            self.at_edge("/own", &alice.access).await.status == StatusCode::OK
        })
        .await;
    }

    /// A token that a service gets for itself.
    async fn token_of(&self, client: &str, is_by_new: bool) -> String {
        let url = if is_by_new {
            self.issuer.token_url()
        } else {
            self.login.spring.url("/oauth2/token")
        };
        service_token(&url, client, &secret_of(client), "scope=internal-service").await
    }

    async fn at_edge(&self, path: &str, token: &str) -> Seen {
        crate::get(&self.edge.url(path), Some(token)).await
    }

    /// Whom each service sees of one call that alice makes, with these ends of paths into the answer.
    async fn sees(&self, path: &str, token: &str, expected: &[(&str, &str)]) {
        let seen = self.at_edge(path, token).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.body);
        let seen: Value = serde_json::from_str(&seen.body).unwrap();
        for (pointer, expected) in expected {
            let there = seen.pointer(pointer);
            assert_eq!(there, Some(&json!(expected)), "{path}{pointer}: {seen}");
        }
        // The breaker has moved the call, and the user with it.
        let threads = ["/orders/thread", "/orders/stock/thread"].map(|it| seen.pointer(it));
        let [served, called] = threads.map(|it| it.and_then(Value::as_str).unwrap());
        assert!(served.starts_with("http-nio"), "{served}");
        assert!(called.starts_with("pool-"), "{called}");
    }

    /// Waits until a service takes this token.
    async fn taken(&self, what: &str, url: &str, token: &str) {
        until(what, async || {
            crate::get(url, Some(token)).await.status == StatusCode::OK
        })
        .await;
    }

    /// Waits until the answer to alice's call has this.
    async fn shows(&self, path: &str, token: &str, pointer: &str, expected: &str) {
        until(&format!("{path}{pointer} is {expected}"), async || {
            let seen = self.at_edge(path, token).await;
            let seen: Value = serde_json::from_str(&seen.body).unwrap_or_default();
            seen.pointer(pointer) == Some(&json!(expected))
        })
        .await;
    }

    /// `stock` and `orders`, where a token of the user or of a service would be shown to them.
    fn doors(&self) -> [String; 2] {
        [self.stock.url("/stock/7"), self.orders.url("/orders/7/own")]
    }
}

/// What the old issuer is told of the services.
fn clients_of_services() -> Vec<String> {
    let of = |client: &str| {
        let of = format!("{client}.registration");
        [
            format!("{of}.client-id={client}"),
            format!("{of}.client-secret={{noop}}{}", secret_of(client)),
            format!("{of}.client-authentication-methods=client_secret_post"),
            format!("{of}.authorization-grant-types=client_credentials"),
            format!("{of}.scopes=internal-service"),
        ]
    };
    ["edge", "orders"].into_iter().flat_map(of).collect()
}

async fn issuer(login: &Login) -> TestIssuer {
    let yaml = guide_block(ISSUER).replace("https://login.example", &login.issuer());
    let loader = hallpass::config::Loader::new("hallpass").text("guide", yaml);
    let settings = loader.environment(SECRETS).load::<IssuerSettings>();
    let issuer = TestIssuer::of(settings.unwrap().into_settings());
    issuer.named_by_its_address().start().await.unwrap()
}

/// The Spring program, with its caches and logs in a folder of its own.
fn orders(nacos: &NacosServer, home: &std::path::Path) -> Option<SpringBoot> {
    let jvm = [
        "-Xmx192m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        format!("-Duser.home={}", home.display()),
    ];
    let properties = [
        "server.port=0".to_owned(),
        format!("spring.cloud.nacos.server-addr={}", nacos.address()),
        format!("spring.config.import=nacos:{}", documents::ORDERS),
        format!("ORDERS_SECRET={}", secret_of("orders")),
    ];
    SpringBoot::start_by("feign-service", &jvm, &properties)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_move_one_after_the_other_from_spring_authorization_server_under_load_and_no_call_fails()
 {
    let Some(estate) = Estate::start().await else {
        return;
    };
    let alice = estate.login.log_in().await.access;
    lets_nobody_else_in(&estate).await;
    let old = estate.documents.old();
    sees_all_by(&estate, &alice, old, old).await;

    let load = Load::start(&estate.edge, "/relayed", "/own", &alice);
    both_are_trusted(&estate, &load, &alice).await;
    callers_move(&estate, &load, &alice).await;
    users_calls_move(&estate, &load, &alice).await;
    the_old_one_is_left(&estate, &load, &alice).await;
    let (calls, failed) = load.end().await;
    assert_eq!(failed, [""; 0], "of {calls} calls");
    report(calls);

    // The load would have seen it: the old version of edge goes on relaying what nobody takes any more.
    let load = Load::start(&estate.edge, "/relayed", "/own", &alice);
    load.goes_on().await;
    let (calls, failed) = load.end().await;
    assert_eq!(failed.len(), calls / 2, "{failed:?}");
    let is_relayed = |it: &String| it.starts_with("/relayed: 502");
    assert!(failed.iter().all(is_relayed), "{failed:?}");
    estate.stock.stop().await;
    estate.edge.stop().await;
}

/// Without a token, or with one of an issuer that is not trusted yet.
async fn lets_nobody_else_in(estate: &Estate) {
    let stranger = estate.token_of("orders", true).await;
    let doors = [estate.edge.url("/own"), estate.edge.url("/relayed")];
    for url in doors.into_iter().chain(estate.doors()) {
        for token in [None, Some(stranger.as_str())] {
            let refused = crate::get(&url, token).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{url}");
        }
    }
}

/// The first step: nobody asks the new one yet.
async fn both_are_trusted(estate: &Estate, load: &Load, alice: &str) {
    let (old, new) = (estate.documents.old(), estate.documents.new_one());
    let [stock, orders] = estate.doors();
    estate.documents.stock_trusts(&[old, new]).await;
    let token = estate.token_of("orders", true).await;
    estate.taken("stock trusts both", &stock, &token).await;
    // Each by the tokens that are for it: this one is for another service.
    let refused = crate::get(&orders, Some(&token)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    estate.documents.orders("login", &[old, new]).await;
    let token = estate.token_of("edge", true).await;
    estate.taken("orders trusts both", &orders, &token).await;
    let other = estate.token_of("orders", true).await;
    let refused = crate::get(&orders, Some(&other)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    sees_all_by(estate, alice, old, old).await;
    load.goes_on().await;
}

/// The second and the third: the Spring service, then the one here.
async fn callers_move(estate: &Estate, load: &Load, alice: &str) {
    let (old, new) = (estate.documents.old(), estate.documents.new_one());
    estate.documents.orders("hallpass", &[old, new]).await;
    estate.shows("/own", alice, "/orders/stock/iss", new).await;
    sees_all_by(estate, alice, old, new).await;
    load.goes_on().await;
    estate.documents.edge_asks(new).await;
    estate.shows("/own", alice, "/orders/iss", new).await;
    sees_all_by(estate, alice, new, new).await;
    load.goes_on().await;
}

/// The fourth: what the next version of edge does for users.
async fn users_calls_move(estate: &Estate, load: &Load, alice: &str) {
    load.users_go_by("/exchanged").await;
    sees_who_acts_for(estate, alice).await;
    load.goes_on().await;
}

/// The last: the old one is trusted no longer, but for users at the edge.
async fn the_old_one_is_left(estate: &Estate, load: &Load, alice: &str) {
    let new = estate.documents.new_one();
    let olds = [alice.to_owned(), estate.token_of("orders", false).await];
    estate.documents.stock_trusts(&[new]).await;
    estate.documents.orders("hallpass", &[new]).await;
    for url in estate.doors() {
        for token in &olds {
            until("the old issuer is refused", async || {
                crate::get(&url, Some(token)).await.status == StatusCode::UNAUTHORIZED
            })
            .await;
        }
    }
    sees_who_acts_for(estate, alice).await;
    load.goes_on().await;
}

/// What a call for alice shows that the issuer here has issued the token of.
async fn sees_who_acts_for(estate: &Estate, alice: &str) {
    let new = estate.documents.new_one();
    let acted = [
        ("/user", "alice"),
        ("/orders/iss", new),
        ("/orders/sub", ALICE),
        ("/orders/act/sub", "edge"),
        ("/orders/stock/iss", new),
        ("/orders/stock/sub", ALICE),
        ("/orders/stock/act/sub", "edge"),
    ];
    estate.sees("/exchanged", alice, &acted).await;
}

/// What a call for alice by her own token shows, and one that `edge` and `orders` make for themselves by these issuers.
async fn sees_all_by(estate: &Estate, alice: &str, edge: &str, orders: &str) {
    let login = estate.login.issuer();
    let relayed = [
        ("/user", "alice"),
        ("/orders/iss", &login),
        ("/orders/sub", "alice"),
        ("/orders/stock/iss", &login),
        ("/orders/stock/sub", "alice"),
    ];
    estate.sees("/relayed", alice, &relayed).await;
    let own = [
        ("/user", "alice"),
        ("/orders/iss", edge),
        ("/orders/sub", "edge"),
        ("/orders/stock/iss", orders),
        ("/orders/stock/sub", "orders"),
    ];
    estate.sees("/own", alice, &own).await;
}

fn report(calls: usize) {
    use std::io::Write as _;
    let _unheard = writeln!(
        std::io::stderr(),
        "the estate was moved: {calls} calls, 0 failed"
    );
}
