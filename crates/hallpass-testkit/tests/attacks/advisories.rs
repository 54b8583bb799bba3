//! Each advisory about a verifier, a gateway or a proxy that concerns us, by its name: what it let through is refused here.

use serde_json::json;

use crate::case::{Case, Expected, request, with_token};
use crate::rig::Rig;
use crate::{claims, framing, headers, http2, keys, paths, structure};

/// The token says by which algorithm it is verified: none, or our public key as a secret.
#[tokio::test]
async fn cve_2015_9235_the_header_does_not_choose_the_algorithm() {
    let rig = Rig::start().await;
    rig.assert_refused(keys::unsigned(&rig.forge)).await;
    rig.assert_refused(keys::public_key_as_secret(&rig.forge))
        .await;
    rig.assert_refused(keys::algorithms(&rig.forge)).await;
}

/// A key that the token brings along (also CVE-2018-0114).
#[tokio::test]
async fn cve_2018_0114_a_key_in_the_header_is_nobodys() {
    let rig = Rig::start().await;
    rig.assert_refused(keys::own_keys(&rig)).await;
}

/// Java took the signature of two zeros for one of everything.
#[tokio::test]
async fn cve_2022_21449_a_signature_of_zeros_verifies_nothing() {
    let rig = Rig::start().await;
    rig.assert_refused(structure::signatures(&rig.forge)).await;
}

/// jwt-go took an audience of the wrong type for none.
#[tokio::test]
async fn cve_2020_26160_an_audience_of_a_wrong_type_is_not_an_absent_one() {
    let rig = Rig::start().await;
    rig.assert_refused(claims::audiences(&rig.forge)).await;
}

/// fast-jwt took a list of issuers.
#[tokio::test]
async fn cve_2025_30144_an_issuer_is_one_text() {
    let rig = Rig::start().await;
    let lists = [
        json!(["internal", "evil"]),
        json!(["evil", "internal"]),
        json!(["internal"]),
    ];
    let case = |list| Case::bad_token("iss", &rig.forge.with_claim("iss", Some(list)));
    rig.assert_refused(lists.map(case).to_vec()).await;
}

/// jsonwebtoken took an `exp` or `nbf` of the wrong type for none.
#[tokio::test]
async fn cve_2026_25537_a_time_of_a_wrong_type_is_not_an_absent_one() {
    let rig = Rig::start().await;
    rig.assert_refused(claims::times(&rig.forge)).await;
}

/// golang-jwt and go-jose (CVE-2025-27144) split without a limit.
#[tokio::test]
async fn cve_2025_30204_a_token_of_dots_costs_nothing() {
    let rig = Rig::start().await;
    let dots = [1_000, 4_000, 8_000].map(|count| Case::bad_token("dots", &".".repeat(count)));
    rig.assert_refused(dots.to_vec()).await;
    let more = with_token("GET /orders/7", &".".repeat(12_000));
    let too_large = Expected::Refused(431, "token_too_large");
    rig.assert_refused(vec![Case::new("12,000 dots", more, too_large)])
        .await;
}

/// authlib went on past a `crit` that it did not know.
#[tokio::test]
async fn cve_2025_59420_what_must_be_understood_is_understood_or_refused() {
    let rig = Rig::start().await;
    rig.assert_refused(keys::crit(&rig.forge)).await;
}

/// json-jwt took a JWE where a JWS was due.
#[tokio::test]
async fn cve_2023_51774_an_encrypted_token_is_not_a_signed_one() {
    let rig = Rig::start().await;
    rig.assert_refused(structure::segments(&rig.forge)).await;
}

/// Envoy: "a missing token is fine" was satisfied by a bad one. An open route refuses what is known to be bad.
#[tokio::test]
async fn cve_2021_21378_a_bad_token_is_not_a_missing_one() {
    let rig = Rig::start().await;
    let expected = Expected::Refused(401, "invalid_token");
    let bad = [
        rig.stranger.good(),
        rig.forge.with_claim("exp", Some(json!(1))),
        "a.b.c".to_owned(),
    ];
    let case = |token: String| Case::new("open", with_token("GET /open", &token), expected);
    rig.assert_refused(bad.map(case).to_vec()).await;
}

/// Envoy, and oauth2-proxy's CVE-2025-64484: headers of identity from outside, in spellings that a program behind folds.
#[tokio::test]
async fn cve_2024_45806_identity_from_outside_is_nobodys() {
    let rig = Rig::start().await;
    rig.assert_refused(headers::identity()).await;
}

/// pingora (CVE-2026-2833, CVE-2026-2835, CVE-2025-4366) and many before: two ends of one request.
#[tokio::test]
async fn cve_2026_2835_a_request_has_one_end() {
    let rig = Rig::start().await;
    let good = rig.forge.good();
    rig.assert_refused(framing::lengths(&good)).await;
    rig.assert_refused(framing::chunks(&good)).await;
}

