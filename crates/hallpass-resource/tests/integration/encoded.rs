//! Values with characters that are structure for some programs, in percent encoding.

use axum::Router;
use axum::extract::Path;
use axum::routing::any;
use hallpass_resource::{EncodedCharacters, Rule, SecuritySettings};

use crate::support::{App, AppBuilder, Forge, get, test_clock};

const NOTHING: EncodedCharacters = EncodedCharacters {
    slash: false,
    backslash: false,
    semicolon: false,
    percent: false,
};

/// A path, what its handler reads, and the setting that allows it.
const VALUES: [(&str, &str, EncodedCharacters); 4] = [
    (
        "/items/2024%2F001",
        "2024/001",
        EncodedCharacters {
            slash: true,
            ..NOTHING
        },
    ),
    (
        "/items/a%5Cb",
        "a\\b",
        EncodedCharacters {
            backslash: true,
            ..NOTHING
        },
    ),
    (
        "/items/a%3Bb",
        "a;b",
        EncodedCharacters {
            semicolon: true,
            ..NOTHING
        },
    ),
    (
        "/items/%2541",
        "%41",
        EncodedCharacters {
            percent: true,
            ..NOTHING
        },
    ),
];

async fn start(allowed: EncodedCharacters) -> App {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let mut settings = SecuritySettings::default();
    settings.paths.allow_encoded = allowed;
    let server = crate::settings::builder(&settings, &clock)
        .route_any("/items/{id}", Rule::Anonymous)
        .route_any("/items/{id}/secret", Rule::Authenticated)
        .route_any("/admin/**", Rule::Authenticated);
    let tell = |Path(id): Path<String>| async move { id };
    let routes = Router::new()
        .route("/items/{id}", any(tell))
        .route("/items/{id}/secret", any(async || "secret"))
        .fallback(async || "fallback");
    let app = AppBuilder::new(&clock).with(|_| server);
    app.trusting_fixed(&forge).start_with(routes).await
}

#[tokio::test]
async fn encoded_characters_are_refused_unless_a_setting_allows_them_and_then_belong_to_the_value()
{
    let closed = start(NOTHING).await;
    for (path, value, allowed) in VALUES {
        let refused = (400, "ambiguous_path".to_owned());
        assert_eq!(
            get(closed.address, path, None).await.refusal(),
            refused,
            "{path}"
        );
        // Each name allows one of them.
        let app = start(allowed).await;
        for (other, _, allows) in VALUES {
            let expected = if allows == allowed { 200 } else { 400 };
            let response = get(app.address, other, None).await;
            assert_eq!(response.status, expected, "{allowed:?} {other}");
        }
        assert_eq!(get(app.address, path, None).await.body, value);
    }
}

#[tokio::test]
async fn no_setting_allows_dots_control_characters_and_plain_structure() {
    for (_, _, allowed) in VALUES {
        let app = start(allowed).await;
        for path in [
            "/items/%2e%2e",
            "/items/a;b",
            "/items/a\\b",
            "/items/..%2F..%2Fadmin%2Fx",
            "/items/..%3B",
            "/items/%252e%252e",
            "/items/%00",
            "/items//x",
        ] {
            assert_eq!(
                get(app.address, path, None).await.status,
                400,
                "{allowed:?} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_rules_of_the_path_that_another_program_would_read_hold_too() {
    let app = start(EncodedCharacters {
        slash: true,
        backslash: true,
        semicolon: true,
        percent: true,
    })
    .await;
    for path in [
        "/items/7%2Fsecret",
        "/items/7%5Csecret",
        "/items/7%252Fsecret",
    ] {
        assert_eq!(get(app.address, path, None).await.status, 401, "{path}");
    }
}
