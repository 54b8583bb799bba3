//! Advisories about verifiers, gateways, proxies and their libraries.

use super::row::{Lesson, held};

pub(super) const ADVISORIES: &[Lesson] = &[
    held(
        "CVE-2015-9235",
        "the header of a token does not choose its algorithm",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2015_9235_the_header_does_not_choose_the_algorithm",
        ),
    ),
    held(
        "CVE-2018-0114",
        "a key in the header of a token is nobody's",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2018_0114_a_key_in_the_header_is_nobodys",
        ),
    ),
    held(
        "CVE-2022-21449",
        "a signature of zeros verifies nothing",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2022_21449_a_signature_of_zeros_verifies_nothing",
        ),
    ),
    held(
        "CVE-2020-26160",
        "an audience of a wrong type is not an absent one",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2020_26160_an_audience_of_a_wrong_type_is_not_an_absent_one",
        ),
    ),
    held(
        "CVE-2025-30144",
        "an issuer is one text",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2025_30144_an_issuer_is_one_text",
        ),
    ),
    held(
        "CVE-2026-25537",
        "a time of a wrong type is not an absent one",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2026_25537_a_time_of_a_wrong_type_is_not_an_absent_one",
        ),
    ),
    held(
        "CVE-2025-30204, CVE-2025-27144",
        "a token of dots costs nothing",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2025_30204_a_token_of_dots_costs_nothing",
        ),
    ),
    held(
        "CVE-2025-59420",
        "what must be understood is understood or refused",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2025_59420_what_must_be_understood_is_understood_or_refused",
        ),
    ),
    held(
        "CVE-2023-51774",
        "an encrypted token is not a signed one",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2023_51774_an_encrypted_token_is_not_a_signed_one",
        ),
    ),
    held(
        "RUSTSEC-2023-0071",
        "RSA is signed by a library without a leak in time",
        (
            "hallpass-testkit/tests/tidy/banned.rs",
            "no_banned_crate_is_locked",
        ),
    ),
    held(
        "CVE-2021-21378",
        "a bad token is not a missing one",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2021_21378_a_bad_token_is_not_a_missing_one",
        ),
    ),
    held(
        "CVE-2024-45809, CVE-2025-64527",
        "a request that waited for keys is judged by what it came under",
        (
            "hallpass-resource/tests/integration/apply.rs",
            "a_call_that_has_begun_goes_on_with_what_it_began_with",
        ),
    ),
    held(
        "CVE-2024-45809, CVE-2025-64527",
        "several tokens while no keys can be had end nothing",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "cve_2025_64527_several_tokens_while_no_keys_can_be_had_are_one_bad_request",
        ),
    ),
    held(
        "CVE-2024-45806, CVE-2025-64484",
        "identity from outside is nobody's",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2024_45806_identity_from_outside_is_nobodys",
        ),
    ),
    held(
        "CVE-2022-21656, CVE-2025-66220",
        "alternative names have their kind, and are compared whole",
        (
            "hallpass-tls/src/names/tests.rs",
            "alternative_names_are_told_apart_by_their_kind_and_compared_whole",
        ),
    ),
    held(
        "CVE-2025-64763",
        "nothing behind a refused upgrade is handled",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2025_64763_nothing_behind_a_refused_upgrade_is_handled",
        ),
    ),
    held(
        "CVE-2026-2833, CVE-2026-2835, CVE-2025-4366",
        "a request has one end",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2026_2835_a_request_has_one_end",
        ),
    ),
    held(
        "CVE-2026-2836",
        "what is kept for one caller is given to no other",
        (
            "hallpass-client/tests/integration/exchange.rs",
            "nobody_gets_the_token_of_another_caller",
        ),
    ),
    held(
        "RUSTSEC-2025-0070, RUSTSEC-2026-0258",
        "who makes the server reset streams loses the connection",
        (
            "hallpass-listen/tests/integration/http2.rs",
            "a_peer_that_makes_the_server_reset_streams_loses_its_connection",
        ),
    ),
    held(
        "RUSTSEC-2025-0070, RUSTSEC-2026-0258",
        "who resets what he asks for loses the connection",
        (
            "hallpass-listen/tests/integration/http2.rs",
            "a_peer_that_resets_what_it_asks_for_loses_its_connection",
        ),
    ),
    held(
        "RUSTSEC-2026-0049, -0098, -0099, -0104",
        "certificates of clients are checked by a library without these faults",
        (
            "hallpass-testkit/tests/tidy/lessons.rs",
            "rustsec_2026_0049_libraries_are_locked_at_versions_that_are_mended",
        ),
    ),
    held(
        "CVE-2019-12995",
        "no token ends the service",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2019_12995_no_token_ends_the_service",
        ),
    ),
    held(
        "CVE-2020-8595, CVE-2021-31920, CVE-2021-29492, CVE-2021-39155, CVE-2021-39156",
        "rules and routes read one path",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2021_31920_rules_and_routes_read_one_path",
        ),
    ),
    held(
        "GHSA-p224-6x5r-fjpm, GHSA-4mq7-pvjg-xp2r, GHSA-vhr5-ggp3-qq85",
        "a verdict of one route is none of another",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "ghsa_p224_6x5r_fjpm_a_token_that_was_good_for_one_route_is_judged_for_the_next",
        ),
    ),
    held(
        "GHSA-p224-6x5r-fjpm, GHSA-4mq7-pvjg-xp2r, GHSA-vhr5-ggp3-qq85",
        "what a proxy says of a request counts from trusted proxies alone",
        (
            "hallpass-testkit/tests/authz/attacks.rs",
            "an_address_that_is_no_trusted_proxy_gets_no_answer_at_all",
        ),
    ),
    held(
        "CVE-2025-54576, CVE-2026-40575, CVE-2026-34457, CVE-2026-41059",
        "nothing but method and path opens a route",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2025_54576_nothing_but_method_and_path_opens_a_route",
        ),
    ),
    held(
        "CVE-2022-22947, CVE-2025-41243, CVE-2025-41253, CVE-2025-41235",
        "no text of the settings is evaluated",
        (
            "hallpass-resource/tests/integration/lessons.rs",
            "cve_2022_22947_no_text_of_the_settings_is_evaluated",
        ),
    ),
    held(
        "CVE-2022-22947, CVE-2025-41243, CVE-2025-41253, CVE-2025-41235",
        "headers of forwarding are believed from nobody by default",
        (
            "hallpass-resource/tests/integration/targets.rs",
            "no_header_says_what_a_request_is_for",
        ),
    ),
    held(
        "CVE-2026-33186",
        "a path begins with a slash",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2026_33186_a_path_begins_with_a_slash",
        ),
    ),
    held(
        "CVE-2026-59822",
        "a failed check leaves nobody",
        (
            "hallpass-testkit/tests/attacks/advisories.rs",
            "cve_2026_59822_a_failed_check_leaves_nobody",
        ),
    ),
    held(
        "CVE-2026-2836",
        "a kept response is found by host, scheme and identity, or none is kept",
        (
            "hallpass-testkit/tests/attacks/forwarded.rs",
            "no_response_is_kept_for_another_caller",
        ),
    ),
    held(
        "CVE-2025-64763",
        "no bytes go to an upstream before it has taken the upgrade",
        (
            "hallpass-testkit/tests/attacks/upgrades.rs",
            "bytes_behind_a_handshake_wait_until_the_upstream_has_switched",
        ),
    ),
    held(
        "CVE-2024-45809, CVE-2025-64527",
        "the choice of a route is never made again after a wait",
        (
            "hallpass-testkit/tests/attacks/choice.rs",
            "the_choice_of_a_route_is_never_made_again_after_a_wait",
        ),
    ),
];
