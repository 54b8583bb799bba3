use proptest::prelude::*;

use super::*;

const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
const ORDERS: &str = "spiffe://cluster.local/ns/shop/sa/orders";

fn read(text: &str) -> Result<PeerIdentity, MeshFault> {
    read_xfcc(text.as_bytes())
}

fn id(identity: &PeerIdentity) -> Option<&str> {
    identity.id().map(SpiffeId::as_str)
}

#[test]
fn what_envoy_writes_is_read() {
    let istio =
        format!("By=spiffe://cluster.local/ns/shop/sa/stock;Hash={HASH};Subject=\"\";URI={ORDERS}");
    let read_istio = read(&istio).unwrap();
    assert_eq!(id(&read_istio), Some(ORDERS));
    assert_eq!(read_istio.id().unwrap().trust_domain(), "cluster.local");
    let digest = read_istio.sha256().unwrap();
    assert_eq!(&digest[..4], [0x46, 0x8e, 0xd3, 0x3b]);
    assert_eq!(digest[31], 0x88);
    let envoy = format!(
        "By=http://frontend.lyft.com;Hash={HASH};Subject=\"/C=US/ST=CA/L=San \\\"Francisco\\\"; a,b/OU=Lyft/CN=Test Client\";URI=;DNS=Lyft.com;DNS=www.lyft.com"
    );
    let envoy = read(&envoy).unwrap();
    assert_eq!(id(&envoy), None);
    assert_eq!(
        envoy.names().collect::<Vec<_>>(),
        ["lyft.com", "www.lyft.com"]
    );
    let cert = format!(
        "Hash={HASH};Cert=\"-----BEGIN%20CERTIFICATE-----%0AMIIE%2Bx%3D%0A\";Chain=\"a,b;c=d\";uri=\"{ORDERS}\""
    );
    assert_eq!(id(&read(&cert).unwrap()), Some(ORDERS));
}

#[test]
fn the_last_element_counts_and_no_other() {
    let last = format!("By=spiffe://cluster.local/x;Hash={HASH};URI={ORDERS}");
    for before in [
        "URI=spiffe://cluster.local/ns/shop/sa/admin",
        "URI=spiffe://cluster.local/a,URI=spiffe://cluster.local/b",
        "URI=spiffe://cluster.local/a;URI=",
        "By=x;DNS=admin.example",
        "Subject=\"CN=\\\"a\\\",URI=spiffe://cluster.local/a\"",
        "Hash=00;URI=https://not.spiffe",
    ] {
        for comma in [",", ", ", ",  "] {
            let all = format!("{before}{comma}{last}");
            match read(&all) {
                Ok(identity) => {
                    assert_eq!(id(&identity), Some(ORDERS), "{all}");
                    assert_eq!(identity.names().count(), 0, "{all}");
                    assert_eq!(identity.sha256(), read(&last).unwrap().sha256());
                }
                // A key twice in an element that is not believed is not read past either.
                Err(fault) => assert_eq!(fault, MeshFault::Twice, "{all}"),
            }
        }
        assert_ne!(read(before).ok().as_ref().and_then(id), Some(ORDERS));
    }
}

/// An open quote of a stranger must not make the proxy's element part of a value.
#[test]
fn quotes_that_a_stranger_leaves_open_are_a_fault() {
    for subject in ["", "CN=orders"] {
        let last =
            format!("By=spiffe://cluster.local/x;Hash={HASH};Subject=\"{subject}\";URI={ORDERS}");
        for before in [
            "Subject=\"",
            "By=x;Subject=\"a",
            "URI=spiffe://cluster.local/a;X=\"",
            "X=\"\\",
            "X=\"\\\"",
            "X=\"a\"\"",
            "X=\"a\"b",
        ] {
            let all = format!("{before},{last}");
            assert_eq!(read(&all), Err(MeshFault::Malformed), "{all}");
        }
    }
}

