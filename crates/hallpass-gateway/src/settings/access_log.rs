//! `gateway.access-log`: a line a request.

use std::path::PathBuf;

use hallpass_config::{Key, Kind, Section};

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

impl AccessLogSettings {
    /// The keys of the section.
    pub const KEYS: &'static [Key] = &[
        Key::new(
            "level",
            Kind::Choice(&["off", "errors", "denials", "all"]),
            "Which requests get a line: none, those that were answered with 500 and more or not at all, those that were answered with 400 \
            and more, or each.",
        )
        .or("errors"),
        Key::new(
            "file",
            Kind::File,
            "The file whose end the lines are written to. It is opened anew after each reload, for programs that rotate it.",
        )
        .otherwise("standard output"),
        Key::new(
            "format",
            Kind::Choice(&["json", "combined"]),
            "An object a line, or the form of Apache and nginx.",
        )
        .or("json"),
        Key::new(
            "query",
            Kind::Flag,
            "Whether the query of a request stands in its line. Queries bear what should not be kept, tokens among it.",
        )
        .or("false"),
        Key::new(
            "callers",
            Kind::Flag,
            "Whether a line names the issuer and the subject of a verified caller.",
        )
        .or("false"),
        Key::not_ours("to", "here it is `file`, and standard output without it"),
        Key::not_ours("enabled", "here it is `level`: `off` for none"),
    ];

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let level = section.choice("level", |name| match name {
            "off" => Some(AccessLogLevel::Off),
            "errors" => Some(AccessLogLevel::Errors),
            "denials" => Some(AccessLogLevel::Denials),
            "all" => Some(AccessLogLevel::All),
            _ => None,
        });
        let file = section.file("file");
        let format = section.choice("format", |name| match name {
            "json" => Some(AccessLogFormat::Json),
            "combined" => Some(AccessLogFormat::Combined),
            _ => None,
        });
        let has_query = section.flag("query");
        let has_callers = section.flag("callers");
        Some(Self {
            level: level?,
            to: file.map_or(AccessLogTarget::Stdout, AccessLogTarget::File),
            format: format?,
            has_query: has_query?,
            has_callers: has_callers?,
        })
    }
}
