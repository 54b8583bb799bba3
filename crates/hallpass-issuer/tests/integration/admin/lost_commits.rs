//! Changes whose commit gets no response from a real PostgreSQL: what became of them is told as it is, and no secret is lost.

mod open;
mod refreshed;
mod restarted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hallpass_issuer::{DatabaseSettings, GrantType};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::clients::{GRANT, PATH, if_match, order, secret};
use super::{Rig, problem, refused};
use crate::harness::Response;
use crate::postgres::at;
use crate::postgres_server::{PostgresServer, shared};

const KEY: &str = "idempotency-key: attempt-1";
/// What the driver sends for a commit.
const COMMIT: &[u8] = b"commit\0";
const PATIENCE: Duration = Duration::from_secs(60);
/// And with what a writer begins who waits for his turn, as a change does; what the issuer notes by itself begins otherwise.
const TURN: &[u8] = b"for update\0";
const BEGIN: &[u8] = b"begin isolation";
/// With what the issuer asks whether a change counts.
const QUESTION: &[u8] = b"select name from store_meta";

/// What the network does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Way {
    Good,
    /// The next commit reaches the server, its response nobody.
    LosesResponse,
    /// The same, and no connection is opened from then on.
    LosesResponseAndGoes,
    /// The same, and nobody is asked what became of it; all else passes.
    LosesResponseAndQuestions,
    LosesQuestions,
    /// The next commit reaches the server, and its connection stays open without a response.
    HoldsResponse,
    /// The next commit does not reach the server.
    LosesCommit,
    Gone,
}

/// A network between an issuer and its database.
struct Network {
    way: Arc<AtomicU8>,
    port: u16,
}

