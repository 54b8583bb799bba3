//! Somebody in the place of the server, who answers what he likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use hallpass_client::InternalTokenCache;
use hallpass_clock::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::servers::alone;
use crate::standalone::prometheus;
use crate::tiers::{at, in_time, key, lazy, tier, until};

/// More than any response can have, with what waits in the buffers of two sockets.
const MUCH: usize = 24 * 1024 * 1024;

/// What is sent on a command.
#[derive(Clone)]
enum Answer {
    Once(Vec<u8>),
    /// And the connection is closed.
    Last(Vec<u8>),
    /// The first, then the second without end.
    Endless(Vec<u8>, Vec<u8>),
}

/// A server that greets as it should and answers all else as the test says.
struct Impostor {
    port: u16,
    accepted: Arc<AtomicUsize>,
    /// Bytes that were sent on connections that are endless.
    sent: Arc<AtomicUsize>,
    /// Endless connections that the other side has ended.
    ended: Arc<AtomicUsize>,
}

impl Impostor {
    async fn start(answer: impl Fn(&[String]) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let impostor = Self {
            port: listener.local_addr().unwrap().port(),
            accepted: Arc::default(),
            sent: Arc::default(),
            ended: Arc::default(),
        };
        let answer = Arc::new(answer);
        let (accepted, sent, ended) = (
            Arc::clone(&impostor.accepted),
            Arc::clone(&impostor.sent),
            Arc::clone(&impostor.ended),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (answer, sent, ended) =
                    (Arc::clone(&answer), Arc::clone(&sent), Arc::clone(&ended));
                tokio::spawn(serve(stream, move |it| answer(it), sent, ended));
            }
        });
        impostor
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: impl Fn(&[String]) -> Option<Answer>,
    sent: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
) {
    let mut waiting = Vec::new();
    loop {
        while let Some(command) = take_command(&mut waiting) {
            let usual = || Answer::Once(usual(&command));
            match answer(&command).unwrap_or_else(usual) {
                Answer::Once(bytes) => _ = stream.write_all(&bytes).await,
                Answer::Last(bytes) => {
                    let _sent = stream.write_all(&bytes).await;
                    return;
                }
                Answer::Endless(first, then) => {
                    let _begun = stream.write_all(&first).await;
                    let then = then.repeat(64 * 1024 / then.len());
                    while stream.write_all(&then).await.is_ok() {
                        sent.fetch_add(then.len(), Ordering::SeqCst);
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
        }
        if !matches!(stream.read_buf(&mut waiting).await, Ok(1..)) {
            return;
        }
    }
}

/// The first command, as an array of texts.
fn take_command(waiting: &mut Vec<u8>) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(waiting).into_owned();
    let mut lines = text.split("\r\n");
    let count: usize = lines.next()?.strip_prefix('*')?.parse().ok()?;
    let (mut words, mut length) = (Vec::new(), text.find("\r\n")? + 2);
    for _ in 0..count {
        let (size, word) = (lines.next()?, lines.next()?);
        if size[1..].parse::<usize>().ok()? != word.len() {
            return None;
        }
        length += size.len() + word.len() + 4;
        words.push(word.to_owned());
    }
    (length <= waiting.len()).then(|| {
        waiting.drain(..length);
        words
    })
}

fn usual(command: &[String]) -> Vec<u8> {
    match command[0].as_str() {
        "HELLO" => b"%1\r\n+proto\r\n:3\r\n".to_vec(),
        "PING" => b"+PONG\r\n".to_vec(),
        "GETRANGE" => b"$0\r\n\r\n".to_vec(),
        "SUBSCRIBE" => {
            let channel = &command[1];
            let length = channel.len();
            format!(">3\r\n$9\r\nsubscribe\r\n${length}\r\n{channel}\r\n:1\r\n").into_bytes()
        }
        _ => b"+OK\r\n".to_vec(),
    }
}

fn endless(first: &str, then: &str) -> Answer {
    Answer::Endless(first.into(), then.into())
}

/// Ways to send a value that does not end.
fn without_end() -> Vec<(&'static str, Answer)> {
    vec![
        ("one text", endless("$2000000000\r\n", "x")),
        ("one line", endless("+", "x")),
        ("one error", endless("-ERR ", "x")),
        ("one list", endless("*2000000000\r\n", ":1\r\n")),
        ("one map", endless("%1000000000\r\n", ":1\r\n")),
        ("lists in lists", endless("", "*1\r\n")),
        ("texts in a list", endless("*2000000000\r\n", "$1\r\nx\r\n")),
        ("an attribute", endless("|1000000000\r\n", ":1\r\n")),
        ("a blob error", endless("!2000000000\r\n", "x")),
        ("a big number", endless("(", "1")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_response_without_end_is_kept_in_memory_whatever_it_says_it_is() {
    for (what, answer) in without_end() {
        for command in ["GETRANGE", "HELLO"] {
            let answer = answer.clone();
            let impostor =
                Impostor::start(move |it| (it[0] == command).then(|| answer.clone())).await;
            let tier = lazy(&at(impostor.port));
            let _failed = tier.get_token(&key("a")).await.is_err();
            until("the connection is ended", async || {
                impostor.ended.load(Ordering::SeqCst) > 0
                    || impostor.sent.load(Ordering::SeqCst) > 40 * MUCH
            })
            .await;
            let (sent, ended) = (&impostor.sent, &impostor.ended);
            let each = sent.load(Ordering::SeqCst) / ended.load(Ordering::SeqCst).max(1);
            assert!(each < MUCH, "{what} on {command}: {each} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_without_being_asked_is_left() {
    let pushes = [
        "$9\r\nsubscribe\r\n$3\r\nabc\r\n:1\r\n",
        "$7\r\nmessage\r\n$3\r\nabc\r\n$1\r\nx\r\n",
        "$10\r\ninvalidate\r\n$3\r\nabc\r\n$1\r\nx\r\n",
    ];
    for push in pushes {
        let answer = endless("$0\r\n\r\n", &format!(">3\r\n{push}"));
        let impostor =
            Impostor::start(move |it| (it[0] == "GETRANGE").then(|| answer.clone())).await;
        let tier = tier(&at(impostor.port)).await;
        let _any = tier.get_token(&key("a")).await.is_ok();
        until("the connection is ended", async || {
            impostor.ended.load(Ordering::SeqCst) > 0
        })
        .await;
        let sent = impostor.sent.load(Ordering::SeqCst);
        assert!(sent < MUCH, "{push}: {sent} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmations_of_channels_that_nobody_asked_for_end_the_subscription() {
    let usual_one = |it: &[String]| String::from_utf8(usual(it)).unwrap();
    let more = ">3\r\n$9\r\nsubscribe\r\n$3\r\nabc\r\n:1\r\n";
    let impostor =
        Impostor::start(move |it| (it[0] == "SUBSCRIBE").then(|| endless(&usual_one(it), more)))
            .await;
    let tier = tier(&at(impostor.port)).await;
    let mut events = tier.events().unwrap();
    let following = tokio::spawn(async move { while events.next().await.is_some() {} });
    until("the subscription is ended", async || {
        impostor.ended.load(Ordering::SeqCst) > 0
    })
    .await;
    let sent = impostor.sent.load(Ordering::SeqCst);
    assert!(sent < MUCH, "{sent} bytes");
    following.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_any_size_is_connected_to_512_times_at_most() {
    let seen = Arc::new(AtomicUsize::new(0));
    let round = Arc::clone(&seen);
    // Each time it is asked it names 300 other nodes, all of them here, under addresses of loopback.
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (open_now, most_seen) = (Arc::clone(&open), Arc::clone(&most));
    let names = Arc::new(move |it: &[String]| {
        (it[0] == "CLUSTER").then(|| {
            let round = round.fetch_add(1, Ordering::SeqCst).min(8);
            let nodes = 300 * (round + 1);
            let mut text = format!("*{nodes}\r\n");
            for node in 0..nodes {
                let host = format!("127.1.{}.{}", node / 250, node % 250 + 1);
                let length = host.len();
                text.push_str(&format!(
                    "*3\r\n:{node}\r\n:{node}\r\n*2\r\n${length}\r\n{host}\r\n:{port}\r\n"
                ));
            }
            Answer::Once(text.into_bytes())
        })
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (names, open) = (Arc::clone(&names), Arc::clone(&open_now));
            let now = open.fetch_add(1, Ordering::SeqCst) + 1;
            most_seen.fetch_max(now, Ordering::SeqCst);
            tokio::spawn(async move {
                serve(stream, move |it| names(it), Arc::default(), Arc::default()).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let seed = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    let mut settings = at(port);
    settings.form = hallpass_redis::RedisForm::Cluster(seed);
    settings.connect_timeout = Duration::from_secs(10);
    let _tier = lazy(&settings);
    until("it has been asked often", async || {
        seen.load(Ordering::SeqCst) > 8
    })
    .await;
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 520, "{most} connections at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_each_subscription_is_not_asked_for_one_without_a_pause() {
    let impostor =
        Impostor::start(|it| (it[0] == "SUBSCRIBE").then(|| Answer::Last(usual(it)))).await;
    let tier = tier(&at(impostor.port)).await;
    let mut events = tier.events().unwrap();
    let mut missed = 0;
    let counting = async {
        while events.next().await.is_some() {
            missed += 1
        }
    };
    let _over = tokio::time::timeout(Duration::from_secs(3), counting).await;
    // One for calls; then after 0.1, 0.2, 0.4, 0.8 s and each second.
    let accepted = impostor.accepted.load(Ordering::SeqCst);
    assert!(
        (3..=8).contains(&accepted) && missed <= 8,
        "{accepted} {missed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_in_any_phase_costs_a_call_its_limit_and_is_used_when_it_goes_on() {
    let Some(_turn) = alone().await else {
        return;
    };
    let half = |bytes: &str| Answer::Once(bytes.into());
    let phases = [
        ("HELLO", half("")),
        ("HELLO", half("%1\r\n+proto\r\n")),
        ("SELECT", half("")),
        ("GETRANGE", half("")),
        ("GETRANGE", half("$5\r\nab")),
        ("GETRANGE", Answer::Last(Vec::new())),
        ("GETRANGE", Answer::Last(b"$5\r\nab".to_vec())),
        ("PING", half("")),
        ("SUBSCRIBE", half("")),
        ("GETRANGE", half("?\r\n")),
        ("GETRANGE", half("-NOAUTH no\r\n")),
    ];
    for (phase, answer) in phases {
        let is_well = Arc::new(AtomicBool::new(false));
        let well = Arc::clone(&is_well);
        let what = format!("{phase} {}", matches!(answer, Answer::Last(_)));
        let impostor = Impostor::start(move |it| {
            let stops = it[0] == phase && !well.load(Ordering::SeqCst);
            stops.then(|| answer.clone())
        })
        .await;
        let mut settings = in_time(impostor.port);
        settings.database = 1;
        let tier = lazy(&settings);
        let mut events = tier.events().unwrap();
        let following = tokio::spawn(async move { while events.next().await.is_some() {} });
        let mut times = Vec::new();
        for _ in 0..40 {
            let clock = SystemClock::new();
            let _any = tier.get_token(&key("a")).await.is_ok();
            times.push(clock.monotonic());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        times.sort();
        // One call waits for the connection and for the response. A busy machine makes some longer and none shorter.
        assert!(times[20] < Duration::from_millis(55), "{what}: {times:?}");
        assert!(times[39] < Duration::from_secs(2), "{what}: {times:?}");
        is_well.store(true, Ordering::SeqCst);
        let works = async || tier.get_token(&key("a")).await == Ok(None);
        let took = until("it works", works).await;
        assert!(took < Duration::from_secs(4), "{what}: {took:?}");
        let subscribed = async || prometheus(&tier).contains("hallpass_redis_subscribed 1");
        let took = until("it listens", subscribed).await;
        assert!(took < Duration::from_secs(4), "{what}: {took:?}");
        following.abort();
    }
}
