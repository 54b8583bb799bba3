//! Routes that get no request, because one before them takes all.

use http::Method;

use crate::settings::route::{HeaderCondition, RouteSettings};

/// Whether each request that fits `later` fits `earlier` too. May say no where it is so all the same: it is asked for warnings.
pub(super) fn covers(earlier: &RouteSettings, later: &RouteSettings) -> bool {
    covers_hosts(earlier, later)
        && covers_methods(&earlier.methods, &later.methods)
        && covers_headers(&earlier.headers, &later.headers)
        && covers_path(&earlier.path.to_string(), &later.path.to_string())
}

/// Whether `earlier` may take requests with the paths of `later`, and is for more paths: of two rules that of `later`, which says more of the path, is the one that
/// counts for them. Rules with hosts and rules without count both.
pub(super) fn may_take(earlier: &RouteSettings, later: &RouteSettings) -> bool {
    let (wide, narrow) = (earlier.path.to_string(), later.path.to_string());
    let meet = |one: &[Method], other: &[Method]| {
        one.is_empty()
            || other
                .iter()
                .any(|it| covers_methods(one, std::slice::from_ref(it)))
    };
    earlier.hosts.is_empty() == later.hosts.is_empty()
        && covers_hosts(earlier, later)
        && (later.methods.is_empty() || meet(&earlier.methods, &later.methods))
        && covers_path(&wide, &narrow)
        && !covers_path(&narrow, &wide)
}

fn covers_hosts(earlier: &RouteSettings, later: &RouteSettings) -> bool {
    let covers_host = |host: &String| {
        earlier.hosts.iter().any(|it| {
            let it = it.to_string();
            let below = it.strip_prefix('*').is_some_and(|end| {
                let name = host.strip_prefix('*').unwrap_or(host);
                name.ends_with(end)
            });
            it == *host || below
        })
    };
    earlier.hosts.is_empty()
        || (!later.hosts.is_empty()
            && later
                .hosts
                .iter()
                .all(|host| covers_host(&host.to_string())))
}

fn covers_methods(earlier: &[Method], later: &[Method]) -> bool {
    let speaks_for = |method: &Method| {
        earlier.contains(method) || (*method == Method::HEAD && earlier.contains(&Method::GET))
    };
    earlier.is_empty() || (!later.is_empty() && later.iter().all(speaks_for))
}

/// Each condition of the earlier one is one of the later one too, or a wider one.
fn covers_headers(earlier: &[HeaderCondition], later: &[HeaderCondition]) -> bool {
    earlier.iter().all(|wanted| {
        let mut same = later.iter().filter(|it| it.name == wanted.name);
        same.any(|it| {
            let narrower = !it.values.is_empty()
                && it.values.iter().all(|value| wanted.values.contains(value));
            wanted.values.is_empty() || narrower
        })
    })
}

fn covers_path(earlier: &str, later: &str) -> bool {
    let (mut wide, mut narrow) = (earlier.split('/'), later.split('/'));
    let is_tail = |segment: &str| segment == "**" || segment.starts_with("{*");
    let is_one = |segment: &str| segment == "*" || segment.starts_with('{');
    loop {
        match (wide.next(), narrow.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some(tail), Some(segment)) if is_tail(tail) => {
                // One segment at least, which is not empty.
                return segment != "**" && !segment.is_empty();
            }
            (Some(_), Some(tail)) if is_tail(tail) => return false,
            (Some(one), Some(segment)) if is_one(one) => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(literal), Some(segment)) if literal == segment => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

/// Whether some path may fit both patterns. May say yes where none does: it is asked for warnings.
pub(super) fn may_meet(one: &str, other: &str) -> bool {
    let is_tail = |segment: &str| segment == "**" || segment.starts_with("{*");
    let is_one = |segment: &str| segment == "*" || segment.starts_with('{');
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            // More than none, at worst.
            (Some(tail), _) | (_, Some(tail)) if is_tail(tail) => return true,
            (Some(left), Some(right)) => {
                // What stands for a segment stands for no empty one.
                let fits = |one: &str, other: &str| is_one(one) && !other.is_empty();
                if left != right && !fits(left, right) && !fits(right, left) {
                    return false;
                }
            }
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_takes_all_of_another_is_told_from_one_that_does_not() {
        for (earlier, later, covers) in [
            ("/**", "/", true),
            ("/**", "/a/{b}", true),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b", true),
            ("/a/**", "/ab", false),
            ("/a/{*rest}", "/a", false),
            ("/a/{*rest}", "/a/b/c", true),
            ("/a/{*rest}", "/a/**", false),
            ("/a/{*rest}", "/a/{*other}", true),
            ("/a/{*rest}", "/a/", false),
            ("/a/{b}", "/a/c", true),
            ("/a/{b}", "/a/{c}", true),
            ("/a/{b}", "/a/", false),
            ("/a/{b}", "/a/b/c", false),
            ("/a/{b}", "/a/**", false),
            ("/a/b", "/a/{b}", false),
            ("/a", "/a", true),
            ("/a", "/b", false),
        ] {
            assert_eq!(covers_path(earlier, later), covers, "{earlier} {later}");
        }
    }

    #[test]
    fn two_patterns_that_may_have_a_path_in_common_are_told_from_two_that_have_none() {
        for (one, other, meet) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", true),
            ("/**", "/anything", true),
            ("/a/{b}", "/a/c", true),
            ("/a/{b}", "/{c}/d", true),
            ("/a/{b}", "/b/{c}", false),
            ("/a/{b}", "/a", false),
            ("/a/{b}", "/a/", false),
            ("/a/{*rest}", "/a/b/c", true),
            ("/a/b", "/a/b/c", false),
            ("/a/*/c", "/a/b/d", false),
        ] {
            assert_eq!(may_meet(one, other), meet, "{one} {other}");
            assert_eq!(may_meet(other, one), meet, "{other} {one}");
        }
    }

    #[test]
    fn hosts_methods_and_headers_narrow_a_route() {
        let route = |change: fn(&mut RouteSettings)| {
            let to = "lb://a".parse().unwrap();
            let mut route = RouteSettings::new("r", "/a/**".parse().unwrap(), to);
            change(&mut route);
            route
        };
        let any = route(|_| {});
        let of_host = route(|it| it.hosts = vec!["a.shop.example".parse().unwrap()]);
        let below = route(|it| it.hosts = vec!["*.shop.example".parse().unwrap()]);
        let get = route(|it| it.methods = vec![Method::GET]);
        let head = route(|it| it.methods = vec![Method::HEAD]);
        let header = |values: &[&'static str]| HeaderCondition {
            name: http::HeaderName::from_static("x-version"),
            values: values
                .iter()
                .map(|it| http::HeaderValue::from_static(it))
                .collect(),
        };
        let with = |values: &[&'static str]| RouteSettings {
            headers: vec![header(values)],
            ..any.clone()
        };
        for (earlier, later, expected) in [
            (&any, &of_host, true),
            (&of_host, &any, false),
            (&below, &of_host, true),
            (&of_host, &below, false),
            (&get, &head, true),
            (&head, &get, false),
            (&get, &any, false),
            (&with(&[]), &with(&["2"]), true),
            (&with(&["2"]), &with(&[]), false),
            (&with(&["2", "3"]), &with(&["2"]), true),
            (&with(&["2"]), &any, false),
            (&any, &with(&["2"]), true),
        ] {
            assert_eq!(covers(earlier, later), expected, "{earlier:?} {later:?}");
        }
    }
}
