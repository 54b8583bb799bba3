//! Which test runs what a page shows. A page with a block that no row is for is a problem, so that none escapes unnoticed.
//!
//! Beside these rows each command that a page names exists with its options (`each_command_that_a_page_names_exists_with_its_options`).

use std::collections::BTreeSet;

use self::How::{By, Compiled, Hand};
use crate::assert_tidy;
use crate::documents::code_blocks;
use crate::standards::tests;
use crate::tree::{self, SourceFile};

/// Languages of what can be run, or loaded.
const LANGUAGES: [&str; 8] = [
    "sh",
    "console",
    "http",
    "rust",
    "java",
    "yaml",
    "nginx",
    "caddyfile",
];
/// The folders and files with pages.
const PLACES: [&str; 6] = [
    "docs/",
    "examples/",
    "deploy/",
    "README",
    "SECURITY",
    "CONTRIBUTING",
];
/// Loads all YAML of all pages but what it lists with a reason.
const YAML: &str = "each_yaml_of_a_page_is_a_configuration_that_loads";
/// Compiles the pages that it names as documentation.
const COMPILES: &str = "crates/hallpass-testkit/src/lib.rs";

enum How {
    /// These tests do.
    By(&'static [&'static str]),
    /// It is compiled, and run, as documentation of the test kit.
    Compiled,
    /// Nobody but a person, for this reason.
    Hand(&'static str),
}

