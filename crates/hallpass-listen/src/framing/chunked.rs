//! A chunked body, passed over as hyper reads it (RFC 9112 section 7.1).

use super::fault::Fault;
use super::skip::skip;

/// Where in a chunked body the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunked {
    place: Place,
    /// The size of the chunk, as far as it was read, or what is left of the chunk.
    left: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    SizeBegin,
    Size,
    /// White space behind a size, then an extension or the end of the line.
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a trailer's line, or the CR of the end.
    LineBegin,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// What comes of a look at some bytes.
#[derive(Debug)]
pub(super) enum Step<'a> {
    More,
    /// The body has ended, and this follows.
    Ended(&'a [u8]),
    Fault(Fault),
}

impl Chunked {
    pub(super) fn see<'a>(&mut self, mut bytes: &'a [u8]) -> Step<'a> {
        loop {
            if matches!(self.place, Place::Data) {
                let (taken, rest) = skip(bytes, self.left);
                self.left = self.left.saturating_sub(taken);
                bytes = rest;
                if self.left > 0 {
                    return Step::More;
                }
                self.place = Place::DataCr;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return Step::More;
            };
            bytes = rest;
            match self.next(*byte) {
                Ok(Place::End) => return Step::Ended(bytes),
                Ok(place) => self.place = place,
                Err(fault) => return Step::Fault(fault),
            }
        }
    }

    fn next(&mut self, byte: u8) -> Result<Place, Fault> {
        match (self.place, byte) {
            (Place::SizeBegin | Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.add_digit(byte)?;
                Ok(Place::Size)
            }
            (Place::Size | Place::SizeSpace, b'\t' | b' ') => Ok(Place::SizeSpace),
            (Place::Size | Place::SizeSpace, b';') => Ok(Place::Extension),
            (Place::Size | Place::SizeSpace | Place::Extension, b'\r') => Ok(Place::SizeLf),
            // Some end a line there.
            (Place::Extension | Place::LineBegin | Place::Trailer, b'\n') => Err(Fault::Lines),
            (Place::Extension, _) => Ok(Place::Extension),
            (Place::SizeLf, b'\n') if self.left == 0 => Ok(Place::LineBegin),
            (Place::SizeLf, b'\n') => Ok(Place::Data),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::SizeBegin),
            (Place::LineBegin, b'\r') => Ok(Place::EndLf),
            (Place::Trailer, b'\r') => Ok(Place::TrailerLf),
            (Place::LineBegin | Place::Trailer, _) => Ok(Place::Trailer),
            (Place::TrailerLf, b'\n') => Ok(Place::LineBegin),
            (Place::EndLf, b'\n') => Ok(Place::End),
            _ => Err(Fault::Unclear),
        }
    }

    fn add_digit(&mut self, byte: u8) -> Result<(), Fault> {
        let digit = char::from(byte).to_digit(16).ok_or(Fault::Unclear)?;
        let read = self.left.checked_mul(16);
        let read = read.and_then(|read| read.checked_add(u64::from(digit)));
        self.left = read.ok_or(Fault::Unclear)?;
        Ok(())
    }
}