impl Network {
    /// To the server at this port.
    async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(AtomicU8::new(Way::Good as u8));
        let shared = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let way = Arc::clone(&shared);
                if way.load(Ordering::SeqCst) != Way::Gone as u8 {
                    tokio::spawn(pass(client, server, way));
                }
            }
        });
        Self { way, port }
    }

    fn goes(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }

    /// Whether the commit has come that it was to lose.
    fn has_lost(&self) -> bool {
        [Way::Good, Way::Gone, Way::LosesQuestions]
            .map(|way| way as u8)
            .contains(&self.way.load(Ordering::SeqCst))
    }

    async fn has_lost_soon(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.has_lost() {
            assert!(Instant::now() < until, "no commit has come");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn pass(mut client: TcpStream, database: u16, way: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", database)).await else {
        return;
    };
    let (mut asked, mut said) = ([0; 16 * 1024], [0; 16 * 1024]);
    let is = |other: Way, then: Way| {
        let changed =
            way.compare_exchange(other as u8, then as u8, Ordering::SeqCst, Ordering::SeqCst);
        changed.is_ok()
    };
    let mut is_change = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Some(bytes) = read.ok().and_then(|length| asked.get(..length)).filter(|it| !it.is_empty()) else { return };
                let has = |text: &[u8]| bytes.windows(text.len()).any(|it| it == text);
                let now = way.load(Ordering::SeqCst);
                if now == Way::Gone as u8 || (now == Way::LosesQuestions as u8 && has(QUESTION)) {
                    return;
                }
                is_change = has(TURN) || (is_change && !has(BEGIN));
                if is_change && has(COMMIT) {
                    if is(Way::LosesCommit, Way::Good) {
                        return;
                    }
                    let holds = is(Way::HoldsResponse, Way::Good);
                    if holds
                        || is(Way::LosesResponse, Way::Good)
                        || is(Way::LosesResponseAndGoes, Way::Gone)
                        || is(Way::LosesResponseAndQuestions, Way::LosesQuestions)
                    {
                        server.write_all(bytes).await.unwrap();
                        // It is done when the server says so.
                        assert!(server.read(&mut said).await.unwrap() > 0);
                        if holds {
                            std::future::pending::<()>().await;
                        }
                        return;
                    }
                }
                server.write_all(bytes).await.unwrap();
            }
            read = server.read(&mut said) => {
                let Some(bytes) = read.ok().and_then(|length| said.get(..length)).filter(|it| !it.is_empty()) else { return };
                if client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// `None` where no server can be had, which is said there.
async fn rig() -> Option<(Arc<PostgresServer>, Network, Rig)> {
    let server = shared().await?;
    let name = server.database().await;
    let (network, rig) = behind(&server, name).await;
    Some((server, network, rig))
}

/// An issuer on this database, with a network between.
async fn behind(server: &PostgresServer, name: String) -> (Network, Rig) {
    let network = Network::start(server.port).await;
    let database = DatabaseSettings {
        port: network.port,
        ..at(server, name)
    };
    let rig = Rig::with(|settings| {
        settings.database = Some(database);
        settings.clients[0].grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
            .into_iter()
            .collect();
    });
    (network, rig.await)
}

async fn works(rig: &Rig, secret: &str) {
    let ask = || rig.harness.ask_as("order", secret, GRANT);
    rig.harness.until_told(|told| told == 200, ask).await;
}

/// The same attempt once more, and again while it is to be.
async fn again(rig: &Rig, token: &str) -> Response {
    let line = format!("POST {PATH}");
    loop {
        let response = rig.send(&line, token, &[KEY.to_owned()], &order()).await;
        if response.status != 503 {
            return response;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// What the audit log says of all changes of this kind, the last first.
async fn outcomes(rig: &Rig, action: &str) -> Vec<String> {
    let token = rig.ops().await;
    let path = format!("/admin/v1/audit?action={action}");
    let events = rig.get(&path, &token).await.json();
    let events = events["events"].as_array().unwrap().iter();
    events
        .map(|it| it["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_change_that_counts_is_done_although_its_commit_got_no_response() {
    let Some((_server, network, rig)) = rig().await else {
        return;
    };
    let token = rig.ops().await;
    network.goes(Way::LosesResponse);
    let added = rig.add(&token, &order()).await;
    assert!(network.has_lost());
    assert_eq!(added.status, 201, "{added:?}");
    works(&rig, &secret(&added)).await;
    network.goes(Way::LosesResponse);
    let line = format!("POST {PATH}/order/secret");
    let rotated = rig.send(&line, &token, &if_match(&added), &json!({})).await;
    assert!(network.has_lost());
    assert_eq!(rotated.status, 200, "{rotated:?}");
    works(&rig, &secret(&rotated)).await;
    assert_eq!(outcomes(&rig, "client_add").await, ["done"]);
    assert_eq!(outcomes(&rig, "client_rotate_secret").await, ["done"]);
}

#[tokio::test]
async fn a_change_whose_commit_has_not_come_is_not_done_and_can_be_made_again() {
    let Some((_server, network, rig)) = rig().await else {
        return;
    };
    let token = rig.ops().await;
    let line = format!("POST {PATH}");
    let key = [KEY.to_owned()];
    network.goes(Way::LosesCommit);
    let lost = rig.send(&line, &token, &key, &order()).await;
    assert!(network.has_lost());
    assert_eq!(
        problem(&lost),
        refused(503, "store_unavailable"),
        "{lost:?}"
    );
    assert_eq!(rig.get(PATH, &token).await.json(), json!({"clients": []}));
    let again = again(&rig, &token).await;
    assert_eq!(again.status, 201, "{again:?}");
    works(&rig, &secret(&again)).await;
    let outcomes = outcomes(&rig, "client_add").await;
    let (last, before) = outcomes.split_first().unwrap();
    assert_eq!(last, "done");
    assert!(
        !before.is_empty() && before.iter().all(|it| it == "store_unavailable"),
        "{before:?}"
    );
}

#[tokio::test]
async fn while_nobody_can_say_whether_a_change_counts_that_is_told_and_the_same_attempt_brings_its_secret_later()
 {
    let Some((_server, network, rig)) = rig().await else {
        return;
    };
    let token = rig.ops().await;
    let line = format!("POST {PATH}");
    let key = [KEY.to_owned()];
    network.goes(Way::LosesResponseAndGoes);
    let unknown = rig.send(&line, &token, &key, &order()).await;
    assert_eq!(
        problem(&unknown),
        refused(503, "outcome_unknown"),
        "{unknown:?}"
    );
    assert_eq!(unknown.header("retry-after"), Some("2"));
    network.goes(Way::Good);
    let again = again(&rig, &token).await;
    assert_eq!(again.status, 201, "{again:?}");
    works(&rig, &secret(&again)).await;
    let clients = rig.get(PATH, &token).await.json();
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1);
    let outcomes = outcomes(&rig, "client_add").await;
    // Whoever asks too soon is told to wait, which is an event too.
    let made = outcomes.iter().filter(|it| *it != "outcome_unknown");
    let made: Vec<_> = made.collect();
    assert_eq!(made, ["repeated", "done"]);
}
