//! The rules of a request.

use std::collections::HashSet;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    super::{
        expression::{Expression, Root},
        file::{self, File, Omit, Upload},
        request::{Request, Rule, Source},
    },
    Check,
};
use crate::generators::Arity;

/// A member's name is at most this long.
const MAX_KEY: usize = 100;

impl Check<'_> {
    pub(super) fn request(&self, file: &File) -> Option<Request> {
        let declared = &file.request;
        let rules: Vec<Rule> =
            declared.fields.iter().filter_map(|field| self.rule(field)).collect();
        self.sent_once(&declared.fields);
        self.all_used(file);
        let require_any = declared.require_any.iter().map(|group| {
            if group.value.is_empty() {
                self.flaw(group.referenced.line(), "a group of require_any names no parameter");
            }
            for name in &group.value {
                self.parameter(group.referenced.line(), name);
            }
            group.value.clone()
        });
        let require_any = require_any.collect();
        let model = match &declared.model {
            Some(json) => {
                Some(self.expression(json.referenced.line(), &json.value, &Root::INPUT)?)
            }
            None => None,
        };
        let usual_model = file.endpoint.value["model"].as_str().map(str::to_owned);
        if let Some(at) = &declared.model_at
            && model.is_none()
            && usual_model.is_none()
        {
            self.flaw(at.referenced.line(), "model_at needs a model, here or in the endpoint");
        }
        Some(Request {
            model,
            usual_model,
            model_at: self.key(declared.model_at.as_ref()),
            params_at: self.key(declared.params_at.as_ref()),
            rules,
            require_any,
        })
    }

    fn rule(&self, field: &Spanned<file::Field>) -> Option<Rule> {
        let (line, rule) = (field.referenced.line(), &field.value.0);
        let source = self.source(line, rule)?;
        let Some(to) = rule.to.as_ref().or(rule.from.as_ref()) else {
            self.flaw(line, "to is missing: the name of the field");
            return None;
        };
        self.check_key(line, to);
        if matches!(source, Source::Artifact(..)) && rule.drop_nulls {
            self.flaw(line, "drop_nulls is nothing for artifacts");
        }
        let when = match &rule.when {
            Some(json) => Some(self.expression(line, json, &Root::INPUT)?),
            None => None,
        };
        Some(Rule {
            to: to.clone(),
            source,
            when,
            omit: rule.omit,
            omit_values: rule.omit_values.clone(),
            drop_nulls: rule.drop_nulls,
        })
    }

    fn source(&self, line: u64, rule: &file::Rule) -> Option<Source> {
        let omits = rule.omit != Omit::Never || !rule.omit_values.is_empty();
        match (&rule.from, &rule.constant, &rule.value) {
            (Some(name), None, None) => self.parameter_source(line, name, rule.upload),
            _ if rule.upload.is_some() => {
                self.flaw(line, "upload is for parameters, so that from is needed");
                None
            }
            (None, Some(_), None) if omits || rule.drop_nulls => {
                self.flaw(line, "a constant is always sent as it is");
                None
            }
            (None, Some(constant), None) => {
                Some(Source::Computed(Expression::Literal(constant.clone())))
            }
            (None, None, Some(json)) => {
                self.expression(line, json, &Root::INPUT).map(Source::Computed)
            }
            _ => {
                self.flaw(line, "a rule has one of from, const and value");
                None
            }
        }
    }

    /// A parameter's value, or its artifacts where it takes such: their ids mean nothing to a provider.
    fn parameter_source(&self, line: u64, name: &str, upload: Option<Upload>) -> Option<Source> {
        self.parameter(line, name)?;
        let mut artifacts = self.schema.artifact_parameters();
        let takes = artifacts.find(|(parameter, _)| *parameter == name).map(|(_, arity)| arity);
        let reason = match (takes, upload) {
            (None, None) => return Some(Source::Parameter(name.to_owned())),
            (Some(Arity::One), Some(Upload::One | Upload::Multipart))
            | (Some(Arity::Many), Some(Upload::Many | Upload::First | Upload::Multipart)) => {
                return Some(Source::Artifact(name.to_owned(), upload?));
            }
            (None, Some(_)) => format!("{name} is no artifact, so there is nothing to upload"),
            (Some(_), None) => format!("{name} is an artifact, so it must be uploaded"),
            (Some(Arity::One), Some(_)) => format!("{name} is a single artifact: upload one"),
            (Some(Arity::Many), Some(_)) => {
                format!("{name} is a list of artifacts: upload many, or first")
            }
        };
        self.flaw(line, reason);
        None
    }

    /// Notes fields that come twice, unless conditions tell which of them counts.
    fn sent_once(&self, fields: &[Spanned<file::Field>]) {
        let mut seen = HashSet::new();
        for field in fields {
            let rule = &field.value.0;
            let to = rule.to.as_ref().or(rule.from.as_ref());
            if let Some(to) = to
                && !seen.insert(to)
                && rule.when.is_none()
            {
                self.flaw(field.referenced.line(), format!("{to:?} is sent twice"));
            }
        }
    }

    /// Notes parameters that have no effect, unless the file says that it is so.
    fn all_used(&self, file: &File) {
        let declared = &file.request;
        let mut used: HashSet<&str> = HashSet::new();
        for field in &declared.fields {
            used.extend(field.value.0.from.as_deref());
            for json in [&field.value.0.value, &field.value.0.when].into_iter().flatten() {
                read_by(json, &mut used);
            }
        }
        declared.model.iter().for_each(|json| read_by(&json.value, &mut used));
        for name in &declared.unsent {
            self.parameter(name.referenced.line(), &name.value);
            if !used.insert(&name.value) {
                let reason = format!("{} is sent, in spite of unsent", name.value);
                self.flaw(name.referenced.line(), reason);
            }
        }
        let properties = self.schema.document()["properties"].as_object();
        for name in properties.into_iter().flat_map(|properties| properties.keys()) {
            if !used.contains(name.as_str()) {
                let line = file.input.referenced.line();
                self.flaw(line, format!("{name} is not sent: give it a field, or say unsent"));
            }
        }
    }

    fn key(&self, key: Option<&Spanned<String>>) -> Option<String> {
        let key = key?;
        self.check_key(key.referenced.line(), &key.value);
        Some(key.value.clone())
    }

    fn check_key(&self, line: u64, key: &str) {
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
            self.flaw(line, format!("{key:?} is no name of a field"));
        }
    }
}

/// Adds the parameters that expressions in `json` read.
fn read_by<'a>(json: &'a Value, used: &mut HashSet<&'a str>) {
    match json {
        Value::String(path) => used.extend(path.strip_prefix("input.").and_then(first_member)),
        Value::Array(items) => items.iter().for_each(|item| read_by(item, used)),
        Value::Object(members) => members.values().for_each(|member| read_by(member, used)),
        _ => {}
    }
}

fn first_member(path: &str) -> Option<&str> {
    path.split('.').next()
}
