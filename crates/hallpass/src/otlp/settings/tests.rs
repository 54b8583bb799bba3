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
