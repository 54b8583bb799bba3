//! Events of a process that serves nobody: written before it goes on, without a queue.

use super::recorder::Recorder;
use super::rotated_file::RotatedFile;
use super::{AuditEvent, write};
use crate::error::Error;
use crate::settings::audit::AuditPlace;

/// Adds the event at the end of the file of `place`, or else puts it into the log. It blocks.
///
/// An issuer may write the file at the same time: each writes whole lines at its end.
///
/// # Errors
/// [`Error::File`]; the event is in the log then.
pub(crate) fn write_at_once(place: &AuditPlace, event: &AuditEvent) -> Result<(), Error> {
    let AuditPlace::File { path, .. } = place else {
        write(event);
        return Ok(());
    };
    let mut lines = Vec::new();
    Recorder::new().record(|| write(event), |line| lines.extend_from_slice(line));
    lines.push(b'\n');
    // Not rotated here: two who do that at the same moment would lose a file.
    let written = RotatedFile::new(path.clone(), 0, 0).write(&lines);
    written.map_err(|(source, _)| {
        write(event);
        Error::File {
            path: path.clone(),
            source,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hallpass_token::UnixTime;

    use super::*;
    use crate::audit::Decision;
    use crate::audit::administration::Administration;

    fn event() -> AuditEvent {
        AuditEvent {
            at: UnixTime::from_secs(7),
            source: None,
            trace: None,
            grant: "admin",
            decision: Decision::Administration(Box::new(
                Administration::new("key_taint", "done").of(Some("k1")),
            )),
        }
    }

    #[test]
    fn a_line_is_added_to_what_is_there_and_a_file_that_takes_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{}\n".repeat(100)).unwrap();
        let place = AuditPlace::File {
            path: path.clone(),
            rotate_bytes: 10,
            keep: 1,
        };
        write_at_once(&place, &event()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let line = "{\"event\":\"administration\",\"at\":7,\"action\":\"key_taint\",\"object\":\"k1\",\"outcome\":\"done\"}";
        assert_eq!(
            (text.lines().count(), text.lines().last()),
            (101, Some(line))
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "not rotated");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let refused = write_at_once(&place, &event());
        assert!(matches!(refused, Err(Error::File { path: said, .. }) if said == path));
    }
}
