//! From a file's text to a declaration: all that can be wrong with a file is found here, before the
//! server starts, and told with its line.

mod rules;
mod schema;

use std::cell::RefCell;

use serde_json::Value;
use serde_saphyr::Spanned;
use url::Url;

use super::{
    declaration::{Count, Declaration},
    expression::{Expression, Root},
    file::{self, File},
    flaw::{Flaw, Flaws},
    known::KnownProviders,
    path::{Members, Path},
    price::{Price, decimal},
    response::{Payload, Place, Response},
};
use crate::generators::InputSchema;

/// A file is at most this long, in bytes.
pub(super) const MAX_BYTES: usize = 128 * 1024;
/// A name is at most this long.
const MAX_NAME: usize = 100;
/// A description or a note is at most this long, in characters.
const MAX_TEXT: usize = 1_000;
/// No batch has more outputs.
const MAX_BATCH: u64 = 64;

/// The declaration that `text` is.
pub(super) fn read(
    path: &str,
    text: &str,
    known: &dyn KnownProviders,
) -> Result<Declaration, Flaws> {
    let fail =
        |line, reason: String| Err(Flaws(vec![Flaw { file: path.to_owned(), line, reason }]));
    if text.len() > MAX_BYTES {
        return fail(0, format!("the file is longer than {MAX_BYTES} bytes"));
    }
    let file: File = match file::parse(text) {
        Ok(file) => file,
        Err((line, reason)) => return fail(line, reason),
    };
    let input_line = file.input.referenced.line();
    let schema = match InputSchema::compile(file.input.value.clone()) {
        Ok(schema) => schema,
        Err(reason) => return fail(input_line, format!("input: {reason}")),
    };
    let check = Check { path, schema: &schema, flaws: RefCell::default() };
    check.schema(&file, &schema::lines(text));
    check.identity(&file, known);
    let request = check.request(&file);
    let response = check.response(&file);
    let count = check.count(&file);
    let price = check.price(&file);
    let flaws = check.flaws.into_inner();
    let (Some(request), Some(response), true) = (request, response, flaws.is_empty()) else {
        return Err(Flaws(flaws));
    };
    Ok(Declaration {
        name: file.name.value,
        description: file.description.value,
        artifact_type: file.artifact_type,
        provider: file.provider.value,
        endpoint: file.endpoint.value,
        documentation: file.documentation.into_iter().map(|url| url.value).collect(),
        schema,
        request,
        response,
        count,
        price,
        notes: file.notes,
        file: path.to_owned(),
    })
}

/// The judgement of one file. What it finds gathers, so that an author learns all of it at once.
struct Check<'a> {
    path: &'a str,
    schema: &'a InputSchema,
    flaws: RefCell<Vec<Flaw>>,
}

impl Check<'_> {
    fn flaw(&self, line: u64, reason: impl Into<String>) {
        let flaw = Flaw { file: self.path.to_owned(), line, reason: reason.into() };
        self.flaws.borrow_mut().push(flaw);
    }

    /// The value, or none once its flaw is noted.
    fn noted<T>(&self, line: u64, result: Result<T, String>) -> Option<T> {
        result.map_err(|reason| self.flaw(line, reason)).ok()
    }

    fn parsed<T>(
        &self,
        text: &Spanned<String>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.noted(text.referenced.line(), parse(&text.value))
    }

    fn identity(&self, file: &File, known: &dyn KnownProviders) {
        let (name, line) = (&file.name.value, file.name.referenced.line());
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(letters) {
            self.flaw(
                line,
                "a name consists of lower-case letters, digits, hyphens and full stops",
            );
        }
        let own = self.path.rsplit(['/', '\\']).next().unwrap_or_default();
        if own.strip_suffix(".yaml") != Some(name) {
            self.flaw(line, format!("the name {name:?} and the file's name must be the same"));
        }
        let length = file.description.value.chars().count();
        if !(10..=MAX_TEXT).contains(&length) {
            self.flaw(file.description.referenced.line(), "a description is a sentence or two");
        }
        if file.notes.iter().any(|note| note.is_empty() || note.chars().count() > MAX_TEXT) {
            self.flaw(0, "a note is a sentence or two");
        }
        for address in &file.documentation {
            let valid = Url::parse(&address.value).is_ok_and(|url| url.scheme() == "https");
            if !valid {
                self.flaw(
                    address.referenced.line(),
                    "the address of documentation begins with https",
                );
            }
        }
        self.provider(file, known);
    }

    fn provider(&self, file: &File, known: &dyn KnownProviders) {
        let (provider, names) = (&file.provider.value, known.names());
        if !names.contains(&provider.as_str()) {
            let names = names.join(", ");
            let reason = format!("there is no provider {provider:?}, only {names}");
            return self.flaw(file.provider.referenced.line(), reason);
        }
        if let Err(reason) = known.check_endpoint(provider, &file.endpoint.value) {
            self.flaw(file.endpoint.referenced.line(), format!("endpoint: {reason}"));
        }
    }

    /// An expression that reads `roots` and parameters that there are.
    fn expression(&self, line: u64, json: &Value, roots: &[Root]) -> Option<Expression> {
        let expression = self.noted(line, Expression::parse(json, roots))?;
        for name in expression.variables().into_iter().filter_map(|it| it.parameter()) {
            self.parameter(line, name);
        }
        Some(expression)
    }

    /// Notes a parameter that there is not.
    fn parameter(&self, line: u64, name: &str) -> Option<&Value> {
        let found = self.schema.document()["properties"].get(name);
        if found.is_none() {
            self.flaw(line, format!("there is no parameter {name:?}"));
        }
        found
    }

    fn response(&self, file: &File) -> Option<Response> {
        let declared = &file.response;
        let payload = declared.payload.iter().filter_map(|payload| {
            let path = self.noted(payload.referenced.line(), Path::parse(&payload.value.path))?;
            Some(Payload { path, json: payload.value.json })
        });
        let payload = payload.collect();
        let items: Vec<Path> =
            declared.items.iter().filter_map(|path| self.parsed(path, Path::parse)).collect();
        if declared.items.is_empty() {
            self.flaw(0, "response.items says nowhere where outputs are");
        }
        let additional = declared.additional.iter().filter_map(|beside| {
            let line = beside.referenced.line();
            let kind = &beside.value.kind;
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if kind.is_empty() || kind.len() > 40 || !kind.chars().all(letters) {
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

    fn count(&self, file: &File) -> Option<Count> {
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

    fn price(&self, file: &File) -> Option<Price> {
        let cost = file.cost.as_ref()?;
        let line = cost.usd.referenced.line();
        if cost.kind.is_empty() || cost.kind.len() > MAX_NAME {
            self.flaw(line, "cost.kind says in a word or two how it is charged");
        }
        let usd = self.expression(line, &cost.usd.value, &Root::INPUT)?;
        if usd.literal().is_some_and(|value| decimal(value).is_none()) {
            self.flaw(line, "cost.usd is an amount in US dollars");
        }
        Some(Price { usd, kind: cost.kind.clone(), basis: cost.basis })
    }
}