#[rustfmt::skip]
const ROWS: &[(&str, &str, How)] = &[
    ("CONTRIBUTING.md", "sh", Hand("checks of a whole clone, tools that take hours, and the site")),
    ("README.md", "rust", By(&["code_in_the_readme_is_cut_from_an_example_that_runs"])),
    ("README.md", "sh", By(&["everything_in_the_demo_is_as_it_should_be", "the_first_start_creates_a_client_and_later_ones_keep_it_and_the_key", "takes_basic_and_post_credentials"])),
    ("docs/admin-api.md", "console", By(&["every_request_of_the_page_about_the_interface_brings_the_response_that_stands_there"])),
    ("docs/admin-api.md", "http", By(&["every_request_of_the_page_about_the_interface_brings_the_response_that_stands_there"])),
    ("docs/api.md", "http", By(&["each_request_of_the_page_gets_the_response_that_stands_there"])),
    ("docs/authz.md", "caddyfile", By(&["no_file_is_shipped_that_no_test_starts", "each_form_of_a_proxy_hands_the_tenant_in_and_takes_it_from_the_answer"])),
    ("docs/authz.md", "nginx", By(&["no_file_is_shipped_that_no_test_starts", "each_form_of_a_proxy_hands_the_tenant_in_and_takes_it_from_the_answer"])),
    ("docs/authz.md", "sh", By(&["who_may_not_is_told_so_as_the_service_itself_would"])),
    ("docs/bench.md", "sh", By(&["what_the_page_about_bench_types_says_what_stands_there"])),
    ("docs/calls.md", "rust", Compiled),
    ("docs/certificates.md", "sh", By(&["what_the_page_about_certificates_types_brings_one", "a_program_that_reads_files_gets_them_and_whoever_follows_goes_on_until_a_signal"])),
    ("docs/context.md", "rust", By(&["on_a_thread_of_another_pool_by_carry", "in_a_scheduled_job", "after_a_websocket_upgrade"])),
    ("docs/context.md", "sh", By(&["raw_spawns_are_caught"])),
    ("docs/doctor.md", "sh", By(&["each_command_that_a_page_names_exists_with_its_options"])),
    ("docs/exchange.md", "rust", By(&["services_act_for_a_user_of_spring_authorization_server_and_each_sees_who_and_for_whom"])),
    ("docs/exchange.md", "sh", By(&["services_act_for_a_user_of_keycloak_as_the_page_says"])),
    ("docs/first-estate.md", "sh", By(&["a_bare_debian_becomes_an_estate_by_the_commands_of_the_page"])),
    ("docs/frameworks.md", "rust", By(&["a_handler_sees_the_caller_in_a_single_response_and_in_each_message_of_a_stream", "actix_web_serves_verified_callers_and_nobody_else"])),
    ("docs/gateway.md", "sh", By(&[YAML, "a_request_reaches_its_service_once_with_who_calls"])),
    ("docs/getting-started.md", "rust", By(&["code_in_the_readme_is_cut_from_an_example_that_runs"])),
    ("docs/getting-started.md", "sh", By(&["what_the_first_page_types_says_what_stands_there"])),
    ("docs/install.md", "sh", By(&["the_sums_are_of_what_was_made_and_making_it_again_changes_nothing", "the_archive_is_an_executable_with_its_pages_and_completions", "the_package_is_installed_upgraded_removed_and_purged", "what_a_unit_starts_says_that_it_serves_and_takes_a_reload", "the_image_runs_as_nobody_with_nothing_but_the_executable", "each_folder_becomes_what_kubernetes_takes"])),
    ("docs/internal-call-jwt.md", "http", By(&["each_request_of_the_page_about_internal_tokens_gets_the_response_that_stands_there"])),
    ("docs/kubernetes.md", "java", Hand("a program of Spring in a cluster: what it sends is what `hallpass` sends by `client-assertion-file`")),
    ("docs/migration-from-spring.md", "java", By(&["java_in_the_guide_is_cut_from_programs_that_tests_run"])),
    ("docs/nacos.md", "rust", By(&["a_service_finds_another_and_no_longer_after_it_was_withdrawn"])),
    ("docs/nacos.md", "sh", By(&["documents_are_pushed_compared_and_pulled"])),
    ("docs/operations.md", "console", By(&["the_commands_of_the_operations_page_do_what_it_says", "the_operations_page_has_no_command_that_is_not_run"])),
    ("docs/policy.md", "rust", By(&["a_stalled_reader_costs_lines_that_are_counted_and_neither_a_writer_nor_the_end_waits"])),
    ("docs/policy.md", "sh", By(&["what_decides_about_a_request_is_said_with_its_reason", "rules_are_listed_in_the_order_in_which_they_are_tried"])),
    ("docs/proxies.md", "sh", By(&["no_file_is_shipped_that_no_test_starts", "clients_learn_why_they_are_denied_and_the_service_hears_nothing_of_them"])),
    ("docs/roll-out.md", "console", By(&["the_commands_of_the_page_about_rolling_out_do_what_it_says"])),
    ("docs/roll-out.md", "sh", By(&["the_way_back_by_nacos_that_the_page_shows_works_in_both_formats"])),
    ("docs/runbook.md", "console", By(&["the_commands_of_the_runbook_mend_what_they_say"])),
    ("docs/runbook.md", "sh", By(&["documents_are_pushed_compared_and_pulled"])),
    ("docs/monitoring.md", "sh", By(&["the_rules_and_the_configuration_of_prometheus_are_good"])),
    ("docs/scale.md", "sh", Hand("minutes of a release build; a small form of it is among the tests: `tests/scale/small.rs`")),
    ("docs/sidecar.md", "sh", By(&["what_the_page_about_sidecars_types_says_what_stands_there"])),
    ("docs/streams.md", "rust", By(&["after_a_websocket_upgrade"])),
    ("docs/telemetry.md", "rust", Compiled),
    ("docs/testing.md", "rust", Compiled),
    ("examples/caller/README.md", "sh", By(&["the_caller_gets_a_token_and_the_protected_service_takes_it"])),
    ("examples/demo/README.md", "sh", By(&["everything_in_the_demo_is_as_it_should_be"])),
    ("examples/protected/README.md", "sh", By(&["the_caller_gets_a_token_and_the_protected_service_takes_it"])),
    ("examples/shop/README.md", "sh", By(&["everything_in_the_demo_is_as_it_should_be"])),
    ("examples/sidecar/README.md", "sh", By(&["the_outgoing_call_bears_the_user_and_the_actor"])),
];

