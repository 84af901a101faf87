//! The masks of a resource's bodies and headers, for principals to whom the same tags are
//! revealed, and one body under them.

use std::collections::{BTreeSet, HashMap};
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use model::mask::{Action, Plan, Planned};
use model::{Fault, Refusal, Rule, Tag};
use plugin::ActivePlan;
use proto::http::body::{BodyKind, BodyMask, BodyMasks};
use proto::http::content::{BodyClass, MediaType};
use proto::http::json::Paths;

use super::upstream::Upstream;
use crate::maskers::{Cells, plan_field};
use crate::services::Services;

/// How many sets of revealed tags are kept prepared: principals differ by few groups.
const VARIANTS_MAX: usize = 64;

/// How many blanks before the first character of a text are looked past for the brace that
/// makes it JSON: pretty printers write a few, and nobody writes more.
const BLANKS_MAX: usize = 256;

/// The masks made ready so far, by the tags that are revealed, with the plugins that made them.
#[derive(Default)]
pub(super) struct Variants(Mutex<Ready>);

#[derive(Default)]
struct Ready {
    /// Which set of plugins that was.
    generation: u64,
    masks: HashMap<BTreeSet<Tag>, Arc<Masks>>,
}

/// The masks of one resource for certain principals.
pub(super) struct Masks {
    bodies: Arc<BodyMasks>,
    /// Per field of the bodies: its guests.
    plans: Vec<Option<Arc<ActivePlan>>>,
    /// Headers that have tags, each with masks that see nothing else.
    headers: Vec<(HeaderName, Arc<BodyMasks>, Option<Arc<ActivePlan>>)>,
}

impl Masks {
    /// Whether everything passes as it is.
    pub(super) fn is_identity(&self) -> bool {
        self.bodies.is_identity() && self.headers.is_empty()
    }

    /// Makes ready for one body; `None` if such a body cannot be read, and so not be masked.
    pub(super) fn body(self: &Arc<Self>, content: Option<&MediaType>) -> Option<Masking> {
        let kind = match content {
            // What says nothing of itself is taken for what it looks like.
            None => Kind::Sniff,
            Some(content) if !content.is_utf8() => return None,
            Some(content) => match content.class() {
                BodyClass::Json => Kind::Known(BodyKind::Json),
                BodyClass::NdJson => Kind::Known(BodyKind::JsonLines),
                BodyClass::EventStream => Kind::Known(BodyKind::EventStream),
                BodyClass::Form => Kind::Known(BodyKind::Form),
                BodyClass::Text if self.bodies.masks_paths() => Kind::Sniff,
                BodyClass::Text => Kind::Known(BodyKind::Text),
                BodyClass::Multipart | BodyClass::Opaque => return None,
            },
        };
        Some(Masking {
            engine: match kind {
                Kind::Known(kind) => Some(BodyMask::new(kind, Arc::clone(&self.bodies))),
                Kind::Sniff => None,
            },
            masks: Arc::clone(self),
            blanks: Vec::new(),
            cells: Cells::of(&self.plans),
        })
    }

    /// Masks the values of headers: those with tags by their tag, all others by their content.
    pub(super) fn headers(&self, headers: &mut HeaderMap) -> Result<(), String> {
        for (name, value) in headers.iter_mut() {
            let tagged = self.headers.iter().find(|(tagged, ..)| tagged == name);
            let masked = match tagged {
                Some((_, masks, plan)) => one_value(value, masks, &mut Cells::of(slice::from_ref(plan)))?,
                None if self.bodies.scans() && !is_plain(name) => {
                    one_value(value, &self.bodies, &mut Cells::of(&self.plans))?
                }
                None => continue,
            };
            *value = masked;
        }
        Ok(())
    }
}

/// Headers whose values have a form of their own, which a mask would break, and no room for data.
fn is_plain(name: &HeaderName) -> bool {
    use http::header as known;

    [
        known::ACCEPT_RANGES,
        known::CACHE_CONTROL,
        known::CONTENT_LENGTH,
        known::CONTENT_TYPE,
        known::DATE,
        known::VARY,
        known::X_CONTENT_TYPE_OPTIONS,
    ]
    .contains(name)
}

fn one_value(value: &HeaderValue, masks: &Arc<BodyMasks>, cells: &mut Cells) -> Result<HeaderValue, String> {
    let mut engine = BodyMask::new(BodyKind::Text, Arc::clone(masks));
    let mut out = Vec::with_capacity(value.len());
    let masked = engine
        .feed(value.as_bytes(), &mut out, cells)
        .and_then(|()| engine.finish(&mut out, cells));
    masked.map_err(|error| error.to_string())?;
    HeaderValue::from_bytes(&out).map_err(|_| "a masked header is none any more".to_owned())
}

