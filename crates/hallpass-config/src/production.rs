//! Signs in the environment that this is production.

use crate::placeholder::Variables;

/// Variables that name the stage; Spring's may hold several names with commas.
const STAGES: [&str; 4] = [
    "HALLPASS_ENV",
    "SPRING_PROFILES_ACTIVE",
    "APP_ENV",
    "RUST_ENV",
];
/// Names of the production stage.
const PRODUCTION: [&str; 2] = ["production", "prod"];
/// Set in every container that Kubernetes starts.
const KUBERNETES: &str = "KUBERNETES_SERVICE_HOST";

/// What the environment says about the stage: `HALLPASS_ENV`, `SPRING_PROFILES_ACTIVE`, `APP_ENV` and `RUST_ENV`, which
/// may be `production` or `prod`, and `KUBERNETES_SERVICE_HOST`, which may be set. A file may say it too, by
/// `spring.profiles.active`.
///
/// For settings that must not be used in production: refuse them unless it is [`No`](Self::No).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Production {
    /// This variable, or this key of a file, says that it is production.
    Yes(&'static str),
    /// Nothing says so.
    No,
    /// The environment was not looked at.
    Unknown,
}

/// The name of the variable that says so, if one does.
pub(crate) fn signal(variables: &Variables) -> Option<&'static str> {
    let names_production = |name: &&str| {
        let stages = variables.get(*name).map_or("", |value| value.expose());
        stages.split(',').any(is_name)
    };
    let stage = STAGES.iter().copied().find(names_production);
    stage.or(in_kubernetes(variables).then_some(KUBERNETES))
}

/// Whether a stage or profile of this name is production.
pub(crate) fn is_name(name: &str) -> bool {
    let mut names = PRODUCTION.iter();
    names.any(|production| production.eq_ignore_ascii_case(name.trim()))
}

/// Whether Kubernetes has started this process.
pub(crate) fn in_kubernetes(variables: &Variables) -> bool {
    let host = variables.get(KUBERNETES);
    host.is_some_and(|host| !host.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn of(name: &str, value: &str) -> Option<&'static str> {
        signal(&Variables::from([(name.to_owned(), Secret::new(value))]))
    }

    #[test]
    fn each_sign_of_production_is_seen() {
        for name in STAGES {
            for value in [
                "production",
                "prod",
                "PROD",
                " Production ",
                "eu,prod",
                "prod,metrics",
            ] {
                assert_eq!(of(name, value), Some(name), "{value}");
            }
        }
        assert_eq!(of(KUBERNETES, "10.0.0.1"), Some(KUBERNETES));
    }

    #[test]
    fn other_stages_are_no_sign() {
        for value in ["", "dev", "preprod", "production-like", "test,ci"] {
            assert_eq!(of("APP_ENV", value), None, "{value}");
        }
        assert_eq!(of(KUBERNETES, ""), None);
        assert_eq!(of("NODE_ENV", "production"), None);
    }
}
