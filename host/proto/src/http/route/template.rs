//! One template: literals and names, segment by segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::path::{CanonicalPath, PathError, PathRules, SEGMENTS_MAX, decode_escapes};

/// What is wrong with the routes; for the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// A template is no path.
    #[error("route `{template}`: {source}")]
    Path {
        /// The template as written.
        template: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A segment mixes text with a name, or a name is malformed or there twice.
    #[error("route `{template}`: a segment is either text or one `{{name}}`, each name once")]
    Name {
        /// The template as written.
        template: String,
    },
    /// Two templates fit the same paths with the same methods.
    #[error("route `{template}` fits the same requests as `{other}`")]
    Twice {
        /// The later template.
        template: String,
        /// The earlier one.
        other: String,
    },
    /// There are more than [`super::ROUTES_MAX`].
    #[error("there are more than {} routes", super::ROUTES_MAX)]
    TooMany,
    /// The document has no `paths`, or they are not what OpenAPI says.
    #[error("the document is no OpenAPI document: `{place}` is not an object")]
    Document {
        /// What is not as it should be.
        place: String,
    },
    /// A path's description stands elsewhere.
    #[error("route `{template}`: its description is a reference, which is not followed")]
    Reference {
        /// The template as written.
        template: String,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) text: Arc<str>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    /// Decoded.
    Literal(String),
    Name(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, RouteError> {
        let path_error = |source| RouteError::Path {
            template: text.to_owned(),
            source,
        };
        let name_error = || RouteError::Name {
            template: text.to_owned(),
        };
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| path_error(PathError::Relative))?;
        let count = path.split('/').count();
        if count > SEGMENTS_MAX {
            return Err(path_error(PathError::TooLong));
        }
        let mut segments: Vec<Segment> = Vec::with_capacity(count);
        for (at, segment) in path.split('/').enumerate() {
            let segment =
                if let Some(name) = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    let segment = Segment::Name(name.to_owned());
                    if !is_name(name) || segments.contains(&segment) {
                        return Err(name_error());
                    }
                    segment
                } else if segment.contains(['{', '}']) {
                    return Err(name_error());
                } else if segment.is_empty() && at + 1 < count {
                    return Err(path_error(PathError::EmptySegment));
                } else {
                    Segment::Literal(literal(segment).map_err(path_error)?)
                };
            segments.push(segment);
        }
        Ok(Self {
            text: text.into(),
            segments,
        })
    }

    pub(super) const fn length(&self) -> usize {
        self.segments.len()
    }

    /// Returns what stands for the names if the template fits the decoded segments. A name stands
    /// for something, never for nothing.
    pub(super) fn fit(&self, path: &[String]) -> Option<BTreeMap<String, String>> {
        let fits = self.segments.len() == path.len()
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(segment, text)| match segment {
                    Segment::Literal(literal) => literal == text,
                    Segment::Name(_) => !text.is_empty(),
                });
        fits.then(|| {
            let names = self.segments.iter().zip(path);
            names
                .filter_map(|(segment, text)| match segment {
                    Segment::Literal(_) => None,
                    Segment::Name(name) => Some((name.clone(), text.clone())),
                })
                .collect()
        })
    }

    /// Returns whether this template has a literal wherever the other has one.
    pub(super) fn is_as_specific_as(&self, other: &Self) -> bool {
        self.segments
            .iter()
            .zip(&other.segments)
            .all(|(ours, theirs)| matches!(ours, Segment::Literal(_)) || matches!(theirs, Segment::Name(_)))
    }

    /// Returns whether both fit the very same paths.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|segments| match segments {
                    (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
                    (Segment::Name(_), Segment::Name(_)) => true,
                    (Segment::Literal(_), Segment::Name(_)) | (Segment::Name(_), Segment::Literal(_)) => {
                        false
                    }
                })
    }
}

/// Returns a literal segment as paths are compared with it.
fn literal(segment: &str) -> Result<String, PathError> {
    let rules = PathRules {
        encoded_slashes: true,
        parameters: true,
    };
    let path = CanonicalPath::parse(&format!("/{segment}"), rules)?;
    decode_escapes(&path.as_str()[1..]).ok_or(PathError::Escape)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$'))
}
