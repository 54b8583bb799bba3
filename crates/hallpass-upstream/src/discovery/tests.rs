use super::*;

#[test]
fn an_instance_is_read_from_host_and_port_with_or_without_scheme() {
    let plain: Instance = "127.0.0.1:9000".parse().unwrap();
    assert_eq!(
        (plain.to_string().as_str(), plain.port()),
        ("http://127.0.0.1:9000", 9000)
    );
    let secure: Instance = "https://service-auth.example".parse().unwrap();
    assert_eq!(
        (secure.host(), secure.port(), secure.is_https()),
        ("service-auth.example", 443, true)
    );
    let six: Instance = "[::1]:9000".parse().unwrap();
    assert_eq!((six.host(), six.port()), ("[::1]", 9000));
}

#[test]
fn an_instance_with_a_path_a_user_or_another_scheme_is_refused() {
    for text in [
        "",
        "ftp://host:1",
        "host:1/path",
        "http://host/path",
        "host:99999",
        "host:",
        "a b:1",
        ":80",
    ] {
        assert!(text.parse::<Instance>().is_err(), "{text:?} was read");
    }
    let error = "http://user:hunter2@host:1"
        .parse::<Instance>()
        .unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn host_and_port_are_taken_apart() {
    let plain: Instance = "127.0.0.1:9000".parse().unwrap();
    assert_eq!(
        (plain.host(), plain.port(), plain.is_https()),
        ("127.0.0.1", 9000, false)
    );
    let tls: Instance = "https://[::1]:9443".parse().unwrap();
    assert_eq!(
        (tls.host(), tls.port(), tls.is_https()),
        ("[::1]", 9443, true)
    );
    assert_eq!(tls.to_string(), "https://[::1]:9443");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "host",
        "host:",
        ":80",
        "host:0",
        "host:65536",
        "a b:80",
        "ftp://host:80",
        "https://host:80/path",
        "user@host:80",
        "::1:80",
        "[::g]:80",
        "[::1:80",
    ] {
        assert!(text.parse::<Instance>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_listed_has_no_instance() {
    let known = StaticDiscovery::new()
        .with("a", ["127.0.0.1:1".parse().unwrap()])
        .with("empty", []);
    assert_eq!(known.instances("a").await.unwrap().len(), 1);
    for service in ["b", "empty"] {
        assert_eq!(
            known.instances(service).await,
            Err(DiscoverError::no_instance(service))
        );
    }
}

#[tokio::test]
async fn a_service_is_found_in_any_case_of_its_name() {
    let instance: Instance = "127.0.0.1:1".parse().unwrap();
    let known = StaticDiscovery::new().with("Service-Auth", [instance.clone()]);
    for asked in ["service-auth", "SERVICE-AUTH", "Service-Auth"] {
        let found = known.instances(asked).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), [&instance], "{asked}");
    }
}

#[test]
fn lists_are_equal_by_instances_weights_and_order() {
    let one: Instance = "127.0.0.1:1".parse().unwrap();
    let two: Instance = "127.0.0.1:2".parse().unwrap();
    let list = Instances::from_iter([one.clone(), two.clone()]);
    assert_eq!(list, list.clone());
    assert_eq!(
        list,
        Instances::from_iter([(one.clone(), 1), (two.clone(), 1)])
    );
    assert_ne!(
        list,
        Instances::from_iter([(one.clone(), 1), (two.clone(), 2)])
    );
    assert_ne!(list, Instances::from_iter([two, one.clone()]));
    let tagged = Member::from(one).tag("version", "gray");
    let in_zone = tagged.clone().zone("hz-a");
    assert_ne!(
        Instances::from_iter([tagged]),
        Instances::from_iter([in_zone])
    );
}
