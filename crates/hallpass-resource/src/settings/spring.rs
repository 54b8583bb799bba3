//! What people write into a rule who come from Spring Security, and what stands in its place here.

use hallpass_config::Key;

/// What to write in place of this value of `rule`: a method of Spring's `authorizeHttpRequests`, or an expression that begins
/// with one. Case and dashes do not count.
pub(super) fn advice(rule: &str) -> Option<&'static str> {
    let name = rule.split('(').next().unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    match name.to_ascii_lowercase().as_str() {
        "permitall" => Some("`permitAll` is `anonymous` here"),
        "denyall" => Some("what no rule is for is denied here: leave the entry out"),
        "fullyauthenticated" | "isauthenticated" | "isfullyauthenticated" => {
            Some("here it is `authenticated`")
        }
        "isanonymous" => Some("there is no rule for callers without a token alone"),
        "hasrole" | "hasanyrole" => Some(
            "here it is `rule: authenticated` with `roles` or `any-role` beside it, without `ROLE_`",
        ),
        "hasauthority" | "hasanyauthority" => Some(
            "here it is `rule: authenticated` with `authorities` or `any-authority` beside it, or `rule: scopes` for `SCOPE_...`",
        ),
        "hasscope" | "hasanyscope" => Some("here it is `rule: scopes` with `all` or `any`"),
        "hasipaddress" | "access" => Some(ACCESS),
        _ => None,
    }
}

/// Why a scope that is written as Spring's authorities are is a slip: no token has it.
pub(super) const SCOPE_PREFIX: &str = "scopes stand here as they do in tokens, without `SCOPE_`; one that is really called so is `authorities: [SCOPE_SCOPE_...]`";

const ACCESS: &str = "expressions are not read: see docs/policy.md for what stands in their place";
const AUTHORITIES: &str = "here it is `authorities` or `any-authority`";
const CLAIM: &str = "here it is `authority-claims`, or `role-claims` for what becomes `ROLE_...`";
const PATH: &str = "here it is `path`, one in each entry";
const PATHS: &str = "here it is `paths`";
const ROLES: &str = "here it is `roles` or `any-role`, without `ROLE_`";
const SCOPES: &str = "here it is `all` or `any`, beside `rule: scopes`";

// In an entry of `routes`.
pub(super) const ACCESS_KEY: Key = Key::not_ours("access", ACCESS);
pub(super) const HAS_ANY_AUTHORITY: Key = Key::not_ours("has-any-authority", AUTHORITIES);
pub(super) const HAS_ANY_ROLE: Key = Key::not_ours("has-any-role", ROLES);
pub(super) const HAS_ANY_SCOPE: Key = Key::not_ours("has-any-scope", SCOPES);
pub(super) const HAS_AUTHORITY: Key = Key::not_ours("has-authority", AUTHORITIES);
pub(super) const HAS_ROLE: Key = Key::not_ours("has-role", ROLES);
pub(super) const HAS_SCOPE: Key = Key::not_ours("has-scope", SCOPES);
pub(super) const PATHS_OF_ROUTE: Key = Key::not_ours("paths", PATH);
pub(super) const PATTERN: Key = Key::not_ours("pattern", PATH);
pub(super) const PERMIT_ALL: Key = Key::not_ours("permit-all", "here it is `rule: anonymous`");
pub(super) const SCOPES_KEY: Key = Key::not_ours("scopes", SCOPES);
pub(super) const URL: Key = Key::not_ours("url", PATH);

// In `internal-only`.
pub(super) const URLS_OF_INTERNAL: Key = Key::not_ours("urls", PATHS);
pub(super) const URL_PATTERNS: Key = Key::not_ours("url-patterns", PATHS);

// In `internal-jwt`, or in an entry of `issuers`.
pub(super) const AUTHORITIES_CLAIM: Key = Key::not_ours("authorities-claim-name", CLAIM);
pub(super) const AUTHORITIES_DELIMITER: Key = Key::not_ours(
    "authorities-claim-delimiter",
    "a claim with several roles or authorities is a list here: let the issuer write one",
);
pub(super) const AUTHORITY_PREFIX: Key = Key::not_ours(
    "authority-prefix",
    "scopes are `SCOPE_...` and roles `ROLE_...` in `authorities`, and nothing is put before what stands in `authority-claims`",
);
pub(super) const CLOCK_SKEW: Key = Key::not_ours("clock-skew", "here it is `leeway-seconds`");
pub(super) const ENABLED: Key =
    Key::not_ours("enabled", "here it is `mode`: `enforce`, `report` or `off`");
pub(super) const OPAQUE_TOKEN: Key = Key::not_ours(
    "opaquetoken",
    "here it is `introspection`, with `url`, `client-id` and `client-secret`",
);
