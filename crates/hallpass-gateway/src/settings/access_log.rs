//! `gateway.access-log`: a line a request.

use std::path::PathBuf;

/// `access-log`: which requests get a line, and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// `level`: which requests get a line.
    pub level: AccessLogLevel,
    /// `to`: standard output, or a file.
    pub to: AccessLogTarget,
    /// `format`: how a line is written.
    pub format: AccessLogFormat,
    /// `query`: whether the query of the request stands in it.
    pub has_query: bool,
    /// `callers`: whether the issuer and subject of the caller stand in it.
    pub has_callers: bool,
}

/// Which requests get a line in the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogLevel {
    /// `off`: none.
    Off,
    /// `errors`: those that were answered with 500 and more.
    #[default]
    Errors,
    /// `denials`: those that were answered with 400 and more.
    Denials,
    /// `all`: each.
    All,
}

/// Where the lines of the access log go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// `stdout`.
    #[default]
    Stdout,
    /// The end of this file.
    File(PathBuf),
}

/// How a line of the access log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// `json`: an object a line.
    #[default]
    Json,
    /// `combined`: as Apache and nginx write it.
    Combined,
}
