//! Which route a request takes: the first that fits, in the order of the settings.

mod matcher;
mod rewrite;

use std::collections::HashMap;

use hallpass_resource::PathReading;
use thiserror::Error;

use super::parts::Head;
use crate::settings::route::RouteSettings;
use matcher::Matcher;

pub(crate) use rewrite::Rewrite;

/// Below so many routes all of them are looked at one after the other: a comparison of the first segment costs less than a hash of it.
const FEW: usize = 16;

/// Routes with what belongs to each, in their order.
#[derive(Debug)]
pub(crate) struct Routes<R> {
    routes: Vec<(Matcher, R)>,
    /// By the first segment of a path: those routes, in their order, that may fit. Empty for few routes.
    by_first: HashMap<Box<str>, Vec<usize>>,
    /// Those that may fit a path whose first segment no route names.
    others: Vec<usize>,
}

/// A path that is for one route as it was written and for another, or none, once it is decoded: whoever reads it next may take it for
/// something else than what was decided about.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the path is for different routes, depending on how it is read")]
pub(crate) struct TwoReadings;

impl<R> Routes<R> {
    pub(crate) fn new<'s>(routes: impl IntoIterator<Item = (&'s RouteSettings, R)>) -> Self {
        let routes: Vec<_> = routes
            .into_iter()
            .map(|(settings, route)| (Matcher::new(settings), route))
            .collect();
        let mut by_first: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        let mut others = Vec::new();
        if routes.len() > FEW {
            for (matcher, _) in &routes {
                if let Some(first) = matcher.first() {
                    by_first.entry(first.into()).or_default();
                }
            }
            for (at, (matcher, _)) in routes.iter().enumerate() {
                let lists = by_first.iter_mut();
                let mut fitting =
                    lists.filter(|(first, _)| matcher.first().is_none_or(|it| it == &***first));
                fitting.by_ref().for_each(|(_, list)| list.push(at));
                if matcher.first().is_none() {
                    others.push(at);
                }
            }
        }
        Self {
            routes,
            by_first,
            others,
        }
    }

    /// What belongs to the first route that fits.
    ///
    /// # Errors
    /// [`TwoReadings`].
    pub(crate) fn find(&self, head: &Head<'_>) -> Result<Option<&R>, TwoReadings> {
        // Escapes are rare, and the first segment may have some.
        if head.path.as_str().contains('%') {
            return self.find_reading(head);
        }
        let fits = |(matcher, _): &&(Matcher, R)| {
            matcher.fits_path(head.path) && matcher.fits_all_but_path(head)
        };
        let found = match self.routes.len() {
            0..=FEW => self.routes.iter().find(fits),
            _ => {
                let first = head.path.as_str().split('/').nth(1).unwrap_or_default();
                let list = self.by_first.get(first).unwrap_or(&self.others);
                list.iter().filter_map(|at| self.routes.get(*at)).find(fits)
            }
        };
        Ok(found.map(|(_, route)| route))
    }

    fn find_reading(&self, head: &Head<'_>) -> Result<Option<&R>, TwoReadings> {
        for (matcher, route) in &self.routes {
            if !matcher.fits_all_but_path(head) {
                continue;
            }
            match matcher.reading(head.path) {
                PathReading::Every => return Ok(Some(route)),
                PathReading::None => {}
                PathReading::Differ => return Err(TwoReadings),
            }
        }
        Ok(None)
    }

    /// Whether any route asks for a host: one must be known then.
    pub(crate) fn asks_for_host(&self) -> bool {
        self.routes.iter().any(|(matcher, _)| matcher.has_hosts())
    }

    /// All of them, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.routes.iter().map(|(_, route)| route)
    }
}

#[cfg(test)]
mod tests;
