//! What becomes of the path on its way to the upstream.

use hallpass_resource::{EncodedCharacters, NormalPath, PathFault};
use hallpass_upstream::EndpointUrl;
use http::uri::PathAndQuery;
use thiserror::Error;

use crate::settings::route::{PathReplacement, RewriteSettings, RouteSettings};

/// From the path of a request to that of the request to the upstream: fewer segments at the beginning, another form, and more before it. The base
/// path of the target cannot be left: what comes of it has one meaning, like every path.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    strip_segments: u32,
    replacement: Option<PathReplacement>,
    /// The base path of the target and `prefix`, without a slash at the end; empty for none.
    before: String,
}

/// A request whose path cannot be rewritten.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum RewriteFault {
    /// It has fewer segments than are left out.
    #[error("the path is shorter than what is left out of it")]
    TooShort,
    /// What comes of it could mean several things.
    #[error("the path could mean several things once it is rewritten: {0}")]
    Path(#[from] PathFault),
    /// What comes of it is no target of a request.
    #[error("the path is no target of a request once it is rewritten")]
    Target,
}

impl Rewrite {
    pub(crate) fn new(route: &RouteSettings) -> Self {
        let RewriteSettings {
            strip_segments,
            replacement,
            prefix,
        } = &route.rewrite;
        let base = match &route.to {
            EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => url.path(),
            EndpointUrl::LoadBalanced { path, .. } => path,
        };
        let base = base.trim_end_matches('/');
        Self {
            strip_segments: *strip_segments,
            replacement: replacement.clone(),
            before: format!("{base}{}", prefix.as_deref().unwrap_or_default()),
        }
    }

    /// The path and query for the upstream. The query stays as it came.
    ///
    /// # Errors
    /// [`RewriteFault`].
    pub(crate) fn apply(
        &self,
        sent: &PathAndQuery,
        encoded: EncodedCharacters,
    ) -> Result<PathAndQuery, RewriteFault> {
        if self.strip_segments == 0 && self.replacement.is_none() && self.before.is_empty() {
            // The path was looked at when the request came.
            return Ok(sent.clone());
        }
        let kept = self.stripped(sent.path())?;
        let replaced = match &self.replacement {
            Some(replacement) => replace(replacement, kept, encoded)?,
            None => None,
        };
        let path = replaced.as_deref().unwrap_or(kept);
        let mut target = String::with_capacity(self.before.len() + sent.as_str().len());
        target.push_str(&self.before);
        target.push_str(path);
        NormalPath::parse_allowing(&target, encoded)?;
        if let Some(query) = sent.query() {
            target.push('?');
            target.push_str(query);
        }
        PathAndQuery::try_from(target).map_err(|_| RewriteFault::Target)
    }

    /// What `X-Forwarded-Prefix` says: what was left out at the beginning, where nothing else becomes of the path.
    pub(crate) fn stripped_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.strip_segments == 0 {
            return None;
        }
        let kept = self.stripped(path).ok()?;
        // Where nothing is left, the slash that goes on is none of the path: all of it was left out.
        Some(path.strip_suffix(kept).unwrap_or(path))
    }

    /// The path without its first segments; `/` where nothing else is left.
    fn stripped<'p>(&self, path: &'p str) -> Result<&'p str, RewriteFault> {
        let mut rest = path;
        for _ in 0..self.strip_segments {
            let segments = rest.strip_prefix('/').unwrap_or_default();
            if segments.is_empty() {
                return Err(RewriteFault::TooShort);
            }
            let at = segments.find('/');
            rest = at.and_then(|at| segments.get(at..)).unwrap_or("/");
        }
        Ok(rest)
    }
}

