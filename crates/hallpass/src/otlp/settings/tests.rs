use hallpass_config::Loader;

use super::*;

fn load(
    otlp: &str,
    variables: &[(&str, &str)],
) -> Result<(Option<OtlpSettings>, Vec<String>), String> {
    let yaml = format!("hallpass: {{ telemetry: {{ otlp: {{ {otlp} }} }} }}");
    let loader = Loader::new("hallpass")
        .text("a.yaml", yaml)
        .environment(variables.iter().copied());
    let loaded = loader.load::<TelemetrySettings>();
    let mut loaded = loaded.map_err(|problems| problems.to_string())?;
    assert!(!loaded.effective().contains("s3cret"));
    let warnings = loaded.take_warnings();
    Ok((loaded.into_settings().otlp, warnings))
}

fn endpoint(otlp: &str, variables: &[(&str, &str)]) -> Option<String> {
    let (settings, warnings) = load(otlp, variables).unwrap();
    assert_eq!(warnings, [""; 0]);
    settings.map(|it| it.endpoint.to_string())
}

#[test]
fn without_an_endpoint_nothing_is_exported() {
    assert_eq!(endpoint("", &[]), None);
    assert_eq!(endpoint("interval-ms: 50", &[]), None);
}

#[test]
fn the_place_of_traces_is_put_behind_the_endpoint() {
    for (given, expected) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        (
            "https://c.example/otlp/",
            "https://c.example/otlp/v1/traces",
        ),
        (
            "http://collector.observability:4318",
            "http://collector.observability:4318/v1/traces",
        ),
    ] {
        let otlp = format!("endpoint: '{given}'");
        assert_eq!(endpoint(&otlp, &[]).as_deref(), Some(expected));
    }
}

#[test]
fn the_variables_of_the_standard_count_where_ours_says_nothing() {
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://node:4318");
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://node:4318/t");
    let disabled = ("OTEL_SDK_DISABLED", "true");
    let of = |variables: &[_]| endpoint("", variables);
    assert_eq!(of(&[all]).as_deref(), Some("http://node:4318/v1/traces"));
    assert_eq!(of(&[all, traces]).as_deref(), Some("http://node:4318/t"));
    assert_eq!(of(&[all, disabled]), None);
    let own = endpoint("endpoint: 'https://own.example'", &[all, disabled]);
    assert_eq!(own.as_deref(), Some("https://own.example/v1/traces"));
    let named = [all, ("OTEL_SERVICE_NAME", "orders")];
    let (settings, _) = load("", &named).unwrap();
    assert_eq!(settings.unwrap().service_name.as_deref(), Some("orders"));
}

#[test]
fn variables_that_make_no_sense_are_warned_of() {
    let node = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://node:4317");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let not_a_url = ("OTEL_EXPORTER_OTLP_ENDPOINT", "node");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret");
    for variables in [&[node, grpc][..], &[not_a_url], &[node, headers]] {
        let (_, warnings) = load("", variables).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!warnings[0].contains("s3cret"), "{warnings:?}");
    }
}

/// They stand in every pod of an estate: whoever has them must be able to start.
#[test]
fn no_variable_of_the_standard_stops_a_start() {
    let plain = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://node:4318");
    let header = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=s3cret");
    let own_endpoint = "endpoint: 'http://c.example'";
    let own_header = "headers: { x-tenant: { value: s3cret } }";
    for (otlp, variables) in [
        ("", &[plain, header][..]),
        (own_endpoint, &[header]),
        (own_header, &[plain]),
        (
            "",
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://u:s3cret@node")],
        ),
        ("", &[plain, ("OTEL_TRACES_EXPORTER", "zipkin")]),
    ] {
        let (settings, warnings) = load(otlp, variables).unwrap();
        assert_eq!(settings, None, "{otlp} {warnings:?}");
        assert_eq!(warnings.len(), 1, "{otlp} {warnings:?}");
        assert!(!warnings[0].contains("s3cret"), "{warnings:?}");
    }
    // What is not exported leaves no trace in what is in effect either.
    let nothing_of_ours = Loader::new("hallpass")
        .text("a.yaml", "hallpass: {}")
        .environment([plain, header]);
    let loaded = nothing_of_ours.load::<TelemetrySettings>().unwrap();
    assert!(
        !loaded.effective().contains("otlp"),
        "{}",
        loaded.effective()
    );
}

#[test]
fn headers_of_ours_that_are_none_take_those_of_the_variable_away() {
    let plain = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://node:4318");
    let header = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a");
    let found = endpoint("headers: {}", &[plain, header]);
    assert_eq!(found.as_deref(), Some("http://node:4318/v1/traces"));
}

#[test]
fn a_pod_that_says_that_it_exports_no_traces_exports_none() {
    let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://node:4318");
    for (exporter, is_exported) in [
        ("none", false),
        ("NONE", false),
        ("otlp", true),
        ("console, otlp", true),
    ] {
        let found = endpoint("", &[all, ("OTEL_TRACES_EXPORTER", exporter)]);
        assert_eq!(found.is_some(), is_exported, "{exporter}");
        let own = "endpoint: 'https://own.example'";
        let found = endpoint(own, &[all, ("OTEL_TRACES_EXPORTER", exporter)]);
        assert_eq!(found.as_deref(), Some("https://own.example/v1/traces"));
    }
}

#[test]
fn headers_come_from_the_file_or_from_the_variable_and_are_never_shown() {
    let endpoint = "endpoint: 'https://c.example'";
    let own = format!("{endpoint}, headers: {{ X-Tenant: {{ value: s3cret }} }}");
    let variable = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=s3%63ret, a=b");
    for (otlp, variables, count) in [
        (&*own, &[][..], 1),
        (&*own, &[variable], 1),
        (endpoint, &[variable], 2),
    ] {
        let (settings, _) = load(otlp, variables).unwrap();
        let settings = settings.unwrap();
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert_eq!(settings.headers.len(), count);
        assert_eq!(settings.headers[0].0, "x-tenant");
        assert_eq!(settings.headers[0].1, "s3cret");
        assert!(settings.headers[0].1.is_sensitive());
    }
}

#[test]
fn what_cannot_be_used_is_refused_without_repeating_it() {
    for otlp in [
        "endpoint: s3cret",
        "endpoint: 'ftp://s3cret'",
        "endpoint: 'https://user:s3cret@c.example'",
        "endpoint: 'https://c.example?key=s3cret'",
        "endpoint: 'http://c.example', headers: { a: { value: s3cret } }",
        "endpoint: 'https://c.example', headers: { host: { value: s3cret } }",
        "endpoint: 'https://c.example', headers: { a: { value: \"s3cret\\n\" } }",
        "endpoint: 'https://c.example', headers: { a: { } }",
        "endpoint: 'https://c.example', attributes: ['s3cret name']",
        "endpoint: 'https://c.example', max-queued-spans: 0",
    ] {
        let problems = load(otlp, &[]).map(|_| ()).unwrap_err();
        assert!(!problems.contains("s3cret"), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}
