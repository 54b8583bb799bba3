//! What programs behind a check may take a path for.

/// As written; decoded once, as most do; and again, as a careless program behind another does. Each of them as it is, as a servlet
/// container and as a file server reads it.
pub(crate) fn readings(path: &str) -> Vec<String> {
    let mut readings = Vec::new();
    let mut read = path.to_owned();
    for _reading in 0..3 {
        readings.extend([without_parameters(&read), resolved(&read)]);
        let decoded = decoded(&read);
        readings.push(read);
        read = decoded;
    }
    readings
}

/// As a servlet container routes.
fn without_parameters(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/")
}

/// As a web server does before it looks for a file: no dot segments, no empty ones, no backslashes.
fn resolved(path: &str) -> String {
    let mut resolved: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    format!("/{}", resolved.join("/"))
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = match tail {
            [high, low, ..] if *first == b'%' => {
                let text = [*high, *low];
                std::str::from_utf8(&text)
                    .ok()
                    .and_then(|text| u8::from_str_radix(text, 16).ok())
            }
            _ => None,
        };
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