enum Kind {
    Known(BodyKind),
    /// Text that may be JSON.
    Sniff,
}

/// One body that is being masked.
pub(super) struct Masking {
    masks: Arc<Masks>,
    /// `None` until the first character has told what it is.
    engine: Option<BodyMask>,
    /// What came before that character.
    blanks: Vec<u8>,
    cells: Cells,
}

impl Masking {
    /// Masks what has come; appends to `out` what can be let out.
    pub(super) fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(engine) = &mut self.engine {
            return engine
                .feed(piece, out, &mut self.cells)
                .map_err(|error| error.to_string());
        }
        self.blanks.extend_from_slice(piece);
        let told = self.blanks.iter().any(|byte| !byte.is_ascii_whitespace());
        if told || self.blanks.len() > BLANKS_MAX {
            return self.begin(out);
        }
        Ok(())
    }

    /// Chooses how to read the body by its first character.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let kind = match BodyClass::Text.sniffed(&self.blanks) {
            BodyClass::Json => BodyKind::Json,
            _ => BodyKind::Text,
        };
        let engine = self
            .engine
            .insert(BodyMask::new(kind, Arc::clone(&self.masks.bodies)));
        let piece = std::mem::take(&mut self.blanks);
        engine
            .feed(&piece, out, &mut self.cells)
            .map_err(|error| error.to_string())
    }

    /// Ends the body; appends what was held back.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.engine.is_none() {
            self.begin(out)?;
        }
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        engine
            .finish(out, &mut self.cells)
            .map_err(|error| error.to_string())
    }

    /// Returns how many cells came out otherwise than they came in.
    pub(super) fn masked(&self) -> u64 {
        self.engine.as_ref().map_or(0, BodyMask::masked)
    }
}

impl Upstream {
    /// Returns the masks for those to whom `revealed` is revealed.
    pub(super) fn masks(&self, services: &Services, revealed: BTreeSet<Tag>) -> Result<Arc<Masks>, Refusal> {
        let generation = services.gate.plugins.generation();
        let mut ready = self.variants.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.generation != generation {
            *ready = Ready {
                generation,
                masks: HashMap::new(),
            };
        }
        let variants = &mut ready.masks;
        if let Some(masks) = variants.get(&revealed) {
            return Ok(Arc::clone(masks));
        }
        let masks = Arc::new(self.prepare(services, &revealed).map_err(|error| {
            tracing::error!(resource = %self.name, error, "answers cannot be masked");
            let message = "what comes back could not be masked, so nothing is sent";
            Refusal::new(Rule::MaskerFailed, Fault::Plugin, message)
                .hint("the operator finds the reason in the gateway's log")
        })?);
        if variants.len() >= VARIANTS_MAX {
            variants.clear();
        }
        variants.insert(revealed, Arc::clone(&masks));
        Ok(masks)
    }

    fn prepare(&self, services: &Services, revealed: &BTreeSet<Tag>) -> Result<Masks, String> {
        let hidden: Vec<Tag> = self
            .tags
            .iter()
            .filter(|tag| !revealed.contains(*tag))
            .cloned()
            .collect();
        let place = |tag: &Tag| hidden.iter().position(|hidden| hidden == tag);
        let paths = self.tagged_paths.iter();
        let paths = paths.filter_map(|(tag, path)| Some((place(tag)?, path.as_str())));
        let paths = Paths::compile(hidden.len(), paths).map_err(|error| error.to_string())?;
        let mut actions = Vec::new();
        let mut plans = Vec::new();
        for tag in &hidden {
            let (action, plan) = plan_field(services, &self.name, Some(tag))?;
            actions.push(action);
            plans.push(plan);
        }
        let (content, plan) = if self.config.scan_untagged {
            plan_field(services, &self.name, None)?
        } else {
            (keep(), None)
        };
        let key = &services.pseudonym_key;
        let mut headers = Vec::new();
        for (tag, name) in &self.tagged_headers {
            let Some(field) = place(tag) else { continue };
            let plan = Plan {
                actions: vec![actions[field].clone()],
            };
            let nothing = Paths::compile(0, []).map_err(|error| error.to_string())?;
            let masks =
                BodyMasks::compile(Arc::new(nothing), &plan, key).map_err(|error| error.to_string())?;
            headers.push((name.clone(), Arc::new(masks), plans[field].clone()));
        }
        actions.push(content);
        plans.push(plan);
        let bodies = BodyMasks::compile(Arc::new(paths), &Plan { actions }, key);
        Ok(Masks {
            bodies: Arc::new(bodies.map_err(|error| error.to_string())?),
            plans,
            headers,
        })
    }
}

fn keep() -> Planned {
    Planned {
        plugin: None,
        action: Action::Keep,
    }
}
