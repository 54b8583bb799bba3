//! For which of several customers a request is: what each proxy does with the header that names it.

use hallpass::resource::ResourceServer;
use hallpass::{Hallpass, Settings};

use crate::client::Ask;
use crate::front::{Front, Product};
use crate::recorder::Seen;

const TENANT: &str = "X-Tenant-Id";

/// Services of Hallpass behind the proxy, each with `context.tenant`.
struct Behind {
    servers: Vec<(&'static str, ResourceServer)>,
}

impl Behind {
    fn start(jwks_url: &str) -> Self {
        let server = |name: &str| {
            let yaml = format!(
                "
hallpass:
  service: {{ name: {name} }}
  context: {{ headers: [X-Tenant-Id], tenant: {{ header: X-Tenant-Id }} }}
  security:
    internal-jwt:
      jwks-url: '{jwks_url}'
      routes:
        - {{ path: /health, rule: anonymous }}
        - {{ path: '/**', rule: authenticated }}
"
            );
            let loader = hallpass::config::Loader::new("hallpass").text(name, &yaml);
            let settings: Settings = loader.load_part().unwrap().into_settings();
            let hallpass = Hallpass::from_settings(&settings).unwrap();
            hallpass.resource_server().build().unwrap()
        };
        let named = [("/admin", "admin-service"), ("/", "order-service")];
        Self {
            servers: Vec::from(named.map(|(path, name)| (path, server(name)))),
        }
    }

    /// Which tenant a service hands on that has got this request from the proxy, empty for none; or the status and body of its refusal.
    async fn carried(&self, seen: &Seen) -> Result<String, String> {
        let mut request = http::Request::get(&seen.target);
        for (name, value) in &seen.headers {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut servers = self.servers.iter();
        let (_, server) = servers
            .find(|(path, _)| seen.target.starts_with(path))
            .unwrap();
        let authorized = server.authorize(&parts).await.map_err(|refused| {
            let response = refused.into_response();
            let body = String::from_utf8_lossy(response.body());
            format!("{}: {body}", response.status())
        })?;
        let carried = authorized.call_context().carried();
        let tenant = carried.get(TENANT).map(|it| it.to_str().unwrap());
        Ok(tenant.unwrap_or_default().to_owned())
    }
}

/// The service gets the tenant that the token names, or that a service passes on; nobody else's word reaches it.
pub(crate) async fn tenants(front: &Front) {
    let estate = &front.estate;
    let (north, nowhere) = (
        estate.user_of_tenant("north", "orders.read"),
        estate.user("orders.read"),
    );
    let service = estate.service_token();
    let behind = Behind::start(&estate.jwks_url());
    let of = |path: &str, token: &str| Ask::get(path).token(token);
    let said = |ask: Ask, tenant: &str| ask.header(TENANT, tenant);
    // To ours another spelling is the header itself, and what is said twice, or not true, is refused.
    let spelled = |otherwise| match front.product {
        Product::Hallpass => Err(403),
        _ => otherwise,
    };
    for (ask, expected) in [
        (said(of("/orders/7", &north), "north"), Ok(Some("north"))),
        (of("/orders/7", &north), Ok(None)),
        (of("/orders/7", &nowhere), Ok(None)),
        (Ask::get("/health"), Ok(None)),
        (said(of("/orders/7", &north), "south"), Err(403)),
        (said(of("/orders/7", &nowhere), "south"), Err(403)),
        (
            said(of("/admin/users", &service), "south"),
            Ok(Some("south")),
        ),
        // Nobody proves that he is of a tenant.
        (said(Ask::get("/health"), "south"), Ok(None)),
        (said(of("/health", &north), "north"), Ok(Some("north"))),
        (
            of("/orders/7", &north).header("X_Tenant_Id", "south"),
            spelled(Ok(None)),
        ),
        (
            said(of("/orders/7", &north), "north").header("X.Tenant.Id", "south"),
            spelled(Ok(Some("north"))),
        ),
    ] {
        let response = ask.send(front.port).await;
        let seen = front.estate.service.take();
        match expected {
            Ok(tenant) => {
                assert_eq!(response.status, 200, "{ask:?}: {}", response.text);
                let got = seen[0].values(TENANT);
                assert_eq!(got, Vec::from_iter(tenant), "{ask:?}: {seen:?}");
                // Without a token it is nobody's word.
                let has_token = !seen[0].values("Authorization").is_empty();
                let counts = tenant.filter(|_| has_token).unwrap_or_default();
                let carried = behind.carried(&seen[0]).await;
                assert_eq!(carried, Ok(counts.to_owned()), "{ask:?}: {seen:?}");
            }
            Err(status) => {
                assert_eq!(response.status, status, "{ask:?}: {}", response.text);
                assert!(seen.is_empty(), "{ask:?}: {seen:?}");
            }
        }
    }
    twice(front, &north).await;
    // Some take out what `Connection` names before they ask: then nobody has said anything.
    let ask = said(of("/orders/7", &north), "north").header("Connection", "close, X-Tenant-Id");
    let response = ask.send(front.port).await;
    assert_eq!(response.status, 200, "{ask:?}: {}", response.text);
    let seen = front.estate.service.take();
    let got = seen[0].values(TENANT);
    assert!(got.is_empty() || got == ["north"], "{ask:?}: {seen:?}");
}

/// Two tenants that are not the same: which one counts is not known. Some proxies ask about the first alone, some about the last, some about both;
/// the service may see nothing but the one that was judged.
async fn twice(front: &Front, north: &str) {
    for (first, second) in [("north", "south"), ("south", "north")] {
        let ask = Ask::get("/orders/7").token(north);
        let ask = ask.header(TENANT, first).header(TENANT, second);
        let response = ask.send(front.port).await;
        let seen = front.estate.service.take();
        match response.status {
            200 => assert_eq!(seen[0].values(TENANT), ["north"], "{ask:?}: {seen:?}"),
            400.. => assert!(seen.is_empty(), "{ask:?}: {seen:?}"),
            status => panic!("{ask:?}: {status}"),
        }
    }
}
