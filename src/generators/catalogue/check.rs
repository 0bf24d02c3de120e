//! From a file's text to a declaration: all that can be wrong with a file is found here, before the
//! server starts, and told with its line.

mod provider;
mod response;
mod rules;
mod schema;

use std::{cell::RefCell, sync::Arc};

use serde_json::Value;
use serde_saphyr::Spanned;
use url::Url;

use super::{
    declaration::Declaration,
    expression::{Expression, Root},
    file::{self, File},
    flaw::{Flaw, Flaws},
    known::KnownProviders,
    price::{Price, decimal},
};
use crate::generators::InputSchema;

pub(super) use provider::Lines;

/// A file is at most this long, in bytes.
pub(super) const MAX_BYTES: usize = 128 * 1024;
/// A name is at most this long.
const MAX_NAME: usize = 100;
/// A description or a note is at most this long, in characters.
const MAX_TEXT: usize = 1_000;

/// The declaration that `text` is. Its provider is judged where the providers are `known`.
pub(super) fn read(
    path: &str,
    text: &str,
    known: Option<&dyn KnownProviders>,
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
        Ok(schema) => Arc::new(schema),
        Err(reason) => return fail(input_line, format!("input: {reason}")),
    };
    let check = Check { path, schema: &schema, flaws: RefCell::default() };
    check.schema(&file, text);
    check.identity(&file);
    let lines = Lines::of(&file);
    let judged =
        known.and_then(|known| lines.flaw(path, &file.provider.value, &file.endpoint.value, known));
    check.flaws.borrow_mut().extend(judged);
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
        notes: file.notes.into_iter().map(|note| note.value).collect(),
        file: path.to_owned(),
        lines,
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

    fn identity(&self, file: &File) {
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
        for note in &file.notes {
            if !(1..=MAX_TEXT).contains(&note.value.chars().count()) {
                self.flaw(note.referenced.line(), "a note is a sentence or two");
            }
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
