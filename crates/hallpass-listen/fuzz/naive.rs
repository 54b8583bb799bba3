//! A reader of requests that knows nothing of hyper and of the guard: it holds all bytes at once, and stops where anything is odd.

/// A request as it stands in the bytes.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(crate) method: String,
    /// Names in small letters, values without white space around them.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// `None`: not all of it is there.
    pub(crate) body: Option<Vec<u8>>,
    /// What comes behind it; `None` where nobody can say where that begins.
    pub(crate) rest: Option<&'a [u8]>,
}

/// The request that `bytes` begin with.
pub(crate) fn read(mut bytes: &[u8], is_strict: bool) -> Option<Read<'_>> {
    let mut request_line = &b""[..];
    while request_line.is_empty() {
        (request_line, bytes) = line(bytes, is_strict)?;
    }
    let method = request_line.split(|byte| *byte == b' ').next()?;
    let mut fields = Vec::new();
    loop {
        let (field, rest) = line(bytes, is_strict)?;
        bytes = rest;
        if field.is_empty() {
            break;
        }
        let colon = field.iter().position(|byte| *byte == b':')?;
        let (name, value) = field.split_at(colon);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = value.get(1..)?.trim_ascii();
        fields.push((name, value.to_vec()));
    }
    let of = |wanted: &str| {
        let mut all = fields.iter().filter(|(name, _)| name == wanted);
        all.next().map(|(_, value)| value.clone())
    };
    let (body, rest) = match (of("content-length"), of("transfer-encoding")) {
        (None, None) => (Some(Vec::new()), Some(bytes)),
        (Some(length), None) => counted(bytes, &length)?,
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => chunked(bytes),
        // The test of the caller fails there.
        (_, Some(_)) => (None, None),
    };
    Some(Read {
        method: String::from_utf8_lossy(method).into_owned(),
        fields,
        body,
        rest,
    })
}

/// A line without its end, and what follows.
fn line(bytes: &[u8], is_strict: bool) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    match line.strip_suffix(b"\r") {
        Some(line) => Some((line, rest)),
        None if is_strict => None,
        None => Some((line, rest)),
    }
}

type Body<'a> = (Option<Vec<u8>>, Option<&'a [u8]>);

fn counted<'a>(bytes: &'a [u8], length: &[u8]) -> Option<Body<'a>> {
    let length: u64 = std::str::from_utf8(length).ok()?.parse().ok()?;
    let length = usize::try_from(length).ok()?;
    Some(match bytes.split_at_checked(length) {
        Some((body, rest)) => (Some(body.to_vec()), Some(rest)),
        None => (None, None),
    })
}

fn chunked(bytes: &[u8]) -> Body<'_> {
    match all_chunks(bytes) {
        Some((body, rest)) => (Some(body), rest),
        None => (None, None),
    }
}

/// The body, and what follows if its last lines end clearly.
fn all_chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, Option<&[u8]>)> {
    let mut body = Vec::new();
    loop {
        let (size, rest) = line(bytes, true)?;
        let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
        let digits: Vec<u8> = size.iter().take_while(is_digit).copied().collect();
        let size = usize::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
        bytes = rest;
        if size == 0 {
            break;
        }
        let (chunk, rest) = bytes.split_at_checked(size)?;
        body.extend(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
    }
    loop {
        // hyper reads on behind a bare LF, others end the line there.
        let Some((trailer, rest)) = line(bytes, true) else {
            return bytes.contains(&b'\n').then_some((body, None));
        };
        bytes = rest;
        if trailer.is_empty() {
            return Some((body, Some(bytes)));
        }
    }
}
