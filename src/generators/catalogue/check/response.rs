//! Where outputs are, and what is recorded of them.

use serde_json::Value;

use super::{
    super::{
        declaration::Count,
        expression::{Expression, Root},
        file::File,
        path::{Members, Path},
        response::{Payload, Place, Response},
    },
    Check,
};
use crate::domain::ArtifactType;

/// No batch has more outputs.
const MAX_BATCH: u64 = 64;
/// The kind of an additional file is at most this long.
const MAX_KIND: usize = 40;

impl Check<'_> {
    pub(super) fn response(&self, file: &File) -> Option<Response> {
        let declared = &file.response;
        let payload = declared.payload.iter().filter_map(|payload| {
            let path = self.noted(payload.referenced.line(), Path::parse(&payload.value.path))?;
            Some(Payload { path, json: payload.value.json })
        });
        let payload = payload.collect();
        let places = &declared.items.value;
        let items = places.iter().filter_map(|path| self.parsed(path, Path::parse)).collect();
        if places.is_empty() {
            self.flaw(declared.items.referenced.line(), "items says nowhere where outputs are");
        }
        let additional = declared.additional.iter().filter_map(|beside| {
            let line = beside.referenced.line();
            let kind = &beside.value.kind;
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if kind.is_empty() || kind.len() > MAX_KIND || !kind.chars().all(letters) {
                self.flaw(line, "a kind consists of lower-case letters, digits and hyphens");
            }
            Some((kind.clone(), self.expression(line, &beside.value.url, &Root::ALL)?))
        });
        let additional = additional.collect();
        Some(Response {
            payload,
            items,
            content: self.content(file)?,
            skip_missing: declared.skip_missing,
            many: file.batch.is_some(),
            facts: self.facts(file),
            additional,
        })
    }

    fn content(&self, file: &File) -> Option<Place> {
        let declared = &file.response;
        let Some(text) = &declared.text else {
            let url = match &declared.url {
                Some(url) => self.parsed(url, Members::parse)?,
                None => Members::parse("url").unwrap_or_default(),
            };
            let base64 = declared.base64.as_ref().map(|base64| self.parsed(base64, Members::parse));
            return match base64 {
                Some(base64) => Some(Place::File { url, base64: Some(base64?) }),
                None => Some(Place::File { url, base64: None }),
            };
        };
        if declared.url.is_some() || declared.base64.is_some() {
            self.flaw(text.referenced.line(), "an output is either text or a file, not both");
        }
        if file.artifact_type != ArtifactType::Text {
            let reason = format!("text is no {}: say where the file is", file.artifact_type);
            self.flaw(text.referenced.line(), reason);
        }
        self.parsed(text, Members::parse).map(Place::Text)
    }

    fn facts(&self, file: &File) -> Vec<(&'static str, Expression)> {
        let facts = &file.response.facts;
        let named = [
            ("format", &facts.format),
            ("width", &facts.width),
            ("height", &facts.height),
            ("duration", &facts.duration),
            ("fps", &facts.fps),
            ("sample_rate", &facts.sample_rate),
            ("channels", &facts.channels),
        ];
        let read = named.into_iter().filter_map(|(name, json)| {
            let json = json.as_ref()?;
            let read = self.expression(json.referenced.line(), &json.value, &Root::ALL)?;
            Some((name, read))
        });
        read.collect()
    }

    /// How many outputs a batch has.
    pub(super) fn count(&self, file: &File) -> Option<Count> {
        let count = &file.batch.as_ref()?.count;
        let line = count.referenced.line();
        match &count.value {
            Value::String(name) => {
                let parameter = self.parameter(line, name)?;
                if parameter["type"] != "integer" {
                    self.flaw(line, format!("{name} is no whole number"));
                }
                Some(Count::Parameter(name.clone()))
            }
            value => {
                let fixed = value.as_u64().filter(|count| (1..=MAX_BATCH).contains(count));
                if fixed.is_none() {
                    self.flaw(
                        line,
                        format!("count is a parameter's name or a number to {MAX_BATCH}"),
                    );
                }
                Some(Count::Fixed(usize::try_from(fixed?).ok()?))
            }
        }
    }
}
