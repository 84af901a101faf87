//! Judging what is no SQL: a request, a command. Its protocol has read it; nothing of it is
//! resolved anew here.

use std::sync::Arc;

use model::event::{Judged as Rendered, Judgement};
use model::{Assessment, Facts, Refusal, Verdict};
use proto::session::Judged;
use sha2::{Digest as _, Sha256};

use super::{Aim, Asker, Gate, KEPT_STATEMENT_BYTES_MAX, Key, KeyRef};
use crate::config::StatementDetail;

/// A judged request or command.
pub type JudgedPlain = Judged<Plain>;

/// What is known of a request or a command.
#[derive(Debug)]
pub struct Plain {
    /// What its protocol found.
    pub facts: Facts,
    /// What the classifiers found.
    pub assessment: Assessment,
}

/// One request or command, as its protocol has read it.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Its text, as people and classifiers are shown it, without a secret.
    pub text: &'a str,
    /// What was found in it.
    pub facts: &'a Facts,
    /// Why its protocol refuses it, if so: nobody else is asked then.
    pub refusal: Option<Refusal>,
    /// What all of its facts follow from, if that is short: then the judgement is kept by it.
    pub key: Option<&'a str>,
}

impl Gate {
    /// Judges one request or command.
    pub fn judge_plain(&self, asker: &Asker, aim: &Aim<'_>, reading: Reading<'_>) -> Arc<JudgedPlain> {
        let version = self.version(0);
        let Reading {
            text,
            facts,
            refusal,
            key,
        } = reading;
        let key = key.filter(|key| refusal.is_none() && key.len() <= KEPT_STATEMENT_BYTES_MAX);
        let known = key.and_then(|key| {
            self.plain.get(&KeyRef {
                scope: asker.scope,
                version,
                sql: key.as_bytes(),
            })
        });
        if let Some(judged) = known {
            return judged;
        }
        let (verdict, assessment) = match refusal {
            Some(refusal) => (Verdict::Refuse(refusal), Assessment::default()),
            None => self.weigh(asker, aim, text, facts),
        };
        let judgement = Judgement::render(Rendered {
            statement: match self.detail {
                StatementDetail::None => "",
                StatementDetail::Full => text,
            },
            statement_sha256: &hex::encode(Sha256::digest(text)),
            facts,
            assessment: &assessment,
            verdict: &verdict,
            policy: self.policy.hash(),
        });
        let judged = Arc::new(JudgedPlain {
            verdict,
            judgement,
            analysis: Plain {
                facts: facts.clone(),
                assessment,
            },
            version,
        });
        if let Some(key) = key {
            let key = Key {
                scope: asker.scope,
                version,
                sql: key.as_bytes().into(),
            };
            self.plain.insert(key, Arc::clone(&judged));
        }
        judged
    }
}
