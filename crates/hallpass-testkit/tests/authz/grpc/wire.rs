//! Protocol buffers by hand, so that the numbers of fields are written down a second time: those of the published definitions.

use std::collections::BTreeMap;

/// One field: a number, then what it holds.
pub(crate) fn field(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(content.len().try_into().unwrap()));
    bytes.extend(content);
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// Fields by their number; a whole number is its digits.
pub(crate) type Fields = BTreeMap<u64, Vec<Vec<u8>>>;

pub(crate) fn read(mut bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes);
        let content = match key & 7 {
            0 => take_varint(&mut bytes).to_string().into_bytes(),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)).unwrap();
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                content.to_vec()
            }
            other => panic!("wire type {other}"),
        };
        fields.entry(key >> 3).or_default().push(content);
    }
    fields
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

/// What Envoy makes of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// `status.code`; 0 lets the request pass.
    pub(crate) code: i64,
    /// `denied_response.status.code`.
    pub(crate) status: Option<u16>,
    /// Headers of either: name, value, and whether it is put beside what is there.
    pub(crate) headers: Vec<(String, String, bool)>,
    pub(crate) removed: Vec<String>,
    pub(crate) for_caller: Vec<(String, String, bool)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(message: &[u8]) -> Self {
        let fields = read(message);
        let mut answer = Self {
            code: number(&read(&one(&fields, 1)), 1),
            ..Self::default()
        };
        if let Some(denied) = fields.get(&2) {
            let denied = read(&denied[0]);
            answer.status = Some(number(&read(&one(&denied, 1)), 1).try_into().unwrap());
            answer.headers = headers(&denied, 2);
            answer.body = text(&denied, 3);
        }
        if let Some(ok) = fields.get(&3) {
            let ok = read(&ok[0]);
            answer.headers = headers(&ok, 2);
            let removed = ok.get(&5).cloned().unwrap_or_default();
            answer.removed = removed
                .into_iter()
                .map(|it| String::from_utf8(it).unwrap())
                .collect();
            answer.for_caller = headers(&ok, 6);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, ..)| it == name);
        found.map(|(_, value, _)| value.as_str())
    }
}

fn headers(fields: &Fields, tag: u64) -> Vec<(String, String, bool)> {
    let options = fields.get(&tag).cloned().unwrap_or_default();
    let options = options.iter().map(|option| {
        let option = read(option);
        let header = read(&one(&option, 1));
        // What a missing `append` means has changed between releases of Envoy.
        let append = read(&option.get(&2).expect("append is said")[0]);
        (text(&header, 1), text(&header, 2), number(&append, 1) == 1)
    });
    options.collect()
}

fn one(fields: &Fields, tag: u64) -> Vec<u8> {
    fields.get(&tag).map(|it| it[0].clone()).unwrap_or_default()
}

fn text(fields: &Fields, tag: u64) -> String {
    String::from_utf8(one(fields, tag)).unwrap()
}

fn number(fields: &Fields, tag: u64) -> i64 {
    let digits = text(fields, tag);
    if digits.is_empty() {
        0
    } else {
        digits.parse().unwrap()
    }
}
