//! The fuzz target without a fuzzer: questions, and what small damage makes of them.

use crate::damage::Damage;
use crate::entry;

const BY_HTTP: [&str; 6] = [
    "nx-original-method: GET\nx-original-uri: /open\nx-original-host: shop.example\nx-user-id: admin\nx-tenant-id: south",
    "nx-original-method: GET\nx-original-uri: /open/../internal/a\nx-original-host: shop.example",
    "fx-forwarded-method: GET\nx-forwarded-uri: /files/a?b\nx-forwarded-host: shop.example\nx-forwarded-proto: https",
    "fx-forwarded-method: GET\nx-forwarded-uri: /orders/7\nx-forwarded-host: shop.example\nx-forwarded-proto: wss",
    "e/open/page\nhost: shop.example\nx_user_id: admin\nx.tenant.id: south",
    "e/files/%2e%2e/internal/a\nhost: shop.example",
];

/// `CheckRequest` with method, path and host, and the header `x-user-id` by both ways.
fn messages() -> Vec<Vec<u8>> {
    let field = |number: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).unwrap();
        [&[number << 3 | 2, length], value].concat()
    };
    let header = [field(1, b"x-user-id"), field(2, b"admin")].concat();
    let by_map = field(3, &header);
    let by_list = field(13, &field(1, &header));
    let messages = [by_map, by_list].map(|headers| {
        let http = [
            field(2, b"GET"),
            headers,
            field(4, b"/open"),
            field(5, b"shop.example"),
        ];
        let request = field(2, &http.concat());
        [b"m", field(1, &field(4, &request)).as_slice()].concat()
    });
    let message = &messages[0][1..];
    let framed = [
        b"g\0\0\0\0",
        &[u8::try_from(message.len()).unwrap()][..],
        message,
    ]
    .concat();
    messages.into_iter().chain([framed]).collect()
}

#[test]
fn the_target_for_questions_runs() {
    let damage = Damage::new(&[
        b"/",
        b"%2f",
        b"..",
        b"/../",
        b";",
        b"%",
        b"#",
        b"?",
        b",",
        b": ",
        b"\n",
        b"\r\n",
        b"_",
        b"host: a\n",
        b"x-tenant-id: south\n",
        b"x_tenant-id: south\n",
        b"\x22",
        b"\xff",
    ]);
    let by_http = BY_HTTP.map(|text| text.as_bytes().to_vec());
    let seeds: Vec<Vec<u8>> = by_http.into_iter().chain(messages()).collect();
    // Each protocol is spoken well enough for a request to pass.
    let passing = seeds.iter().map(|seed| entry::passes(seed));
    let passing: Vec<bool> = passing.collect();
    assert_eq!(
        passing,
        [true, false, true, false, true, false, true, true, true]
    );
    let seeds_in = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/question");
    damage.run(entry::question, &seeds, seeds_in);
}
