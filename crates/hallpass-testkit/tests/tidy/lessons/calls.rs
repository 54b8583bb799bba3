//! What users of verifiers, gateways and token clients have asked for and met with: tokens, calls, and switches.

use super::row::{Lesson, held};

pub(super) const CALLS: &[Lesson] = &[
    held(
        "audience confusion",
        "an absent aud is not one that fits",
        (
            "hallpass-token/tests/integration/attacks/claims.rs",
            "what_must_be_there_must_be_there",
        ),
    ),
    held(
        "audience confusion",
        "no header says for whom a token must be",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "no_header_of_a_request_says_which_audience_is_ours",
        ),
    ),
    held(
        "latency",
        "a token is verified once and then remembered",
        (
            "hallpass-resource/tests/integration/cache.rs",
            "a_token_is_verified_once_and_then_remembered",
        ),
    ),
    held(
        "latency",
        "of many issuers only the one that a token names is looked at",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "of_sixty_issuers_only_the_one_that_a_token_names_is_asked_for_its_keys",
        ),
    ),
    held(
        "latency",
        "no chain of certificates in a token costs anything",
        (
            "hallpass-token/tests/integration/attacks/header.rs",
            "no_key_comes_from_the_token",
        ),
    ),
    held(
        "verified cache",
        "what is remembered is bounded by bytes",
        (
            "hallpass-resource/tests/integration/cache.rs",
            "the_cache_keeps_to_its_bytes",
        ),
    ),
    held(
        "verified cache",
        "a long token is remembered too",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "a_token_of_nearly_eight_kilobytes_is_remembered_like_a_short_one",
        ),
    ),
    held(
        "header spoofing",
        "a header of identity is removed also where nobody is known",
        (
            "hallpass-resource/tests/integration/paths.rs",
            "identity_headers_from_outside_never_arrive",
        ),
    ),
    held(
        "header spoofing",
        "spellings that a program behind folds are removed",
        (
            "hallpass-resource/src/identity_headers.rs",
            "every_spelling_of_an_identity_header_is_removed_and_nothing_else",
        ),
    ),
    held(
        "header spoofing",
        "paths that need no token are stripped too, at every proxy",
        (
            "hallpass-testkit/tests/authz/protocols.rs",
            "who_is_nobody_bears_no_identity_that_it_wrote_itself",
        ),
    ),
    held(
        "large tokens",
        "a token that is too long costs nothing",
        (
            "hallpass-resource/tests/integration/attacks.rs",
            "a_megabyte_of_token_is_refused_before_it_is_parsed",
        ),
    ),
    held(
        "large tokens",
        "who sends one learns what is wrong, and open routes stay open",
        (
            "hallpass-resource/tests/integration/open_routes.rs",
            "a_token_that_is_too_long_has_a_code_of_its_own_and_does_not_close_open_routes",
        ),
    ),
    held(
        "large tokens",
        "what the settings allow passes the listener too",
        (
            "hallpass-testkit/tests/attacks/large_tokens.rs",
            "a_token_as_long_as_the_settings_allow_arrives_and_a_longer_one_is_told_what_is_wrong",
        ),
    ),
    held(
        "large tokens",
        "our issuer signs nothing that our verifier would call too long",
        (
            "hallpass-token/src/sign/tests.rs",
            "the_size_budget_counts_every_byte",
        ),
    ),
    held(
        "stale injection",
        "no token is handed out after its end",
        (
            "hallpass-client/tests/integration/property.rs",
            "no_expired_token_is_ever_handed_out_and_no_key_has_two_requests_at_once",
        ),
    ),
    held(
        "stale injection",
        "a token that nobody uses is not renewed",
        (
            "hallpass-client/tests/integration/renewal.rs",
            "a_token_that_nobody_uses_is_not_renewed",
        ),
    ),
    held(
        "stale injection",
        "a response without a token, whatever its status, is no end of asking",
        (
            "hallpass-client/tests/integration/outage.rs",
            "no_kind_of_error_stops_renewal_for_good",
        ),
    ),
    held(
        "stale injection",
        "a proxy gets no token for its upstream rather than an old one",
        (
            "hallpass-testkit/tests/authz/outages.rs",
            "an_issuer_that_is_down_costs_tokens_for_upstreams_and_no_decision_that_needs_none",
        ),
    ),
    held(
        "relay store",
        "a second instance finds the token that the first one got",
        (
            "hallpass-client/tests/integration/cache_tiers.rs",
            "a_second_process_takes_the_token_from_the_shared_tier",
        ),
    ),
    held(
        "streams outlive exp",
        "a WebSocket ends with its token",
        (
            "hallpass-resource/tests/integration/streams.rs",
            "a_websocket_ends_with_its_token",
        ),
    ),
    held(
        "streams outlive exp",
        "a stream of events ends with its token",
        (
            "hallpass-resource/tests/integration/streams.rs",
            "a_stream_of_events_ends_with_its_token_and_its_reader_can_tell",
        ),
    ),
    held(
        "shadow mode wanted",
        "who would be denied is known by name before anybody is",
        (
            "hallpass-cli/tests/integration/policy_readiness.rs",
            "each_step_is_taken_from_the_file_and_back_and_who_would_be_denied_is_named",
        ),
    ),
    held(
        "policy overlap",
        "a rule of one table takes the place of none of another",
        (
            "hallpass-resource/tests/integration/strictness.rs",
            "no_rule_of_another_table_opens_what_a_rule_closes",
        ),
    ),
    held(
        "dev bypass shipped",
        "a switch that lets everything pass does not start in production",
        (
            "hallpass-resource/tests/integration/modes.rs",
            "permit_all_does_not_start_beside_a_production_signal",
        ),
    ),
    held(
        "dev bypass shipped",
        "a blank value takes no check away",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "no_blank_value_of_the_settings_takes_a_check_away",
        ),
    ),
    held(
        "framing",
        "a request with two lengths is none, whichever parser is behind",
        (
            "hallpass-testkit/tests/attacks/main.rs",
            "no_hostile_request_is_accepted_or_forwarded_and_none_ends_the_service",
        ),
    ),
    held(
        "relay store",
        "a gateway keeps no session of a user in one instance",
        (
            "hallpass-testkit/tests/attacks/forwarded.rs",
            "two_gateways_serve_one_user_by_turns",
        ),
    ),
    held(
        "stale injection",
        "what a sidecar injects is renewed without a request",
        (
            "hallpass-testkit/tests/sidecar/warm.rs",
            "what_a_sidecar_injects_is_renewed_without_a_request",
        ),
    ),
    held(
        "framing",
        "bytes go to an upstream in one framing, which is ours",
        (
            "hallpass-testkit/tests/attacks/smuggling.rs",
            "each_good_request_reaches_the_upstream_once_in_the_framing_of_the_gateway",
        ),
    ),
];
