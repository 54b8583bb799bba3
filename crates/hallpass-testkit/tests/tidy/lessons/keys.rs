//! What users of verifiers have asked for and met with: keys, and those who publish them.

use super::row::{Lesson, held};

pub(super) const KEYS: &[Lesson] = &[
    held(
        "unknown kid",
        "a new key is found at its first token, not when the kept set ends",
        (
            "hallpass-resource/tests/integration/keys.rs",
            "a_rotated_key_is_found_at_its_first_token_and_no_call_fails",
        ),
    ),
    held(
        "unknown kid",
        "many threads that find an unknown name at once do no harm to each other",
        (
            "hallpass-resource/tests/integration/keys.rs",
            "a_thousand_bogus_kids_at_once_cost_a_few_fetches",
        ),
    ),
    held(
        "rotation gap",
        "a key that was replaced under its name is not missed for an hour",
        (
            "hallpass-resource/tests/integration/key_budgets.rs",
            "a_key_that_was_replaced_under_its_name_is_found_at_its_first_token",
        ),
    ),
    held(
        "rotation gap",
        "keys that could not be had at the start are asked for again",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "start_order_does_not_matter",
        ),
    ),
    held(
        "JWKS outage",
        "trouble on the way to the issuer takes no key away",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "the_last_good_keys_serve_while_the_issuer_is_down_but_not_for_ever",
        ),
    ),
    held(
        "JWKS outage",
        "an issuer that is away for an hour is no outage of those who verify, and is seen",
        (
            "hallpass-resource/tests/integration/key_budgets.rs",
            "known_keys_serve_for_an_hour_without_their_issuer_and_their_age_is_seen",
        ),
    ),
    held(
        "JWKS outage",
        "a set that says nothing is not put in the place of good keys",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "a_nonsense_answer_is_a_clear_error_and_takes_no_keys_away",
        ),
    ),
    held(
        "blocking refresh",
        "one slow fetch holds up nobody whose key is known",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "while_one_issuer_hangs_no_call_with_known_keys_and_none_of_another_issuer_waits",
        ),
    ),
    held(
        "blocking refresh",
        "a fetch has an end of its own",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "a_fetch_has_its_own_end",
        ),
    ),
    held(
        "blocking refresh",
        "bursts of unknown names do not reach the issuer",
        (
            "hallpass-resource/tests/integration/key_budgets.rs",
            "a_thousand_bogus_kids_cost_three_fetches_and_delay_a_rotated_key_by_a_second_at_most",
        ),
    ),
    held(
        "key removed yet trusted",
        "a key that was withdrawn verifies nothing after the age of the set",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "a_withdrawn_key_is_not_trusted_any_more_after_the_age_of_the_set",
        ),
    ),
    held(
        "key removed yet trusted",
        "nor does what was verified by it before",
        (
            "hallpass-resource/tests/integration/cache.rs",
            "a_key_that_leaves_takes_its_tokens_along_and_a_key_that_comes_does_not",
        ),
    ),
    held(
        "outage tolerance wanted",
        "keys are renewed ahead of their end, off the path of requests",
        (
            "hallpass-resource/tests/integration/keys.rs",
            "keys_are_renewed_in_the_background_before_their_age_ends",
        ),
    ),
    held(
        "outage tolerance wanted",
        "for how long old keys serve is bounded, for remembered tokens too",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "a_cached_token_does_not_outlive_the_last_good_keys",
        ),
    ),
    held(
        "outage tolerance wanted",
        "how often an issuer is asked is a setting, and one that can change",
        (
            "hallpass-resource/tests/integration/apply_keys.rs",
            "another_cooldown_holds_from_the_change_on",
        ),
    ),
    held(
        "thundering herd",
        "those who need keys at once share one fetch",
        (
            "hallpass-resource/tests/integration/keys.rs",
            "keys_are_fetched_once_for_many_callers_at_a_cold_start",
        ),
    ),
    held(
        "thundering herd",
        "a name that was asked for in vain is remembered as such",
        (
            "hallpass-resource/tests/integration/keys.rs",
            "one_bogus_kid_again_and_again_is_remembered_beyond_the_cooldown",
        ),
    ),
    held(
        "thundering herd",
        "what is remembered of unknown names has a bound",
        (
            "hallpass-resource/src/key_source/unknown_kids.rs",
            "no_number_of_kids_makes_it_grow_beyond_its_bound",
        ),
    ),
    held(
        "thundering herd",
        "an issuer that fails is not asked for each call",
        (
            "hallpass-resource/tests/integration/keys_trouble.rs",
            "an_issuer_that_is_down_is_not_asked_for_every_call",
        ),
    ),
    held(
        "thundering herd",
        "a set that did not change is not sent again",
        (
            "hallpass-issuer/tests/integration/documents.rs",
            "the_key_set_may_be_kept_and_is_sent_again_only_when_it_changed",
        ),
    ),
    held(
        "thundering herd",
        "those who need a token at once share one request",
        (
            "hallpass-client/tests/integration/single_flight.rs",
            "a_thousand_concurrent_callers_at_a_cold_cache_make_one_token_request",
        ),
    ),
    held(
        "issuer side",
        "the next key is published before it signs",
        (
            "hallpass-issuer/tests/integration/keys.rs",
            "a_new_key_is_published_for_as_long_as_verifiers_may_keep_the_set_before_it_signs",
        ),
    ),
    held(
        "issuer side",
        "verifiers that fetched together do not fetch again together",
        (
            "hallpass-resource/src/key_source/freshness.rs",
            "sets_that_were_fetched_at_one_moment_are_not_renewed_at_one_moment",
        ),
    ),
];
