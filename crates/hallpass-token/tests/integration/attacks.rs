//! What attackers send, and the answer each of them gets.

mod claims;
mod form;
mod header;
mod keys;

use crate::forge::{CLAIMS, Forge, HEADER, receive};

/// One attack: what is sent, and the code of the refusal.
type Row<'a> = (&'a str, String, &'static str);

/// Sends every row, and says which ones got another answer than they should.
fn check(rows: &[Row<'_>]) {
    let answers = rows.iter().map(|(name, token, expected)| {
        let code = receive(token).map_or_else(|error| error.code(), |_| "accepted");
        (code != *expected).then(|| format!("{name}: {code} instead of {expected}"))
    });
    let wrong: Vec<String> = answers.flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_sound_token_that_all_attacks_start_from_is_accepted() {
    assert_eq!(
        receive(&Forge::issuer().token(HEADER, CLAIMS))
            .map(|claims| claims.subject.to_string())
            .as_deref(),
        Ok("order-service")
    );
}