/// Envoy: bytes behind a request that asks for an upgrade were forwarded before the upgrade was accepted.
#[tokio::test]
async fn cve_2025_64763_nothing_behind_a_refused_upgrade_is_handled() {
    let rig = Rig::start().await;
    let mut cases = Vec::new();
    for (method, lines) in [
        (
            "GET",
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        (
            "GET",
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n",
        ),
    ] {
        let head = format!("{method} /orders/7 HTTP/1.1\r\nhost: shop\r\n{lines}\r\n");
        // What follows is of the protocol that was not agreed on, and no request.
        let bytes = [head.as_bytes(), &[0x81, 0x05], b"hello"].concat();
        cases.push(Case::new(lines, bytes, Expected::AnyRefusal));
    }
    rig.assert_refused(cases).await;
}

/// Istio (CVE-2020-8595, CVE-2021-31920, CVE-2021-29492, CVE-2021-39155, CVE-2021-39156): rules and routes read the path
/// differently.
#[tokio::test]
async fn cve_2021_31920_rules_and_routes_read_one_path() {
    let rig = Rig::start().await;
    rig.assert_refused(paths::ambiguous(&rig.forge)).await;
    rig.assert_refused(paths::around_open_routes()).await;
    rig.assert_refused(paths::other_spellings(&rig.forge)).await;
}

/// Istio's parser ended the process.
#[tokio::test]
async fn cve_2019_12995_no_token_ends_the_service() {
    let rig = Rig::start().await;
    rig.assert_refused(structure::payloads(&rig.forge)).await;
    rig.assert_refused(structure::encodings(&rig.forge)).await;
}

/// oathkeeper (also GHSA-4mq7-pvjg-xp2r, GHSA-vhr5-ggp3-qq85): a cached verdict of one route held for another.
#[tokio::test]
async fn ghsa_p224_6x5r_fjpm_a_token_that_was_good_for_one_route_is_judged_for_the_next() {
    let rig = Rig::start().await;
    rig.assert_serves().await;
    let good = rig.forge.good();
    let narrow = Expected::Refused(403, "insufficient_scope");
    let internal = Expected::Refused(403, "service_required");
    rig.assert_refused(vec![
        Case::new("other scope", with_token("GET /either", &good), narrow),
        Case::new("no rule", with_token("GET /elsewhere", &good), narrow),
        Case::new(
            "internal",
            with_token("GET /internal/report", &good),
            internal,
        ),
    ])
    .await;
}

/// oauth2-proxy (also CVE-2026-40575, CVE-2026-34457, CVE-2026-41059): a query, a `User-Agent` or a forwarded address opened
/// routes.
#[tokio::test]
async fn cve_2025_54576_nothing_but_method_and_path_opens_a_route() {
    let rig = Rig::start().await;
    rig.assert_refused(headers::routing_hints()).await;
    let missing = Expected::Refused(401, "missing_token");
    let queries = ["?x=/open", "?/open", "?open", "?skip=true&path=/open"];
    let case = |query| {
        Case::new(
            query,
            request(&format!("GET /orders/7{query}"), ""),
            missing,
        )
    };
    rig.assert_refused(queries.map(case).to_vec()).await;
}

/// grpc-go: a method without its slash fell past the rules.
#[tokio::test]
async fn cve_2026_33186_a_path_begins_with_a_slash() {
    let rig = Rig::start().await;
    let cases = http2::cases(&rig);
    let without = cases.into_iter().filter(|case| case.name.contains("slash"));
    rig.assert_refused(without.collect()).await;
}

/// LiteLLM: a check that failed left an identity behind.
#[tokio::test]
async fn cve_2026_59822_a_failed_check_leaves_nobody() {
    let rig = Rig::start().await;
    let expected = Expected::Refused(401, "invalid_token");
    let bad = rig.forge.with_claim("aud", Some(json!("other")));
    rig.assert_refused(vec![
        Case::new("then anonymous", with_token("GET /whoami", &bad), expected),
        Case::new("open", with_token("GET /open", &bad), expected),
    ])
    .await;
    let missing = Expected::Refused(401, "missing_token");
    rig.assert_refused(vec![Case::new(
        "after it",
        request("GET /whoami", ""),
        missing,
    )])
    .await;
}

/// The cases of HTTP/2 differ from this request by one thing each.
#[tokio::test]
async fn the_good_request_of_http_2_is_handled() {
    let rig = Rig::start().await;
    let good = Case {
        is_http2: true,
        ..Case::new("good", http2::good(&rig), Expected::AnyRefusal)
    };
    assert!(rig.try_case(&good).await.is_err());
    let [accepted, forwarded, panics] = rig.counts();
    assert_eq!([accepted, forwarded, panics], [1, 1, 0]);
}
