//! The Model Context Protocol over HTTP: what a message asks for, and what lists may show.
//!
//! A POST carries one JSON-RPC message. Its method and what it names (a tool, a prompt, a resource)
//! are the operation; a method that nobody here knows is refused, whatever it may be. Lists are cut
//! to what the caller may call, and calling is judged all the same. The bytes that go on are the
//! client's own.

use model::{Access, CallFacts, Facts, OperationKind, Refusal, RelationUse, Rule, StatementFacts};
use serde_json::{Map, Value, json};

/// The longest id of a message, in bytes as JSON.
const ID_BYTES_MAX: usize = 256;

/// The longest name of a method, a tool or a resource, in bytes.
const NAME_BYTES_MAX: usize = 4_096;

/// The codes of refusals: outside what JSON-RPC and the protocol keep for themselves.
const DENIED: i64 = 40_301;
const PENDING: i64 = 40_302;

/// Headers that repeat what the body says, by revision 2026-07-28.
pub const METHOD_HEADER: &str = "mcp-method";
/// The same for the name.
pub const NAME_HEADER: &str = "mcp-name";
/// The header that names a session, in revisions before it.
pub const SESSION_HEADER: &str = "mcp-session-id";

/// Every method that is known, and what it comes to.
const METHODS: &[(&str, OperationKind)] = &[
    ("completion/complete", OperationKind::Read),
    ("initialize", OperationKind::Session),
    ("logging/setLevel", OperationKind::Session),
    ("notifications/cancelled", OperationKind::Session),
    ("notifications/initialized", OperationKind::Session),
    ("notifications/progress", OperationKind::Session),
    ("notifications/roots/list_changed", OperationKind::Session),
    ("ping", OperationKind::Session),
    ("prompts/get", OperationKind::Read),
    ("prompts/list", OperationKind::Read),
    ("resources/list", OperationKind::Read),
    ("resources/read", OperationKind::Read),
    ("resources/subscribe", OperationKind::Read),
    ("resources/templates/list", OperationKind::Read),
    ("resources/unsubscribe", OperationKind::Read),
    ("server/discover", OperationKind::Session),
    ("subscriptions/listen", OperationKind::Read),
    ("tasks/cancel", OperationKind::Write),
    ("tasks/get", OperationKind::Read),
    ("tasks/list", OperationKind::Read),
    ("tasks/result", OperationKind::Read),
    // Hints of the server's that a tool only reads are its own word.
    ("tools/call", OperationKind::Write),
    ("tools/list", OperationKind::Read),
];

/// One message of a client's.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// By what it is answered; `None` for a notification, which is not.
    pub id: Option<Value>,
    /// What policies see.
    pub facts: CallFacts,
    kind: OperationKind,
}

/// Why a message means nothing. In words for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CallError {
    /// Several at once.
    #[error("one message at a time: batches are not taken")]
    Batch,
    /// It is no request and no notification of JSON-RPC 2.0.
    #[error("it is no request or notification of JSON-RPC 2.0")]
    Form,
    /// An answer: nobody has asked this client.
    #[error("it answers what was not asked: servers ask clients nothing here")]
    Answer,
    /// A member has another type than the method wants, or is too long.
    #[error("its method, id or name has a form that is not taken")]
    Member,
    /// A method that is not known.
    #[error("its method is not one that is known here")]
    Method,
    /// A header says something else than the body.
    #[error("a header says something else than the body")]
    Header,
}

impl Call {
    /// Reads a message out of a document that has no key twice.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn of(document: &Value) -> Result<Self, CallError> {
        let message = match document {
            Value::Object(message) => message,
            Value::Array(_) => return Err(CallError::Batch),
            _ => return Err(CallError::Form),
        };
        // Some readers do not mind the case of a key; nobody may mean two things by it.
        let known = ["jsonrpc", "id", "method", "params", "result", "error"];
        if message.get("jsonrpc") != Some(&json!("2.0"))
            || message.keys().any(|key| !known.contains(&key.as_str()))
        {
            return Err(CallError::Form);
        }
        if message.contains_key("result") || message.contains_key("error") {
            return Err(CallError::Answer);
        }
        let method = message
            .get("method")
            .and_then(Value::as_str)
            .ok_or(CallError::Form)?;
        let id = message.get("id").map(id).transpose()?;
        if id.is_none() != method.starts_with("notifications/") {
            return Err(CallError::Form);
        }
        let (_, kind) = METHODS
            .iter()
            .find(|(known, _)| *known == method)
            .ok_or(CallError::Method)?;
        let empty = Map::new();
        let params = match message.get("params") {
            None => &empty,
            Some(Value::Object(params)) => params,
            Some(_) => return Err(CallError::Member),
        };
        let name = match method {
            "tools/call" | "prompts/get" => Some(named(params, "name")?),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some(named(params, "uri")?),
            "tasks/get" | "tasks/result" | "tasks/cancel" => Some(named(params, "taskId")?),
            _ => None,
        };
        Ok(Self {
            id,
            facts: CallFacts {
                method: method.to_owned(),
                name,
                arguments: params.get("arguments").cloned(),
            },
            kind: *kind,
        })
    }

    /// Checks that headers which repeat the body say the same.
    ///
    /// # Errors
    /// [`CallError::Header`].
    pub fn agrees(&self, method: Option<&str>, name: Option<&str>) -> Result<(), CallError> {
        let same = method.is_none_or(|method| method == self.facts.method)
            && name.is_none_or(|name| Some(name) == self.facts.name.as_deref());
        if same { Ok(()) } else { Err(CallError::Header) }
    }

    /// Puts what the message asks for in the place of the request's method and path.
    pub fn describe(&self, facts: &mut Facts) {
        describe(&self.facts, self.kind, facts);
    }

    /// Returns the text that people are shown.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.facts.name {
            Some(name) => format!("{} {name}", self.facts.method),
            None => self.facts.method.clone(),
        }
    }

    /// Returns what the answer's lists are cut to, if it has some.
    #[must_use]
    pub fn lists(&self) -> Option<List> {
        List::ALL
            .into_iter()
            .find(|list| list.method() == self.facts.method)
    }
}

