//! What can be known of plain http before a connection is made.

use hallpass_config::Section;
use hallpass_upstream::{EndpointUrl, Instance};

use super::Settings;

/// Complains of instances in `discovery.static` that the transport will refuse to send a secret to: a problem where an
/// endpoint for secrets or keys is behind the service and the instance is an address, a warning else, because a name may
/// mean this machine and a call may carry no identity.
pub(super) fn check(root: &Section<'_>, settings: &Settings) {
    if settings.tls.dangerous_plain_http {
        return;
    }
    let discovery = root.section("discovery");
    let endpoints = endpoints(settings);
    for (service, instances) in &settings.discovery.instances {
        let mut open = instances
            .iter()
            .filter(|it| may_be_elsewhere(it))
            .peekable();
        if open.peek().is_none() {
            continue;
        }
        let behind = endpoints.iter().find(|(_, url)| is_at(url, service));
        let what = match behind {
            Some((key, _)) => format!("`{key}` leads to it, so it must be https"),
            None => "only calls without an identity can reach it".to_owned(),
        };
        let message = format!(
            "an instance of `{service}` is plain http and not on loopback: {what}; write `https://host:port`, or see `tls.dangerous-plain-http`"
        );
        if behind.is_some() && open.any(Instance::is_address) {
            discovery.problem("static", message);
        } else {
            discovery.warn("static", &message);
        }
    }
}

fn may_be_elsewhere(instance: &Instance) -> bool {
    !instance.is_https() && !instance.is_named_loopback()
}

fn is_at(url: &EndpointUrl, service: &str) -> bool {
    matches!(url, EndpointUrl::LoadBalanced { service: named, .. } if named.eq_ignore_ascii_case(service))
}

/// Where secrets are sent to and keys come from.
fn endpoints(settings: &Settings) -> Vec<(&'static str, &EndpointUrl)> {
    let mut endpoints = Vec::new();
    if let Some(tokens) = &settings.internal_token.token_service {
        let further = tokens.clients.iter().map(|client| &client.credential);
        let all = std::iter::once(&tokens.credential).chain(further);
        endpoints.extend(all.map(|credential| ("token-url", &credential.token_url)));
    }
    #[cfg(feature = "resource")]
    for issuer in &settings.security.internal_jwt.issuers {
        if let hallpass_resource::JwksLocation::Url(url) = &issuer.jwks {
            endpoints.push(("jwks-url", url));
        }
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use hallpass_config::Loader;

    use crate::Settings;

    fn yaml(instance: &str, more: &str) -> String {
        format!(
            "hallpass:
  internal-token:
    client-id: order-service
    client-secret: a-secret-of-a-test
    token-url: lb://SERVICE-AUTH/oauth2/token
  discovery:
    static:
      service-auth: ['{instance}']
      stock-service: ['127.0.0.1:1']
{more}"
        )
    }

    fn check(instance: &str, more: &str) -> Result<Vec<String>, String> {
        let loader = Loader::new("hallpass").text("test.yaml", yaml(instance, more));
        match loader.load::<Settings>() {
            Ok(loaded) => Ok(loaded.warnings().to_vec()),
            Err(problems) => Err(problems.to_string()),
        }
    }

    #[test]
    fn a_listed_address_that_a_secret_would_go_to_in_plain_http_is_a_problem() {
        for instance in ["10.0.0.7:9000", "http://0.0.0.0:9000", "[2001:db8::1]:9000"] {
            let problem = check(instance, "").unwrap_err();
            assert!(problem.contains("test.yaml:7"), "{problem}");
            assert!(problem.contains("`token-url` leads to it"), "{problem}");
            assert!(!problem.contains("10.0.0.7"), "{problem}");
        }
    }

    #[test]
    fn a_listed_name_is_a_warning_because_it_may_mean_this_machine() {
        let warnings = check("auth.example:9000", "").unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("plain http"), "{warnings:?}");
    }

    #[test]
    fn tls_loopback_and_the_dangerous_setting_are_left_in_peace() {
        for instance in [
            "127.0.0.1:9000",
            "localhost:9000",
            "[::1]:9000",
            "https://auth.example",
        ] {
            assert_eq!(check(instance, ""), Ok(vec![]), "{instance}");
        }
        let lifted = "  tls: { dangerous-plain-http: true }";
        assert_eq!(check("10.0.0.7:9000", lifted), Ok(vec![]));
    }

    #[test]
    fn a_service_that_only_calls_without_an_identity_can_reach_is_a_warning() {
        let more = "      reports: ['10.0.0.8:80']";
        let warnings = check("127.0.0.1:9000", more).unwrap();
        assert!(warnings[0].contains("without an identity"), "{warnings:?}");
    }
}
