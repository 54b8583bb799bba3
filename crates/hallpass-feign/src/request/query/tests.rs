use std::collections::BTreeMap;

use serde::Serialize;

use super::push;
use crate::error::ArgumentProblem;

fn query(value: &impl Serialize) -> Result<String, ArgumentProblem> {
    let mut query = String::new();
    push(&mut query, "q", value).map(|()| query)
}

#[derive(Serialize)]
struct OrderId(u64);

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Carrier {
    ParcelPost,
    Other { name: String },
}

#[derive(Serialize)]
struct Filter {
    carrier: Option<Carrier>,
    id: Vec<OrderId>,
    text: &'static str,
    missing: Option<u8>,
}

#[test]
fn plain_values_are_one_pair() {
    assert_eq!(query(&7_u8).as_deref(), Ok("?q=7"));
    assert_eq!(query(&-7_i64).as_deref(), Ok("?q=-7"));
    assert_eq!(query(&u128::MAX).unwrap(), format!("?q={}", u128::MAX));
    assert_eq!(query(&0.1_f32).as_deref(), Ok("?q=0.1"));
    assert_eq!(query(&true).as_deref(), Ok("?q=true"));
    assert_eq!(query(&OrderId(7)).as_deref(), Ok("?q=7"));
    assert_eq!(query(&Carrier::ParcelPost).as_deref(), Ok("?q=parcel-post"));
    assert_eq!(query(&"").as_deref(), Ok("?q="));
}

#[test]
fn nothing_is_sent_for_none_and_one_pair_an_element_for_a_sequence() {
    assert_eq!(query(&None::<u8>).as_deref(), Ok(""));
    assert_eq!(query(&Some("a")).as_deref(), Ok("?q=a"));
    assert_eq!(query(&vec![1, 2]).as_deref(), Ok("?q=1&q=2"));
    assert_eq!(query(&Some(["a", "b"])).as_deref(), Ok("?q=a&q=b"));
    assert_eq!(query(&Vec::<u8>::new()).as_deref(), Ok(""));
}

#[test]
fn a_struct_or_a_map_is_a_pair_a_field() {
    let filter = Filter {
        carrier: Some(Carrier::ParcelPost),
        id: vec![OrderId(1), OrderId(2)],
        text: "x",
        missing: None,
    };
    assert_eq!(
        query(&filter).as_deref(),
        Ok("?carrier=parcel-post&id=1&id=2&text=x")
    );
    let map = BTreeMap::from([("a b", 1), ("c", 2)]);
    assert_eq!(query(&map).as_deref(), Ok("?a%20b=1&c=2"));
}

#[test]
fn a_value_cannot_add_parameters_of_its_own() {
    assert_eq!(
        query(&"a&admin=true#x").as_deref(),
        Ok("?q=a%26admin%3Dtrue%23x")
    );
    assert_eq!(query(&"a+b c").as_deref(), Ok("?q=a%2Bb%20c"));
}

#[test]
fn deeper_nesting_is_refused() {
    let nested = BTreeMap::from([("a", BTreeMap::from([("b", 1)]))]);
    assert_eq!(query(&nested), Err(ArgumentProblem::NotPlain));
    assert_eq!(query(&vec![vec![1]]), Err(ArgumentProblem::NotPlain));
    let other = Carrier::Other {
        name: "x".to_owned(),
    };
    assert_eq!(query(&other), Err(ArgumentProblem::NotPlain));
    assert_eq!(
        query(&BTreeMap::from([((1, 2), 3)])),
        Err(ArgumentProblem::NotPlain)
    );
}