#[test]
fn what_is_not_clear_is_a_fault_and_never_nobody() {
    let long = format!("URI={ORDERS};X={}", "a".repeat(MAX_BYTES));
    let two_digits = "a".repeat(63);
    for (text, fault) in [
        ("", MeshFault::Malformed),
        (",", MeshFault::Malformed),
        ("URI", MeshFault::Malformed),
        ("=a", MeshFault::Malformed),
        (";URI=a", MeshFault::Malformed),
        ("By=a;", MeshFault::Malformed),
        ("By=a,", MeshFault::Malformed),
        ("By=a,,By=b", MeshFault::Malformed),
        (" By=a", MeshFault::Malformed),
        ("By =a", MeshFault::Malformed),
        ("By=a b", MeshFault::Malformed),
        ("By=a\0b", MeshFault::Malformed),
        ("By=\"a\nb\"", MeshFault::Malformed),
        ("By=a\"b\"", MeshFault::Malformed),
        ("URI=spiffe://a/b;URI=spiffe://a/c", MeshFault::Twice),
        ("URI=spiffe://a/b;uri=spiffe://a/b", MeshFault::Twice),
        ("Hash=;Hash=", MeshFault::Twice),
        ("Subject=\"\";Subject=\"\"", MeshFault::Twice),
        ("Cert=\"\";Cert=\"\"", MeshFault::Twice),
        ("Chain=\"\";Chain=\"\"", MeshFault::Twice),
        ("URI=https://a/b", MeshFault::Uri),
        ("URI=spiffe://A/b", MeshFault::Uri),
        ("URI=spiffe://a/b/", MeshFault::Uri),
        ("URI=\"spiffe://a/b\\\"\"", MeshFault::Uri),
        ("Hash=", MeshFault::Hash),
        (&format!("Hash={two_digits}"), MeshFault::Hash),
        (&format!("Hash={two_digits}aa"), MeshFault::Hash),
        (&format!("Hash={two_digits}g"), MeshFault::Hash),
        ("DNS=", MeshFault::Name),
        ("DNS=a..b", MeshFault::Name),
        ("DNS=a/b", MeshFault::Name),
        (&long, MeshFault::TooLong),
    ] {
        assert_eq!(read(text), Err(fault), "{text:.80}");
    }
}

#[test]
fn what_linkerd_writes_is_one_name() {
    let name = "orders.shop.serviceaccount.identity.linkerd.cluster.local";
    let identity = read_client_id(name.as_bytes()).unwrap();
    assert_eq!(identity.names().collect::<Vec<_>>(), [name]);
    assert_eq!((identity.id(), identity.sha256()), (None, None));
    let identity = read_client_id(ORDERS.as_bytes()).unwrap();
    assert_eq!(id(&identity), Some(ORDERS));
    for (text, fault) in [
        (&b""[..], MeshFault::Name),
        (b"a b", MeshFault::Name),
        (b"a,b", MeshFault::Name),
        (b"a.b.", MeshFault::Name),
        (b"\xff", MeshFault::Malformed),
        (b"https://a", MeshFault::Uri),
    ] {
        assert_eq!(read_client_id(text), Err(fault), "{text:?}");
    }
    let longest = ["a".repeat(60), "b".repeat(192)].join(".");
    assert!(read_client_id(longest.as_bytes()).is_ok());
    let longer = format!("{longest}b");
    assert_eq!(read_client_id(longer.as_bytes()), Err(MeshFault::Name));
}

/// An element as Envoy writes it, of a certificate whose subject anybody has chosen.
fn element() -> impl Strategy<Value = (String, String)> {
    let subject = "[ -~é]{0,24}".prop_map(|text| text.replace('\\', "\\\\").replace('"', "\\\""));
    let id = "spiffe://[a-z]{1,5}\\.example/[a-z]{1,8}";
    (subject, id).prop_map(|(subject, id)| {
        let text = format!("By=spiffe://a.example/me;Hash={HASH};Subject=\"{subject}\";URI={id}");
        (text, id)
    })
}

proptest! {
    #[test]
    fn whatever_stands_before_the_proxys_element_the_identity_is_the_proxys_or_none(
        before in "[ -~]{0,60}",
        (last, expected) in element(),
    ) {
        if let Ok(identity) = read(&format!("{before},{last}")) {
            prop_assert_eq!(id(&identity), Some(&*expected));
        }
    }

    #[test]
    fn elements_of_proxies_are_read_in_any_number(chain in prop::collection::vec(element(), 1..6)) {
        let texts: Vec<_> = chain.iter().map(|(text, _)| text.as_str()).collect();
        let identity = read(&texts.join(",")).unwrap();
        prop_assert_eq!(id(&identity), chain.last().map(|(_, id)| id.as_str()));
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = read_xfcc(&bytes);
        let _either = read_client_id(&bytes);
    }
}
