//! Floods by strangers: each way to prove who one is, what they make the issuer do, and who is served meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{ClientAuthentication, ClientKeys, PrivateKeyJwt};
use hallpass_listen::Networks;
use hallpass_token::{Algorithm, AssertionSigner, JwkSet, UnixTime};

use crate::foreign::clients::Cluster;
use crate::harness::{Harness, NOW, SECRET, basic, client, secrets};

const CHOSEN: &str = "correct horse battery staple";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An issuer behind a proxy, and one client of it.
enum Way {
    /// That has a secret which a person chose.
    Chosen(Harness),
    /// That signs what proves who it is; and a key that is nobody's.
    Key(Harness, Box<[AssertionSigner; 2]>),
    /// That is a service account of a cluster.
    Federated(Box<Cluster>),
}

impl Way {
    async fn all() -> [Self; 3] {
        let behind = |settings: &mut hallpass_issuer::IssuerSettings| {
            let loopback = "127.0.0.0/8".parse().unwrap();
            settings.sources.forwarders = Networks::new(vec![loopback]);
        };
        let chosen = Harness::with(|settings| {
            behind(settings);
            secrets(&mut settings.clients[0]).current = Secret::new(CHOSEN).into();
        });
        let keys = [(); 2].map(|()| AssertionSigner::generate(Algorithm::Es256).unwrap());
        let key = Harness::with(|settings| {
            behind(settings);
            let mut client = client("c", SECRET, &["read"], &["service-system"]);
            client.authentication = ClientAuthentication::PrivateKeyJwt(PrivateKeyJwt {
                keys: ClientKeys::Inline(JwkSet::new([keys[0].public_jwk()])),
                dangerous_token_endpoint_audience: false,
            });
            settings.clients = vec![client];
        });
        let (chosen, key) = (chosen.await, key.await);
        let cluster = Cluster::behind_a_proxy().await;
        [
            Self::Chosen(chosen),
            Self::Key(key, Box::new(keys)),
            Self::Federated(Box::new(cluster)),
        ]
    }

    fn harness(&self) -> &Harness {
        match self {
            Self::Chosen(harness) | Self::Key(harness, _) => harness,
            Self::Federated(cluster) => &cluster.harness,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Chosen(_) => "client_secret_basic",
            Self::Key(..) => "private_key_jwt",
            Self::Federated(_) => "federated_jwt",
        }
    }

    /// What the client is called by those who try.
    async fn ask(&self, from: &str, id: &str, is_right: bool) -> u16 {
        let source = format!("X-Forwarded-For: {from}");
        let form = match self {
            Self::Chosen(harness) => {
                let secret = if is_right { CHOSEN } else { "a guess" };
                let basic = basic(id, secret);
                let headers = [&*source, &*basic];
                let response = harness.post(&headers, b"grant_type=client_credentials");
                return response.await.status;
            }
            Self::Key(_, keys) => {
                let signer = &keys[usize::from(!is_right)];
                let (now, life) = (UnixTime::from_secs(NOW), Duration::from_secs(60));
                let made = signer.sign(&id.parse().unwrap(), "internal", now, life);
                let assertion = made.unwrap().expose().to_owned();
                format!("client_assertion={assertion}")
            }
            Self::Federated(cluster) => {
                let mut token = cluster.token(|_| {});
                if !is_right {
                    // Each one another one, as who knows the limits of one would send them.
                    let signature = token.rfind('.').unwrap() + 1;
                    let unique = FORGED.fetch_add(1, Ordering::Relaxed);
                    token.replace_range(signature..signature + 12, &format!("{unique:012}"));
                }
                format!("audience=logistics&client_id={id}&client_assertion={token}")
            }
        };
        let form = format!("grant_type=client_credentials&client_assertion_type={TYPE}&{form}");
        let headers = [&*source];
        let response = self.harness().post(&headers, form.as_bytes());
        response.await.status
    }

    const fn client(&self) -> &'static str {
        match self {
            Self::Chosen(_) | Self::Key(..) => "c",
            Self::Federated(_) => "orders",
        }
    }

    /// How often a secret was compared that could be guessed, or a signature checked.
    fn checks(&self) -> u64 {
        let metric = match self {
            Self::Chosen(_) => "hallpass_chosen_secret_checks_total",
            Self::Key(..) | Self::Federated(_) => "hallpass_client_assertion_checks_total",
        };
        self.harness().metric(metric)
    }
}

static FORGED: AtomicU64 = AtomicU64::new(0);

#[tokio::test]
async fn a_flood_in_the_name_of_a_client_costs_a_bounded_number_of_checks_and_the_client_is_served()
{
    for way in Way::all().await {
        let name = way.name();
        let right = async |from: &str| way.ask(from, way.client(), true).await;
        assert_eq!(right("192.0.2.1").await, 200, "{name}");
        let before = way.checks();
        // The clock stands still, so nothing comes back of what was used up.
        let (addresses, tries) = (20, 12);
        let mut refused = Vec::new();
        for number in 0..addresses {
            let from = format!("203.0.113.{number}");
            for _try in 0..tries {
                refused.push(way.ask(&from, way.client(), false).await);
            }
        }
        let checks = way.checks() - before;
        // Two first attempts each, and what all of them share: of the client, and of tokens that may be shown again those of each address.
        let first = 2 * addresses;
        let most = match way {
            Way::Chosen(_) | Way::Key(..) => first + 20,
            Way::Federated(_) => addresses * tries,
        };
        assert!(checks <= most, "{name}: {checks} of {most}");
        assert_eq!(
            refused.iter().filter(|it| **it == 401).count() as u64,
            checks,
            "{name}: each check is one refusal, and what is refused beyond costs none"
        );
        assert!(refused.iter().all(|it| [401, 429].contains(it)), "{name}");
        assert_eq!(
            right("192.0.2.1").await,
            200,
            "{name}: where it was right before"
        );
        assert_eq!(
            right("198.51.100.1").await,
            200,
            "{name}: and from elsewhere"
        );
    }
}

#[tokio::test]
async fn one_address_that_makes_names_up_has_a_bounded_number_of_checks() {
    for way in Way::all().await {
        let name = way.name();
        let before = way.checks();
        let mut refused = Vec::new();
        for number in 0..150 {
            refused.push(way.ask("203.0.113.7", &format!("n-{number}"), false).await);
        }
        let checks = way.checks() - before;
        assert!(checks <= 120, "{name}: {checks}");
        assert_eq!(
            refused.iter().filter(|it| **it == 429).count(),
            30,
            "{name}"
        );
        let right = way.ask("192.0.2.1", way.client(), true).await;
        assert_eq!(right, 200, "{name}");
    }
}

#[tokio::test]
async fn forged_tokens_that_come_at_once_while_keys_are_fetched_are_not_all_checked() {
    let cluster = Cluster::behind_a_proxy().await;
    let way = Way::Federated(Box::new(cluster));
    // Nobody has fetched the keys: all wait for them together.
    let floods = (0..300).map(|_| way.ask("203.0.113.7", "orders", false));
    let statuses = futures_util::future::join_all(floods).await;
    let checks = way.checks();
    assert!(checks <= 120, "{checks}");
    assert!(statuses.iter().filter(|it| **it == 429).count() >= 180);
    assert_eq!(way.ask("192.0.2.1", "orders", true).await, 200);
}
