//! Who acts by a token and who acted before, as one text of a log.

use std::iter;

use hallpass_token::Actor;

/// Who acts and who acted before, the newest first; whom another issuer calls so, with that issuer.
pub(super) fn actors(actor: &Actor) -> String {
    let chain = iter::successors(Some(actor), |actor| actor.actor.as_deref());
    let names: Vec<_> = chain.map(named).collect();
    names.join(" < ")
}

/// One that could be taken for several, or for one of another issuer, stands between quotation marks.
fn named(actor: &Actor) -> String {
    let is_plain = |text: &str| !text.contains([' ', '<', '"', '(', ')']);
    let shown = |text: &str| match is_plain(text) {
        true => text.to_owned(),
        false => format!("{text:?}"),
    };
    let name = shown(actor.subject.as_str());
    match &actor.issuer {
        None => name,
        Some(issuer) => format!("{name} ({})", shown(issuer.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_an_actor_passes_for_two_or_for_a_client_here() {
        let foreign = |name: &str, before| Actor {
            issuer: Some("https://login.example".parse().unwrap()),
            actor: before,
            ..Actor::new(name.parse().unwrap())
        };
        let before = foreign("billing < shop", Some(Box::new(foreign("billing", None))));
        let chain = Actor {
            actor: Some(Box::new(before)),
            ..Actor::new("order".parse().unwrap())
        };
        let expected =
            "order < \"billing < shop\" (https://login.example) < billing (https://login.example)";
        assert_eq!(actors(&chain), expected);
    }
}
