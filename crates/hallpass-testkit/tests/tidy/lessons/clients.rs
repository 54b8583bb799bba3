//! What users of token clients, declarative clients and layers of calls have met with elsewhere.

use super::row::{Lesson, held};

pub(super) const CLIENTS: &[Lesson] = &[
    held(
        "breaker drops identity",
        "a breaker that runs the call elsewhere has the caller's token",
        (
            "hallpass-testkit/tests/e2e/identity/found.rs",
            "below_a_circuit_breaker_that_runs_the_call_on_another_task",
        ),
    ),
    held(
        "breaker drops identity",
        "a call neither wipes nor leaves anything of the context it is made in",
        (
            "hallpass-feign/tests/integration/context_headers.rs",
            "after_a_call_the_callers_own_context_is_as_before",
        ),
    ),
    held(
        "breaker drops identity",
        "who waits for a place keeps his name",
        (
            "hallpass-testkit/tests/e2e/identity/elsewhere.rs",
            "while_a_call_waits_in_the_queue_of_a_bulkhead",
        ),
    ),
    held(
        "breaker drops identity",
        "limits of every product leave the caller where he was",
        (
            "hallpass-feign/tests/integration/estate/calls.rs",
            "below_a_flow_rule_the_caller_is_still_there",
        ),
    ),
    held(
        "identity of another",
        "a thread of a pool keeps nobody's",
        (
            "hallpass-client/src/context/tests.rs",
            "a_blocking_pool_thread_keeps_nobodys_identity",
        ),
    ),
    held(
        "identity of another",
        "a pool that steals work runs no job that was handed over as somebody else",
        (
            "hallpass-testkit/tests/e2e/identity/elsewhere.rs",
            "a_job_that_a_waiting_one_of_another_user_runs_is_of_its_own_user_or_of_nobody",
        ),
    ),
    held(
        "identity of another",
        "a stack that is kept for all requests keeps no token",
        (
            "hallpass-testkit/tests/e2e/identity/elsewhere.rs",
            "by_each_clone_of_a_tower_service",
        ),
    ),
    held(
        "identity of another",
        "what is fetched for all is fetched as nobody",
        (
            "hallpass-client/src/context/tests/carried_over.rs",
            "what_is_fetched_for_all_is_fetched_in_nobodys_name",
        ),
    ),
    held(
        "identity of another",
        "an exchanged token is its caller's alone",
        (
            "hallpass-client/tests/integration/exchange.rs",
            "nobody_gets_the_token_of_another_caller",
        ),
    ),
    held(
        "identity of another",
        "what travels beside the token makes no part of an exchanged one",
        (
            "hallpass-testkit/tests/e2e/exchanged_tenant.rs",
            "a_tenant_is_no_part_of_an_exchanged_token",
        ),
    ),
    held(
        "identity lost",
        "without a caller nothing leaves, in place of a call without a token",
        (
            "hallpass-testkit/tests/e2e/identity/not_found.rs",
            "in_a_raw_tokio_task",
        ),
    ),
    held(
        "identity lost",
        "raw spawns are found before they run",
        (
            "hallpass-testkit/tests/e2e/raw_spawns.rs",
            "raw_spawns_are_caught",
        ),
    ),
    held(
        "identity lost",
        "a response that streams is still of its request",
        (
            "hallpass-testkit/tests/e2e/identity/found.rs",
            "while_the_response_body_streams",
        ),
    ),
    held(
        "identity lost",
        "an upload that streams is still of its request",
        (
            "hallpass-feign/src/stack/tests.rs",
            "an_upload_that_streams_finds_the_caller_and_the_next_one_on_the_connection_his_own",
        ),
    ),
    held(
        "herd at expiry",
        "callers at one moment make one request for a token",
        (
            "hallpass-client/tests/integration/cache_tiers.rs",
            "without_any_tier_each_wave_of_callers_makes_one_request",
        ),
    ),
    held(
        "herd at expiry",
        "processes do so too",
        (
            "hallpass-client/tests/integration/lease.rs",
            "fifty_processes_at_a_cold_cache_make_one_request",
        ),
    ),
    held(
        "herd at expiry",
        "a service token is one, whoever the users are",
        (
            "hallpass-feign/tests/integration/identities/service.rs",
            "a_caller_does_not_change_what_a_service_call_carries",
        ),
    ),
    held(
        "herd at expiry",
        "a token of a minute is not renewed by every call",
        (
            "hallpass-client/tests/integration/renewal.rs",
            "over_five_minutes_at_any_call_rate_the_issuer_sees_one_request_a_renewal",
        ),
    ),
    held(
        "renewal that fails",
        "a failed early renewal takes no good token away",
        (
            "hallpass-client/tests/integration/outage.rs",
            "a_failed_early_renewal_keeps_the_valid_token",
        ),
    ),
    held(
        "renewal that fails",
        "a page of HTML in place of a token is an error that says so",
        (
            "hallpass-client/tests/integration/responses.rs",
            "a_token_endpoint_that_answers_html_is_a_clear_error",
        ),
    ),
    held(
        "renewal that fails",
        "a client that is gone leaves nothing that runs on",
        (
            "hallpass-feign/tests/integration/observation.rs",
            "what_a_client_with_an_address_of_its_own_leaves_behind_goes_with_it",
        ),
    ),
    held(
        "renewal that fails",
        "who goes away cancels the request of nobody else",
        (
            "hallpass-client/tests/integration/single_flight.rs",
            "a_caller_that_goes_away_first_cancels_none_of_a_thousand_others",
        ),
    ),
    held(
        "renewal that fails",
        "a secret that has changed counts without a restart",
        (
            "hallpass-client/tests/integration/secret_file.rs",
            "a_changed_file_is_read_before_the_next_request",
        ),
    ),
    held(
        "shared cache outage",
        "a cache that hangs costs a call its limit and no more",
        (
            "hallpass-redis/tests/integration/outage.rs",
            "no_call_to_a_server_that_hangs_takes_longer_than_its_limit",
        ),
    ),
    held(
        "redirects",
        "no redirect takes a token along",
        (
            "hallpass-feign/tests/integration/answers.rs",
            "redirects_are_not_followed",
        ),
    ),
    held(
        "redirects",
        "nor what a client does not know to be of one host",
        (
            "hallpass-feign/tests/integration/context_headers.rs",
            "context_headers_leave_for_no_other_host",
        ),
    ),
    held(
        "blocking",
        "a call that blocks on an event loop is an error, and no hang",
        (
            "hallpass-client/src/context/blocking.rs",
            "a_blocking_call_on_an_event_loop_is_an_error_and_no_hang",
        ),
    ),
    held(
        "loops of 401",
        "a token that is refused is renewed once for all",
        (
            "hallpass-client/tests/integration/rejected.rs",
            "many_calls_rejected_at_once_make_one_renewal",
        ),
    ),
    held(
        "loops of 401",
        "the second refusal is the caller's to see",
        (
            "hallpass-feign/tests/integration/identities/service.rs",
            "a_second_rejection_goes_to_the_caller",
        ),
    ),
    held(
        "layers of calls",
        "the service that was polled ready is the one that is called",
        (
            "hallpass-client/tests/integration/readiness.rs",
            "the_readied_clone_is_the_one_that_is_called",
        ),
    ),
    held(
        "layers of calls",
        "a body that streams passes the retry layer, once",
        (
            "hallpass-feign/src/layers/retry/tests.rs",
            "a_stream_is_sent_once",
        ),
    ),
    held(
        "layers of calls",
        "a retry adds no header a second time",
        (
            "hallpass-feign/tests/integration/context_headers.rs",
            "retries_do_not_repeat_headers_and_each_attempt_is_a_span_of_its_own",
        ),
    ),
    held(
        "layers of calls",
        "a value stays in its segment of the path",
        (
            "hallpass-feign/tests/integration/requests.rs",
            "a_path_value_that_would_leave_its_segment_is_refused_before_anything_is_sent",
        ),
    ),
    held(
        "layers of calls",
        "the callee's own error reaches the caller as its type",
        (
            "hallpass-feign/tests/integration/heads.rs",
            "a_typed_error_reaches_the_caller_and_is_not_in_the_errors_text",
        ),
    ),
];
