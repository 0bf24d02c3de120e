//! The filters, tests and functions of templates. Whatever reads or makes a text takes its size out
//! of the budget.

use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind, Value, filters, tests, value::ValueKind};

use super::budget::Budget;

/// Items that `range` may give.
const MAX_RANGE: i64 = 10_000;
/// The largest number that `range` takes.
const MAX_BOUND: i64 = 1_000_000_000;
/// Columns that `indent` may add.
const MAX_INDENT: usize = 100;
/// What an item of a list costs beside its text, in bytes.
const ITEM: usize = 64;

type Conversion = fn(&str) -> String;

/// Makes them all available.
pub(super) fn add(environment: &mut Environment<'static>, budget: &Arc<Budget>) {
    add_conversions(environment, budget);
    add_editing(environment, budget);
    add_lists(environment, budget);
    add_plain(environment);
    add_range(environment, budget);
}

/// Filters from one text to another.
fn add_conversions(environment: &mut Environment<'static>, budget: &Arc<Budget>) {
    let conversions: [(&'static str, Conversion); 5] = [
        ("upper", |text| text.to_uppercase()),
        ("lower", |text| text.to_lowercase()),
        ("trim", |text| text.trim().to_owned()),
        ("capitalize", capitalized),
        ("title", |text| text.split_inclusive(char::is_whitespace).map(capitalized).collect()),
    ];
    for (name, convert) in conversions {
        let budget = Arc::clone(budget);
        environment.add_filter(name, move |value: Value| {
            let text = text(&value)?;
            // A letter becomes at most three letters of other case.
            budget.take(text.len() * 3)?;
            Ok::<_, Error>(convert(&text))
        });
    }
}

/// Filters that change a text as their arguments say.
fn add_editing(environment: &mut Environment<'static>, budget: &Arc<Budget>) {
    let shared = Arc::clone(budget);
    environment.add_filter("replace", move |value: Value, from: Value, to: Value| {
        let (text, from, to) = (text(&value)?, text(&from)?, text(&to)?);
        if from.is_empty() {
            return Err(wrong("replace needs something to look for"));
        }
        shared.take(text.len())?;
        let added = text.matches(&from).count().saturating_mul(to.len());
        shared.take(added)?;
        Ok(text.replace(&from, &to))
    });
    let shared = Arc::clone(budget);
    environment.add_filter("truncate", move |value: Value, length: usize| {
        let text = text(&value)?;
        shared.take(text.len())?;
        Ok::<_, Error>(match text.char_indices().nth(length) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        })
    });
    let shared = Arc::clone(budget);
    environment.add_filter("indent", move |value: Value, width: usize| {
        let text = text(&value)?;
        if width > MAX_INDENT {
            return Err(wrong("indent takes at most 100 columns"));
        }
        let lines = text.matches('\n').count();
        shared.take(text.len() + lines * width)?;
        Ok(text.replace('\n', &format!("\n{}", " ".repeat(width))))
    });
}

/// Filters between texts and lists.
fn add_lists(environment: &mut Environment<'static>, budget: &Arc<Budget>) {
    let shared = Arc::clone(budget);
    environment.add_filter("lines", move |value: Value| {
        let text = text(&value)?;
        shared.take(text.len() + text.lines().count() * ITEM)?;
        Ok::<_, Error>(text.lines().map(Value::from).collect::<Vec<_>>())
    });
    let shared = Arc::clone(budget);
    environment.add_filter("split", move |value: Value, separator: Option<Value>| {
        let text = text(&value)?;
        let separator = separator.map(|value| self::text(&value)).transpose()?;
        if separator.as_deref() == Some("") {
            return Err(wrong("split needs a separator"));
        }
        // No text has more parts than bytes; the budget only lets texts through that are so short.
        shared.take(text.len() * ITEM / 2)?;
        Ok(match separator {
            Some(separator) => text.split(&separator).map(Value::from).collect::<Vec<_>>(),
            None => text.split_whitespace().map(Value::from).collect(),
        })
    });
    let shared = Arc::clone(budget);
    environment.add_filter("join", move |value: Value, separator: Option<Value>| {
        let separator = separator.map_or_else(|| Ok(String::new()), |value| text(&value))?;
        let mut joined = String::new();
        for (index, item) in value.try_iter()?.enumerate() {
            let item = text(&item)?;
            shared.take(item.len() + separator.len() + 1)?;
            if index > 0 {
                joined.push_str(&separator);
            }
            joined.push_str(&item);
        }
        Ok::<_, Error>(joined)
    });
    let shared = Arc::clone(budget);
    environment.add_filter("length", move |value: Value| {
        shared.take(value.as_str().map_or(1, str::len))?;
        value.len().ok_or_else(|| wrong("length needs a text or a list"))
    });
    let shared = Arc::clone(budget);
    environment.add_filter("wordcount", move |value: Value| {
        let text = text(&value)?;
        shared.take(text.len())?;
        Ok::<_, Error>(text.split_whitespace().count())
    });
}

/// What the engine brings along and costs little.
fn add_plain(environment: &mut Environment<'static>) {
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("round", filters::round);
    environment.add_filter("abs", filters::abs);
    // The engine's own take a default of any kind; `language` counts on a number.
    environment.add_filter("int", |value: Value| whole(&value));
    environment.add_filter("float", |value: Value| decimal(&value));
    environment.add_test("defined", tests::is_defined);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_test("none", tests::is_none);
    environment.add_test("string", tests::is_string);
    environment.add_test("number", tests::is_number);
    environment.add_test("boolean", tests::is_boolean);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("even", tests::is_even);
    environment.add_test("divisibleby", tests::is_divisibleby);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
}

fn add_range(environment: &mut Environment<'static>, budget: &Arc<Budget>) {
    let budget = Arc::clone(budget);
    environment.add_function("range", move |first: i64, second: Option<i64>, step: Option<i64>| {
        let (start, end) = second.map_or((0, first), |second| (first, second));
        let step = step.unwrap_or(1);
        if step == 0 || [start, end, step].iter().any(|bound| bound.abs() > MAX_BOUND) {
            return Err(wrong("range takes numbers up to a thousand million and no step of 0"));
        }
        let count = ((end - start) / step + i64::from((end - start) % step != 0)).max(0);
        if count > MAX_RANGE {
            return Err(wrong("range gives at most 10000 numbers"));
        }
        let budget = Arc::clone(&budget);
        Ok(Value::make_iterable(move || {
            let budget = Arc::clone(&budget);
            (0..count).map(move |index| match budget.take(0) {
                Ok(()) => Value::from(start + index * step),
                // A stopped run leaves its loops here.
                Err(stopped) => Value::from(stopped),
            })
        }))
    });
}

/// A text, or a number or truth value as text. Lists are refused: writing them out could take long.
fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        ValueKind::None => Ok(String::new()),
        kind => Err(wrong(&format!("a text is needed here, not {kind}"))),
    }
}

fn whole(value: &Value) -> Result<i64, Error> {
    let exact = value
        .as_str()
        .map_or_else(|| i64::try_from(value.clone()).ok(), |text| text.trim().parse().ok());
    #[expect(clippy::cast_possible_truncation, reason = "larger numbers become the largest")]
    exact.map_or_else(|| decimal(value).map(|number| number as i64), Ok)
}

fn decimal(value: &Value) -> Result<f64, Error> {
    let number = value
        .as_str()
        .map_or_else(|| f64::try_from(value.clone()).ok(), |text| text.trim().parse().ok());
    number.ok_or_else(|| wrong("a number is needed here"))
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters.as_str().to_lowercase().chars()).collect()
    })
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.to_owned())
}
