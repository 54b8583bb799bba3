//! What a rule is about.

use hallpass_config::check_service_name;

use super::super::super::method_name::MethodName;

/// What a rule is about, by the name of its resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// All clients.
    All,
    /// One client, or a method by its name in Java (`order-service#create(Order)`).
    Client(String),
    /// One method of a client: verb and path.
    Method(String, MethodName),
}

impl Resource {
    /// `None` for what is no call of a client.
    pub(super) fn named(text: &str) -> Option<Self> {
        if let Some((verb, url)) = text.split_once(':')
            && let Some((client, path)) = client_and_path(url)
        {
            let path = if path.is_empty() { "/" } else { path };
            let method = format!("{verb} {path}").parse().ok()?;
            return Some(Self::Method(client, method));
        }
        if text.contains("://") {
            let (client, path) = client_and_path(text)?;
            return path
                .trim_end_matches('/')
                .is_empty()
                .then_some(Self::Client(client));
        }
        let client = text.split('#').next().unwrap_or(text);
        check_service_name(client)
            .ok()
            .map(|_| Self::Client(text.to_owned()))
    }
}

/// The name of the service in `http://NAME/path`, and the path. A port is another address than that of a service.
fn client_and_path(url: &str) -> Option<(String, &str)> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (client, path) = rest.split_at(end);
    let client = check_service_name(client).ok()?;
    (!path.contains(['?', '#'])).then_some((client, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_client_a_method_of_one_or_none_of_ours() {
        let client = |name: &str| Some(Resource::Client(name.to_owned()));
        let method = |name: &str, method: &str| {
            Some(Resource::Method(name.to_owned(), method.parse().unwrap()))
        };
        for (text, expected) in [
            ("order-service", client("order-service")),
            ("http://order-service", client("order-service")),
            ("https://order-service/", client("order-service")),
            (
                "GET:http://order-service/a/{b}",
                method("order-service", "GET /a/{b}"),
            ),
            (
                "POST:https://order-service",
                method("order-service", "POST /"),
            ),
            (
                "order-service#get(String)",
                client("order-service#get(String)"),
            ),
            ("/orders/{id}", None),
            ("GET:/orders", None),
            ("http://order-service/orders", None),
            ("GET:http://10.0.0.1:8080/x", None),
            ("com.example.Orders:create(java.lang.String)", None),
            ("", None),
        ] {
            assert_eq!(Resource::named(text), expected, "{text}");
        }
    }
}
