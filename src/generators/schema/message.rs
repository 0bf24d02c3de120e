//! Says in plain words what a validation error means, without repeating what was sent.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::{ROOT, artifacts};
use crate::domain::Violation;

/// A parameter's name is cut to this many characters wherever it is repeated.
const MAX_NAME: usize = 60;
/// A message is cut to this many characters.
const MAX_MESSAGE: usize = 300;

/// The violations that one error stands for.
pub(super) fn violations(document: &Value, error: &ValidationError<'_>) -> Vec<Violation> {
    let place = Place::of(error);
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| place.below(name).violation("is not a parameter of this generator"))
            .collect(),
        Kind::Required { property } => {
            vec![place.below(property.as_str().unwrap_or_default()).violation("is required")]
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            alternatives(document, &place, context)
        }
        Kind::OneOfMultipleValid { .. } => vec![only_one(document, &place, error)],
        kind => vec![place.violation(&predicate(document, error, kind))],
    }
}

/// Where alternatives only differ in what they require, the names; else what the first one says.
fn alternatives(
    document: &Value,
    place: &Place,
    context: &[Vec<ValidationError<'static>>],
) -> Vec<Violation> {
    let missing = |errors: &Vec<ValidationError<'static>>| match errors.as_slice() {
        [error] => match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        },
        _ => None,
    };
    if let Some(names) = context.iter().map(missing).collect::<Option<Vec<_>>>() {
        let message = format!("one of {} is required", names.join(", "));
        return vec![Violation { path: place.path.clone(), message }];
    }
    let first = context.iter().find(|errors| !errors.is_empty());
    first.into_iter().flatten().flat_map(|error| violations(document, error)).collect()
}

/// The message where several alternatives hold and only one may.
fn only_one(document: &Value, place: &Place, error: &ValidationError<'_>) -> Violation {
    let alternatives = document.pointer(error.schema_path().as_str()).and_then(Value::as_array);
    let names: Vec<&str> = alternatives
        .into_iter()
        .flatten()
        .filter_map(|alternative| alternative["required"][0].as_str())
        .collect();
    if names.len() < 2 {
        return place.violation("must satisfy only one of its alternatives");
    }
    let message = format!("only one of {} may be given", names.join(", "));
    Violation { path: place.path.clone(), message }
}

/// The end of the sentence that starts with the parameter's name.
fn predicate(document: &Value, error: &ValidationError<'_>, kind: &Kind) -> String {
    if let Some(artifact) = artifacts::named_in_pointer(error.schema_path().as_str()) {
        let article = if "aeiou".contains(&artifact.as_str()[..1]) { "an" } else { "a" };
        return format!("must be the id of {article} {artifact} generation");
    }
    match kind {
        Kind::Type { kind } => format!("must be {}", type_names(kind)),
        Kind::Enum { options } => format!("must be one of {}", listed(options)),
        Kind::Constant { expected_value } => format!("must be {}", literal(expected_value)),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must be at least {limit} characters long"),
        Kind::MaxLength { limit } => format!("must be at most {limit} characters long"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::UniqueItems => "must not hold the same item twice".to_owned(),
        Kind::Format { format } if format == "uuid" => "must be an id (UUID)".to_owned(),
        Kind::Format { format } => format!("must be a valid {format}"),
        Kind::Pattern { .. } => format!("does not have the right form{}", hint(document, error)),
        Kind::PropertyNames { .. } => "holds a name that is not allowed".to_owned(),
        Kind::FalseSchema | Kind::Not { .. } => "is not allowed here".to_owned(),
        _ => "is not valid".to_owned(),
    }
}

/// What the description of the parameter says.
fn hint(document: &Value, error: &ValidationError<'_>) -> String {
    let pointer = error.schema_path().as_str();
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let description = document.pointer(parent).and_then(|schema| schema["description"].as_str());
    description.map_or_else(String::new, |text| format!(": {text}"))
}

fn type_names(kind: &TypeKind) -> String {
    let name = |kind: &str| match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    };
    match kind {
        TypeKind::Single(single) => name(single.as_str()).to_owned(),
        TypeKind::Multiple(set) => {
            set.iter().map(|single| name(single.as_str())).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn listed(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().map(literal).collect::<Vec<_>>().join(", ")
}

fn literal(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where in the parameters something is wrong.
struct Place {
    path: String,
}

impl Place {
    fn of(error: &ValidationError<'_>) -> Self {
        let pointer = error.instance_path().as_str();
        let segments = pointer.split('/').skip(1);
        segments.fold(Self { path: ROOT.to_owned() }, |place, segment| {
            place.below(&segment.replace("~1", "/").replace("~0", "~"))
        })
    }

    fn below(&self, name: &str) -> Self {
        Self { path: format!("{}.{}", self.path, shortened(name, MAX_NAME)) }
    }

    fn violation(&self, predicate: &str) -> Violation {
        let label = self.path.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('.'));
        let message = format!("{} {predicate}", label.unwrap_or(ROOT));
        Violation { path: self.path.clone(), message: shortened(&message, MAX_MESSAGE) }
    }
}

fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
