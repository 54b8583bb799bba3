//! The trace that a call belongs to, as its sender says (W3C Trace Context).

use http::HeaderMap;

/// What a well-formed `traceparent` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TraceParent {
    /// 32 lower-case hexadecimal digits.
    pub(super) trace_id: Box<str>,
    /// The span of the sender: 16 of them.
    pub(super) parent_span_id: Box<str>,
}

impl TraceParent {
    /// None without the header, with several, and with one that is malformed (section 3.2 there). Versions after 00 may have more
    /// behind the flags.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all("traceparent").iter();
        let (Some(text), None) = (all.next(), all.next()) else {
            return None;
        };
        let mut parts = text.to_str().ok()?.split('-');
        let mut next = |length| parts.next().filter(|it| is_hex(it, length));
        let (version, trace_id, parent_span_id) = (next(2)?, next(32)?, next(16)?);
        let _flags = next(2)?;
        let is_version = version != "ff" && (version != "00" || parts.next().is_none());
        let sound = is_version && !is_zero(trace_id) && !is_zero(parent_span_id);
        sound.then(|| Self {
            trace_id: trace_id.into(),
            parent_span_id: parent_span_id.into(),
        })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(is_digit)
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(text: &str) -> Option<TraceParent> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
        TraceParent::of(&headers)
    }

    #[test]
    fn a_well_formed_traceparent_names_the_trace_and_the_span_of_its_sender() {
        let parent = of(GOOD).unwrap();
        assert_eq!(&*parent.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(&*parent.parent_span_id, "00f067aa0ba902b7");
        let later = format!("cc{}-what-the-future-brings", GOOD.trim_start_matches("00"));
        assert_eq!(of(&later), Some(parent));
    }

    #[test]
    fn a_traceparent_that_breaks_one_rule_is_none() {
        // Each of these breaks one rule only.
        for text in [
            "nonsense",
            "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0G-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473G-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        let mut two = HeaderMap::new();
        two.append("traceparent", HeaderValue::from_static(GOOD));
        two.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(TraceParent::of(&two), None);
    }
}