fn describe(call: &CallFacts, kind: OperationKind, facts: &mut Facts) {
    let writes = kind > OperationKind::Read;
    let tags = facts.tags();
    let verb = facts.statements.first().map(|statement| statement.verb.clone());
    let relations = call.name.iter().map(|name| RelationUse {
        schema: None,
        name: name.clone(),
        access: if writes { Access::Write } else { Access::Read },
        tags: tags.clone(),
    });
    facts.statements = vec![StatementFacts {
        verb: call.method.clone(),
        nested: verb.into_iter().collect(),
        writes,
        relations: relations.collect(),
        ..StatementFacts::bare(kind)
    }];
    if let Some(request) = &mut facts.request {
        request.call = Some(call.clone());
    }
}

fn id(value: &Value) -> Result<Value, CallError> {
    let plain = match value {
        Value::String(text) => text.len() <= ID_BYTES_MAX,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    };
    if plain {
        Ok(value.clone())
    } else {
        Err(CallError::Member)
    }
}

fn named(params: &Map<String, Value>, key: &str) -> Result<String, CallError> {
    let name = params.get(key).and_then(Value::as_str);
    let plain =
        |name: &&str| !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    name.filter(plain).map(str::to_owned).ok_or(CallError::Member)
}

/// A list of things that can be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum List {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
}

impl List {
    const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
        }
    }

    /// The list's member, the member by which its entries are called, and how they are.
    const fn shape(self) -> (&'static str, &'static str, &'static str, OperationKind) {
        match self {
            Self::Tools => ("tools", "name", "tools/call", OperationKind::Write),
            Self::Prompts => ("prompts", "name", "prompts/get", OperationKind::Read),
            Self::Resources => ("resources", "uri", "resources/read", OperationKind::Read),
        }
    }

    /// Cuts the lists in an answer to what may be called: `permitted` is asked with the facts of a
    /// call without arguments, made from those of the request. Takes one JSON document, or a stream of
    /// events that each have one; returns the answer anew, or `None` if it is neither.
    #[must_use]
    pub fn cut(
        self,
        answer: &[u8],
        is_stream: bool,
        facts: &Facts,
        mut permitted: impl FnMut(&str, &Facts) -> bool,
    ) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(answer).ok()?;
        if !is_stream {
            let mut document = serde_json::from_str(text).ok()?;
            self.cut_document(&mut document, facts, &mut permitted)?;
            return serde_json::to_vec(&document).ok();
        }
        let mut out = String::with_capacity(text.len());
        for event in text.replace("\r\n", "\n").split("\n\n") {
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .collect();
            let data = data.join("\n");
            if data.trim().is_empty() {
                if !event.trim().is_empty() {
                    out.push_str(event);
                    out.push_str("\n\n");
                }
                continue;
            }
            let mut document = serde_json::from_str(data.trim()).ok()?;
            self.cut_document(&mut document, facts, &mut permitted)?;
            let others = event.lines().filter(|line| !line.starts_with("data:"));
            others.for_each(|line| {
                out.push_str(line);
                out.push('\n');
            });
            out.push_str(&format!("data: {document}\n\n"));
        }
        Some(out.into_bytes())
    }

    fn cut_document(
        self,
        document: &mut Value,
        facts: &Facts,
        permitted: &mut impl FnMut(&str, &Facts) -> bool,
    ) -> Option<()> {
        let (member, key, method, kind) = self.shape();
        let Some(result) = document.get_mut("result").and_then(Value::as_object_mut) else {
            // An error, or what a server says meanwhile.
            return document.is_object().then_some(());
        };
        // What one may see is not what another may.
        if result.contains_key("cacheScope") {
            result.insert("cacheScope".to_owned(), json!("private"));
        }
        let Some(entries) = result.get_mut(member) else {
            return Some(());
        };
        entries.as_array_mut()?.retain(|entry| {
            let Some(name) = entry.get(key).and_then(Value::as_str) else {
                return false;
            };
            let call = CallFacts {
                method: method.to_owned(),
                name: Some(name.to_owned()),
                arguments: None,
            };
            let mut facts = facts.clone();
            describe(&call, kind, &mut facts);
            permitted(&format!("{method} {name}"), &facts)
        });
        Some(())
    }
}

/// Returns the answer to a call that does not run: an error of JSON-RPC that says the rule, what to
/// do, and the approval that is waited for.
#[must_use]
pub fn refused(id: &Value, refusal: &Refusal, approval_url: Option<&str>) -> Vec<u8> {
    let code = match refusal.rule {
        Rule::ApprovalPending => PENDING,
        _ => DENIED,
    };
    let mut data = json!({ "rule": refusal.rule.label(), "fault": refusal.fault.label() });
    let members = [
        ("hint", refusal.hint.as_deref().map(str::to_owned)),
        (
            "approval_id",
            refusal.approval.map(|approval| approval.to_string()),
        ),
        ("approval_url", approval_url.map(str::to_owned)),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            data[name] = value.into();
        }
    }
    let error = json!({ "code": code, "message": refusal.message, "data": data });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests;
