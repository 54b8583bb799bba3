//! The tables of what each key of another product means here.

use std::fmt::Write as _;

use super::row::{Form, Means, Row};
use super::{hystrix, openfeign, resilience4j, sentinel};

/// All tables, each with the section that its keys stand in.
pub(in super::super) fn tables() -> String {
    let mut text = String::new();
    for part in resilience4j::PARTS {
        table(
            &mut text,
            &format!("`resilience4j.{}`", part.name),
            part.rows,
        );
    }
    table(
        &mut text,
        "`hystrix.command.default`, `hystrix.command.KEY`",
        hystrix::COMMAND,
    );
    table(
        &mut text,
        "`hystrix.threadpool.default`, `hystrix.threadpool.KEY`",
        hystrix::THREAD_POOL,
    );
    table(&mut text, "degrade rules of Sentinel", sentinel::DEGRADE);
    table(&mut text, "flow rules of Sentinel", sentinel::FLOW);
    table(
        &mut text,
        "`spring.cloud.openfeign.client.config.default`, `….config.NAME`",
        openfeign::CONFIG,
    );
    text
}

fn table(text: &mut String, section: &str, rows: &[Row]) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n| {section} | here |\n|---|---|\n");
    for row in rows {
        let _ = writeln!(text, "| `{}` | {} |", row.theirs, meaning(row.means));
    }
}

fn meaning(means: Means) -> String {
    match means {
        Means::Ours(key, Form::Same) => format!("`{key}`"),
        Means::Ours(key, Form::Whole) => format!("`{key}`; the next whole number"),
        Means::Ours(key, Form::Percent) => format!("`{key}`; the nearest whole percent"),
        Means::Part(ours) => ours.to_owned(),
        Means::Nothing(why) => format!("no effect: it {why}"),
        Means::Refused(why) => format!("a problem: it {why}"),
        Means::Warned(why) => format!("no effect, and a warning: it {why}"),
    }
}
