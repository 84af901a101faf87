//! What a `RowDescription` says of a result's fields.
//!
//! Parsed strictly: what is not exactly what PostgreSQL sends is refused, because every mask
//! hangs on it. Names are the client's own choice and decide nothing.

use model::mask::CellFormat;

use super::types::{self, Kind};

/// The fixed bytes of one field after its name: OIDs, sizes and format.
const FIXED_BYTES: usize = 18;

/// A message of the upstream that is not what its type demands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed {message}: {reason}")]
pub struct MalformedFrame {
    /// The message's name in the protocol.
    pub message: &'static str,
    /// What is wrong with it; never its content.
    pub reason: &'static str,
}

impl MalformedFrame {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> model::Fault {
        model::Fault::Upstream
    }
}

/// Format codes of a `Bind` that the server would refuse as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FormatFault {
    /// Neither none, nor one, nor one per field.
    #[error("{codes} result format codes for {fields} fields")]
    Count {
        /// How many codes the `Bind` carries.
        codes: usize,
        /// How many fields the result has.
        fields: usize,
    },
    /// Neither 0 nor 1.
    #[error("result format code {0} is neither text nor binary")]
    Unknown(u16),
}

impl FormatFault {
    /// Returns who must act.
    #[must_use]
    pub const fn fault(&self) -> model::Fault {
        model::Fault::Client
    }
}

/// How the cells of a field are encoded on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Format {
    /// Format code 1: the type's `send` form.
    Binary,
    /// Format code 0: the type's `output` form.
    #[default]
    Text,
}

impl Format {
    /// Returns the wire's code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Binary => 1,
            Self::Text => 0,
        }
    }

    /// Returns the format of a code; `None` for codes the protocol does not know.
    #[must_use]
    pub const fn of(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Binary),
            _ => None,
        }
    }
}

/// One field as a `RowDescription` describes it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FieldDescription {
    /// The name's bytes as sent, without the NUL.
    pub name: Vec<u8>,
    /// The relation the field comes from; 0 where it is computed.
    pub table_oid: u32,
    /// The attribute within that relation; 0 where it is computed or a whole row.
    pub attnum: i16,
    /// The type; a domain shows as its base type.
    pub type_oid: u32,
    /// The type's size in bytes; negative for types of varying length.
    pub type_size: i16,
    /// The type modifier, e.g. the length of `varchar(n)`; -1 where there is none.
    pub type_modifier: i32,
    /// How the cells are encoded. A statement's description always says text.
    pub format: Format,
}

impl FieldDescription {
    /// Returns the encoding that a masker is told, and gets its cells in.
    ///
    /// [`super::ResultMask`] hands out cells in exactly this form: `jsonb` in binary, for one,
    /// as the document without its version byte.
    #[must_use]
    pub fn cell_format(&self) -> CellFormat {
        match (Kind::of(self.type_oid), self.format) {
            (Kind::Json | Kind::Jsonb, _) => CellFormat::Json,
            (Kind::Blank | Kind::Text | Kind::Xml, _) | (_, Format::Text) => CellFormat::Utf8,
            (Kind::Other | Kind::Scalar(_), Format::Binary) => CellFormat::Bytes,
        }
    }

    /// Returns the type's name for the built-in types that masks know; `None` for all others.
    #[must_use]
    pub fn known_type_name(&self) -> Option<&'static str> {
        types::name(self.type_oid)
    }
}

/// Parses the body of a `RowDescription` (`T`), without the frame's header.
///
/// # Errors
/// [`MalformedFrame`] for a negative count, a name without its NUL, a cut field, an unknown
/// format code, and bytes left over.
pub fn parse_row_description(body: &[u8]) -> Result<Vec<FieldDescription>, MalformedFrame> {
    let (count, mut rest) = body.split_first_chunk().ok_or(malformed("no field count"))?;
    let count = usize::try_from(i16::from_be_bytes(*count)).map_err(|_| malformed("negative field count"))?;
    let mut fields = Vec::with_capacity(count.min(rest.len() / (FIXED_BYTES + 1)));
    for _ in 0..count {
        let (field, after) = parse_field(rest)?;
        fields.push(field);
        rest = after;
    }
    if rest.is_empty() {
        Ok(fields)
    } else {
        Err(malformed("bytes left over"))
    }
}

