//! For random requests, every protocol reaches the verdict that the resource server reaches in a service.

use http::Request;

use crate::estate::{Estate, token, token_of};
use crate::grpc::Question;
use crate::protocols::by_each;

const WHOLE_PATHS: [&str; 4] = ["/orders/7", "/public/a", "/orders/a%20b?c", "/public/"];
const PIECES: [&str; 19] = [
    "/",
    "/public",
    "/orders",
    "/7",
    "/a%20b",
    "/%2e%2e",
    "/..",
    "/.",
    "//",
    "/%2F",
    "/;x=1",
    "/%",
    "/\u{e4}",
    "?a=b",
    "%00",
    "/orders/7",
    "/public/x",
    "/~",
    "/ORDERS",
];
const METHODS: [&str; 7] = ["GET", "GET", "HEAD", "POST", "DELETE", "get", "PURGE"];
const ROUNDS: usize = 400;

/// A small generator of its own: the sequence is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn path(&mut self) -> String {
        if self.roll(2) == 0 {
            return self.pick(&WHOLE_PATHS).to_owned();
        }
        let pieces = (0..=self.roll(3)).map(|_| self.pick(&PIECES).to_owned());
        pieces.collect()
    }
}

/// The status that a service behind the layer would have; 200 for a request that passes. What is no request at all reaches
/// no service.
async fn verdict(estate: &Estate, method: &str, path: &str, credential: &str) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop.example");
    let request = match credential {
        "" => request,
        it => request.header("authorization", it),
    };
    let Ok(request) = request.body(()) else {
        return 400;
    };
    match estate.resource.authorize(&request.into_parts().0).await {
        Ok(_) => 200,
        Err(refused) => refused.into_response().status().as_u16(),
    }
}

#[tokio::test]
async fn every_protocol_reaches_the_verdict_of_the_service_itself() {
    let estate = Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await;
    estate.resource.load_keys().await.unwrap();
    let tokens = [token_of("alice"), token("bob", "orders.delete")];
    let good = tokens.map(|token| format!("Bearer {token}"));
    let credentials = [
        "",
        &good[0],
        &good[1],
        "Bearer a.b.c",
        "bearer",
        "Basic YTpi",
        "Bearer  x",
        "DPoP a.b.c",
        "Bearer \u{e9}",
    ];
    let mut dice = Dice(0x5eed_0009);
    let mut passed = 0;
    for round in 0..ROUNDS {
        let path = dice.path();
        let method = dice.pick(&METHODS);
        let credential = dice.pick(&credentials);
        if !path.starts_with('/') {
            continue;
        }
        let expected = verdict(&estate, method, &path, credential).await;
        let line = format!("Authorization: {credential}");
        let more: &[&str] = if credential.is_empty() { &[] } else { &[&line] };
        for (protocol, answer) in by_each(&estate, [method, &path], more).await {
            let refused_by_nginx = protocol == "nginx" && expected == 400 && answer.status == 403;
            assert!(
                answer.status == expected || refused_by_nginx,
                "round {round}, {protocol} {method} {path} {credential}: {expected} {answer:?}"
            );
        }
        let headers = [("authorization", credential)];
        let headers: &[_] = if credential.is_empty() { &[] } else { &headers };
        let answer = estate.check(&Question::new(method, &path, headers)).await;
        let status = answer.status.unwrap_or(200);
        assert_eq!(
            status, expected,
            "round {round}, gRPC {method} {path} {credential}: {answer:?}"
        );
        assert_eq!(answer.code == 0, expected == 200);
        passed += usize::from(expected == 200);
    }
    assert!(passed > 40, "{passed}: too few to mean anything");
}