#[test]
fn each_block_of_a_page_is_run_by_a_test_that_is_named_here() {
    let known = tests(&tree::files(&[".rs"]).unwrap());
    let pages = tree::files(&[".md"]).unwrap();
    let is_page = |page: &&SourceFile| PLACES.iter().any(|place| page.path.starts_with(place));
    let blocks: BTreeSet<_> = pages.iter().filter(is_page).flat_map(shown).collect();
    assert!(blocks.len() > 60, "{blocks:?}");
    let mut problems = unrun(&blocks, ROWS);
    problems.extend(unfounded(ROWS, &known, &tree::file(COMPILES).unwrap().text));
    assert!(known.contains(YAML));
    assert_tidy(&problems);
}

#[test]
fn a_block_without_a_row_and_a_row_without_a_block_or_a_test_are_found() {
    let page = SourceFile::new(
        "docs/a.md",
        "```sh\nls\n```\n```text\nx\n```\n```yaml\na: b\n```\n```rust,ignore\n```\n",
    );
    let blocks: BTreeSet<_> = shown(&page).into_iter().collect();
    assert_eq!(blocks.len(), 3, "{blocks:?}");
    let rows = |rows: &[(&'static str, &'static str, How)]| unrun(&blocks, rows).len();
    assert_eq!(rows(&[]), 2, "YAML is loaded wherever it stands");
    assert_eq!(
        rows(&[
            ("docs/a.md", "sh", By(&[])),
            ("docs/a.md", "rust", Compiled)
        ]),
        0
    );
    assert_eq!(
        rows(&[
            ("docs/a.md", "sh", By(&[])),
            ("docs/a.md", "rust", Compiled),
            ("docs/b.md", "sh", Hand("x"))
        ]),
        1
    );
    let known = BTreeSet::from(["is_there".to_owned()]);
    for (how, problems) in [
        (By(&["is_there"]), 0),
        (By(&["gone"]), 1),
        (By(&[]), 1),
        (Compiled, 1),
        (Hand(""), 1),
        (Hand("x"), 0),
    ] {
        assert_eq!(
            unfounded(&[("docs/a.md", "sh", how)], &known, "").len(),
            problems
        );
    }
}

/// Page and language of what it shows. What a Chinese page shows stands on its English one, and is held there.
fn shown(page: &SourceFile) -> Vec<(String, String)> {
    if page.path.contains("zh-CN") {
        return Vec::new();
    }
    let blocks = code_blocks(&page.text).into_iter();
    let languages = blocks.map(|(language, _)| {
        let word = language.split([' ', ',']).next().unwrap_or_default();
        word.to_owned()
    });
    languages
        .filter(|language| LANGUAGES.contains(&language.as_str()))
        .map(|language| (page.path.clone(), language))
        .collect()
}

fn unrun(blocks: &BTreeSet<(String, String)>, rows: &[(&str, &str, How)]) -> Vec<String> {
    let is_for = |(page, language): &(String, String)| {
        rows.iter().any(|row| row.0 == page && row.1 == language)
    };
    let left = blocks
        .iter()
        .filter(|block| block.1 != "yaml" && !is_for(block));
    let mut problems: Vec<_> = left
        .map(|(page, language)| format!("{page} shows `{language}`: add a row to tidy/page_blocks.rs with the test that runs it"))
        .collect();
    let stands = |row: &&(&str, &str, How)| blocks.contains(&(row.0.to_owned(), row.1.to_owned()));
    let gone = rows.iter().filter(|row| !stands(row));
    problems.extend(gone.map(|row| format!("{} shows no `{}` any more", row.0, row.1)));
    problems
}

fn unfounded(rows: &[(&str, &str, How)], known: &BTreeSet<String>, compiled: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (page, language, how) in rows {
        let at = format!("{page}, `{language}`");
        match how {
            By(tests) => {
                let gone = tests.iter().filter(|test| !known.contains(**test));
                problems.extend(gone.map(|test| format!("{at}: no test is called `{test}`")));
                if tests.is_empty() {
                    problems.push(format!("{at}: no test"));
                }
            }
            Compiled if !compiled.contains(&format!("include_str!(\"../../../{page}\")")) => {
                problems.push(format!("{at}: {COMPILES} does not name it"));
            }
            Hand("") => problems.push(format!("{at}: no reason")),
            Compiled | Hand(_) => {}
        }
    }
    problems
}
