use super::*;

fn variables() -> Variables {
    let pairs = [
        ("NAME", "value"),
        ("EMPTY", ""),
        ("ODD", "${NAME}"),
        ("MY_APP_NAME", "app"),
        ("UPPER", "SECRET_NAME"),
    ];
    let pair = |(name, value): (&str, &str)| (name.to_owned(), Secret::new(value));
    pairs.into_iter().map(pair).collect()
}

fn filled(text: &str) -> Result<String, Vec<Fault>> {
    let variables = variables();
    expand(text, &References::to_variables(&variables)).map(|secret| secret.expose().to_owned())
}

#[test]
fn a_variable_takes_the_place_of_its_name() {
    assert_eq!(filled("${NAME}").unwrap(), "value");
    assert_eq!(
        filled("https://${NAME}/${NAME}!").unwrap(),
        "https://value/value!"
    );
    assert_eq!(filled("${EMPTY}").unwrap(), "");
    assert_eq!(filled("${my-app.name}").unwrap(), "app");
}

#[test]
fn a_default_stands_in_for_what_is_not_set() {
    assert_eq!(filled("${NONE:540}").unwrap(), "540");
    assert_eq!(filled("${NONE:}").unwrap(), "");
    assert_eq!(
        filled("${NONE:lb://service-auth/x}").unwrap(),
        "lb://service-auth/x"
    );
    assert_eq!(filled("${NONE:${OTHER:${NAME}}}").unwrap(), "value");
    assert_eq!(filled("${NAME:${NONE}}").unwrap(), "value");
}

#[test]
fn a_name_may_have_placeholders_in_it_and_a_default_may_have_colons() {
    assert_eq!(filled("${MY_APP_${NONE:NAME}}").unwrap(), "app");
    assert_eq!(filled("${${NONE:NAME}:x}").unwrap(), "value");
    assert_eq!(filled("${NONE_${NAME}:x:y}").unwrap(), "x:y");
    assert_eq!(
        filled("${NONE:${OTHER:http://a:80/b?c=d:e}}").unwrap(),
        "http://a:80/b?c=d:e"
    );
    // What a variable holds is a name here, and a name that is not set is not shown.
    assert_eq!(filled("${${UPPER}}").unwrap_err(), [Fault::Name]);
    assert_eq!(
        filled("${a.${OTHER}.b:x}").unwrap_err(),
        [Fault::Unset("OTHER".to_owned())]
    );
}

#[test]
fn what_the_environment_holds_is_taken_literally() {
    assert_eq!(filled("${ODD}").unwrap(), "${NAME}");
}

#[test]
fn a_backslash_keeps_the_characters() {
    assert_eq!(filled("a\\${NAME}").unwrap(), "a${NAME}");
    assert_eq!(filled("$NAME $ {NAME} }").unwrap(), "$NAME $ {NAME} }");
}

#[test]
fn every_name_that_is_missing_is_told() {
    let missing = ["OTHER", "THIRD"].map(|name| Fault::Unset(name.to_owned()));
    assert_eq!(
        filled("${OTHER}-${NAME}-${THIRD}-${OTHER}").unwrap_err(),
        missing
    );
}

#[test]
fn what_does_not_look_like_a_name_is_not_repeated() {
    for text in [
        "${}",
        "${InternalSecret123!}",
        "${hunter2}",
        "${ NAME}",
        "${${NAME}}",
        "${!:x}",
    ] {
        assert_eq!(filled(text).unwrap_err(), [Fault::Name], "{text}");
    }
}

#[test]
fn a_placeholder_has_an_end() {
    for text in ["${", "${NAME", "${NONE:${NAME}", "a ${NAME} ${b"] {
        assert_eq!(filled(text).unwrap_err(), [Fault::Open], "{text}");
    }
}

#[test]
fn depth_and_length_have_limits() {
    let deep = format!("{}x{}", "${A:".repeat(MAX_DEPTH), "}".repeat(MAX_DEPTH));
    assert_eq!(filled(&deep).unwrap(), "x");
    assert_eq!(
        filled(&format!("${{A:{deep}}}")).unwrap_err(),
        [Fault::Deep]
    );

    let long = "${NAME}".repeat(MAX_VALUE_BYTES / 5 + 1);
    assert_eq!(filled(&long).unwrap_err(), [Fault::Long]);
}