fn replace(
    replacement: &PathReplacement,
    path: &str,
    encoded: EncodedCharacters,
) -> Result<Option<String>, RewriteFault> {
    let path = NormalPath::parse_allowing(path, encoded)?;
    let captures = replacement.from.captures(&path);
    Ok(captures.map(|captures| replacement.to.fill(&captures)))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use hallpass_config::Loader;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;
    use crate::settings::gateway::GatewaySettings;

    fn rewrite(to: &str, change: impl FnOnce(&mut RewriteSettings)) -> Rewrite {
        let to = to.parse().unwrap();
        let mut route = RouteSettings::new("r", "/**".parse().unwrap(), to);
        change(&mut route.rewrite);
        Rewrite::new(&route)
    }

    fn applied(rewrite: &Rewrite, path: &str) -> Result<String, RewriteFault> {
        let sent = PathAndQuery::try_from(path).unwrap();
        let applied = rewrite.apply(&sent, EncodedCharacters::default());
        applied.map(|it| it.to_string())
    }

    #[test]
    fn a_path_becomes_what_the_table_says() {
        let strip = |count| rewrite("lb://a", |it| it.strip_segments = count);
        let based = rewrite("https://partner.example/v2/", |it| it.strip_segments = 1);
        let prefixed = rewrite("lb://a/base", |it| {
            it.strip_segments = 1;
            it.prefix = Some("/v3".to_owned());
        });
        for (rewrite, path, expected) in [
            (&strip(0), "/a/b?c=d%20e", "/a/b?c=d%20e"),
            (&strip(1), "/a/b/c?x=/../y", "/b/c?x=/../y"),
            (&strip(2), "/a/b/c", "/c"),
            (&strip(1), "/a", "/"),
            (&strip(1), "/a/", "/"),
            (&strip(2), "/a/b/", "/"),
            (&strip(1), "/a%20b/c%20d", "/c%20d"),
            (&based, "/partner/x", "/v2/x"),
            (&based, "/partner", "/v2/"),
            (&prefixed, "/a/b", "/base/v3/b"),
        ] {
            assert_eq!(applied(rewrite, path).as_deref(), Ok(expected), "{path}");
        }
        assert_eq!(applied(&strip(2), "/a"), Err(RewriteFault::TooShort));
        assert_eq!(applied(&strip(1), "/"), Err(RewriteFault::TooShort));
    }

    #[test]
    fn the_prefix_that_upstreams_are_told_is_what_was_left_out() {
        let told = |count: u32, path: &'static str| {
            rewrite("lb://a", |it| it.strip_segments = count).stripped_prefix(path)
        };
        for (count, path, expected) in [
            (2, "/a/b/c", Some("/a/b")),
            (1, "/api/", Some("/api")),
            (1, "/api", Some("/api")),
            (2, "/a/b/", Some("/a/b")),
            (2, "/a/b", Some("/a/b")),
            (2, "/a", None),
            (0, "/a", None),
        ] {
            assert_eq!(told(count, path), expected, "{count} {path}");
        }
    }

    /// A route with a rewrite, read once.
    fn replacing() -> &'static RouteSettings {
        static ROUTE: LazyLock<RouteSettings> = LazyLock::new(|| {
            let text = "hallpass: { gateway: { routes: [{ name: a, path: /**, to: 'https://p.example/v2', identity: none, \
                        rewrite: { from: '/{a}/{*rest}', to: '/{rest}' } }] } }";
            let settings = Loader::new("hallpass").text("t", text).load();
            let settings: GatewaySettings = settings.unwrap().into_settings();
            settings.routes[0].clone()
        });
        &ROUTE
    }

    const ALL: EncodedCharacters = EncodedCharacters {
        slash: true,
        backslash: true,
        semicolon: true,
        percent: true,
    };

    proptest! {
        #[test]
        fn no_rewrite_leaves_its_prefix(
            path in "(/[a-z.%2FEe5c;]{0,6}){1,6}",
            strip in 0_u32..4,
            replaced in any::<bool>(),
        ) {
            let mut route = replacing().clone();
            route.rewrite.strip_segments = strip;
            if !replaced {
                route.rewrite.replacement = None;
            }
            let sent = PathAndQuery::try_from(path.as_str());
            let is_normal = |it: &PathAndQuery| NormalPath::parse_allowing(it.path(), ALL).is_ok();
            let Some(sent) = sent.ok().filter(is_normal) else {
                return Ok(());
            };
            if let Ok(target) = Rewrite::new(&route).apply(&sent, ALL) {
                prop_assert!(target.path().starts_with("/v2/"), "{target}");
                // However somebody decodes it, it stays there.
                let decoded = percent_decode_str(target.path()).decode_utf8_lossy();
                let mut segments = decoded.split(['/', '\\']);
                let climbs = segments.any(|it| matches!(it.split(';').next(), Some("." | "..")));
                prop_assert!(!climbs, "{target}");
            }
        }
    }
}