fn parse_field(rest: &[u8]) -> Result<(FieldDescription, &[u8]), MalformedFrame> {
    let end = rest
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(malformed("name without its end"))?;
    let (fixed, after) = rest[end + 1..]
        .split_first_chunk::<FIXED_BYTES>()
        .ok_or(malformed("field cut short"))?;
    let &[
        t0,
        t1,
        t2,
        t3,
        a0,
        a1,
        y0,
        y1,
        y2,
        y3,
        s0,
        s1,
        m0,
        m1,
        m2,
        m3,
        f0,
        f1,
    ] = fixed;
    let format = Format::of(u16::from_be_bytes([f0, f1])).ok_or(malformed("unknown format code"))?;
    let field = FieldDescription {
        name: rest[..end].to_vec(),
        table_oid: u32::from_be_bytes([t0, t1, t2, t3]),
        attnum: i16::from_be_bytes([a0, a1]),
        type_oid: u32::from_be_bytes([y0, y1, y2, y3]),
        type_size: i16::from_be_bytes([s0, s1]),
        type_modifier: i32::from_be_bytes([m0, m1, m2, m3]),
        format,
    };
    Ok((field, after))
}

const fn malformed(reason: &'static str) -> MalformedFrame {
    MalformedFrame {
        message: "RowDescription",
        reason,
    }
}

/// Gives each field the format that a `Bind` asked for: no codes mean text, one holds for all.
///
/// For rows whose description came from a statement, which says text whatever the portal does.
///
/// # Errors
/// [`FormatFault`], with the fields unchanged. The server refuses such a `Bind` too, so rows
/// under it can't come.
pub fn with_formats(fields: &mut [FieldDescription], bind_formats: &[u16]) -> Result<(), FormatFault> {
    if let Some(&unknown) = bind_formats.iter().find(|&&code| Format::of(code).is_none()) {
        return Err(FormatFault::Unknown(unknown));
    }
    let format = |index: usize| {
        bind_formats
            .get(index)
            .copied()
            .and_then(Format::of)
            .unwrap_or_default()
    };
    match bind_formats.len() {
        0 | 1 => fields.iter_mut().for_each(|field| field.format = format(0)),
        codes if codes == fields.len() => {
            for (index, field) in fields.iter_mut().enumerate() {
                field.format = format(index);
            }
        }
        codes => {
            return Err(FormatFault::Count {
                codes,
                fields: fields.len(),
            });
        }
    }
    Ok(())
}

/// Appends a whole `RowDescription` frame.
///
/// Of more than 32,767 fields, which no server can describe, the rest is left out; a name ends
/// at its first NUL.
pub fn write_row_description(fields: &[FieldDescription], out: &mut Vec<u8>) {
    let count = i16::try_from(fields.len()).unwrap_or(i16::MAX);
    super::report::write_frame(b'T', out, |out| {
        out.extend_from_slice(&count.to_be_bytes());
        for field in fields.iter().take(usize::from(count.unsigned_abs())) {
            out.extend(field.name.iter().take_while(|&&byte| byte != 0));
            out.push(0);
            out.extend_from_slice(&field.table_oid.to_be_bytes());
            out.extend_from_slice(&field.attnum.to_be_bytes());
            out.extend_from_slice(&field.type_oid.to_be_bytes());
            out.extend_from_slice(&field.type_size.to_be_bytes());
            out.extend_from_slice(&field.type_modifier.to_be_bytes());
            out.extend_from_slice(&field.format.code().to_be_bytes());
        }
    });
}

#[cfg(test)]
mod tests;
