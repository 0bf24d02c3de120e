//! What an expression's value is.

use std::borrow::Cow;

use serde_json::Value;

use super::{Expression, Lookup, Operator, Scope, Variable, number, text};

/// Null, false, 0, and what is empty are false.
pub(in super::super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

impl Expression {
    /// Its value where `scope` is what can be seen.
    pub(in super::super) fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, Value> {
        match self {
            Self::Literal(value) => Cow::Borrowed(value),
            Self::Variable(variable) => variable.evaluate(scope),
            Self::Lookup(lookup) => lookup.evaluate(scope),
            Self::Operation(operator, operands) => operator.evaluate(operands, scope),
        }
    }
}

impl Variable {
    fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, Value> {
        let mut value = Some(scope.get(self.root));
        for member in &self.members {
            value = value.and_then(|value| value.get(member));
        }
        match (value, &self.default) {
            (Some(value), _) => Cow::Borrowed(value),
            (None, Some(default)) => default.evaluate(scope),
            (None, None) => Cow::Owned(Value::Null),
        }
    }
}

impl Lookup {
    fn evaluate<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, Value> {
        let mut found = Some(&self.table);
        for key in &self.keys {
            let key = match key.evaluate(scope).as_ref() {
                Value::String(text) => text.clone(),
                // 5 and 5.0 are the same key.
                number @ Value::Number(_) => number::to_json(number::of(number)).to_string(),
                Value::Bool(value) => value.to_string(),
                _ => String::new(),
            };
            found = found.and_then(|table| table.get(&key));
        }
        match (found, &self.fallback) {
            (Some(value), _) => Cow::Borrowed(value),
            (None, Some(fallback)) => fallback.evaluate(scope),
            (None, None) => Cow::Owned(Value::Null),
        }
    }
}

impl Operator {
    fn evaluate<'a>(self, operands: &'a [Expression], scope: &Scope<'a>) -> Cow<'a, Value> {
        match self {
            Self::And => deciding(operands, scope, |value| !is_true(value)),
            Self::Or => deciding(operands, scope, is_true),
            Self::If => choose(operands, scope),
            _ => {
                let values: Vec<_> =
                    operands.iter().map(|operand| operand.evaluate(scope)).collect();
                Cow::Owned(self.apply(&values))
            }
        }
    }

    /// The result for operands that are all evaluated.
    fn apply(self, values: &[Cow<'_, Value>]) -> Value {
        let at = |index: usize| values.get(index).map_or(&Value::Null, Cow::as_ref);
        match self {
            Self::Add => numbers(values, |sum, next| sum + next),
            Self::Subtract => numbers(values, |from, next| from - next),
            Self::Multiply => numbers(values, |product, next| product * next),
            Self::Divide => numbers(values, |from, by| from / by),
            Self::Equal => same(at(0), at(1)).into(),
            Self::Greater => number::of(at(0))
                .zip(number::of(at(1)))
                .is_some_and(|(one, other)| one > other)
                .into(),
            Self::Not => (!is_true(at(0))).into(),
            Self::In => text::contains(at(0), at(1)),
            Self::Length => text::length(at(0)),
            Self::Integer => number::to_json(number::read(at(0)).map(f64::trunc)),
            Self::Float => number::to_json(number::read(at(0))),
            Self::Split => text::split(at(0), at(1), at(2)),
            Self::StartsWith => text::starts_with(at(0), at(1)),
            Self::Lower => text::lower(at(0)),
            Self::StripSuffix => text::strip_suffix(at(0), at(1)),
            // Not all of their operands are evaluated, see above.
            Self::And | Self::Or | Self::If => Value::Null,
        }
    }
}

/// The first value that decides, else the last.
fn deciding<'a>(
    operands: &'a [Expression],
    scope: &Scope<'a>,
    decides: impl Fn(&Value) -> bool,
) -> Cow<'a, Value> {
    let mut last = Cow::Owned(Value::Null);
    for operand in operands {
        last = operand.evaluate(scope);
        if decides(&last) {
            break;
        }
    }
    last
}

/// The value after the first condition that is true, else the one that stands alone at the end.
fn choose<'a>(operands: &'a [Expression], scope: &Scope<'a>) -> Cow<'a, Value> {
    for pair in operands.chunks(2) {
        match pair {
            [condition, value] if is_true(&condition.evaluate(scope)) => {
                return value.evaluate(scope);
            }
            [otherwise] => return otherwise.evaluate(scope),
            _ => {}
        }
    }
    Cow::Owned(Value::Null)
}

/// Numbers put together from the left; null where one is no number, or the result is none.
fn numbers(values: &[Cow<'_, Value>], combine: impl Fn(f64, f64) -> f64) -> Value {
    let numbers: Option<Vec<f64>> = values.iter().map(|value| number::of(value)).collect();
    number::to_json(numbers.and_then(|numbers| numbers.into_iter().reduce(combine)))
}

/// Whether two values are the same; 5 and 5.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (number::of(one), number::of(other)) {
        #[expect(clippy::float_cmp, reason = "the very same number is asked for")]
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::Root;
    use super::*;

    fn value(expression: &Value) -> Value {
        let input = json!({
            "none": null, "zero": 0, "five": 5, "half": 0.5, "text": "Ab.c?d", "seconds": "8s",
            "list": [1, 2], "size": {"width": 640}, "empty": "", "number": "12", "resolution": "720p",
        });
        let item = json!({"width": null, "content_type": "video/mp4"});
        let result = json!({"duration": 3.5});
        let url = json!("https://cdn.test/a.MOV?sig=a");
        let scope = Scope { input: &input, item: &item, result: &result, url: &url };
        let expression = Expression::parse(expression, &Root::ALL).expect("expression");
        expression.evaluate(&scope).into_owned()
    }

    #[rstest]
    #[case(json!("mp4"), json!("mp4"))]
    #[case(json!(null), json!(null))]
    #[case(json!({"var": "input.five"}), json!(5))]
    #[case(json!({"var": "input.size.width"}), json!(640))]
    #[case(json!({"var": "input.size.depth.more"}), json!(null))]
    #[case(json!({"var": ["item.width", 1024]}), json!(null))]
    #[case(json!({"var": ["item.height", 1024]}), json!(1024))]
    #[case(json!({"var": ["item.height", {"var": "input.five"}]}), json!(5))]
    #[case(json!({"var": "result.duration"}), json!(3.5))]
    #[case(json!({"var": "url"}), json!("https://cdn.test/a.MOV?sig=a"))]
    #[case(json!({"+": [1, 2, {"var": "input.half"}]}), json!(3.5))]
    #[case(json!({"-": [1, 2]}), json!(-1))]
    #[case(json!({"*": [0.5, {"var": "input.five"}, 2]}), json!(5))]
    #[case(json!({"/": [1, 4]}), json!(0.25))]
    #[case(json!({"/": [1, {"var": "input.zero"}]}), json!(null))]
    #[case(json!({"/": [0, 0]}), json!(null))]
    #[case(json!({"*": [1e308, 1e308]}), json!(null))]
    #[case(json!({"+": ["1", 2]}), json!(null))]
    #[case(json!({"+": [true, 2]}), json!(null))]
    #[case(json!({"==": [5, 5.0]}), json!(true))]
    #[case(json!({"==": ["5", 5]}), json!(false))]
    #[case(json!({"==": [{"var": "input.none"}, null]}), json!(true))]
    #[case(json!({">": [2, 1]}), json!(true))]
    #[case(json!({">": [1, 1]}), json!(false))]
    #[case(json!({">": [2, "1"]}), json!(false))]
    #[case(json!({">": [null, 1]}), json!(false))]
    #[case(json!({"and": [1, 0, 2]}), json!(0))]
    #[case(json!({"and": [1, 2]}), json!(2))]
    #[case(json!({"or": [null, "", [], 7, 8]}), json!(7))]
    #[case(json!({"or": [0, ""]}), json!(""))]
    #[case(json!({"!": {"var": "input.zero"}}), json!(true))]
    #[case(json!({"!": [{"var": "input.list"}]}), json!(false))]
    #[case(json!({"if": [{"var": "input.zero"}, "a", {"var": "input.five"}, "b", "c"]}), json!("b"))]
    #[case(json!({"if": [false, "a", "c"]}), json!("c"))]
    #[case(json!({"if": [false, "a"]}), json!(null))]
    #[case(json!({"in": ["deo", {"var": "item.content_type"}]}), json!(true))]
    #[case(json!({"in": ["x", {"var": "input.none"}]}), json!(false))]
    #[case(json!({"lookup": [{"720p": 1280}, {"var": "input.resolution"}]}), json!(1280))]
    #[case(json!({"lookup": [{"5": "five"}, {"var": "input.five"}]}), json!("five"))]
    #[case(json!({"lookup": [{"5": "five"}, 5.0]}), json!("five"))]
    #[case(json!({"lookup": [{"a": 1}, {"var": "input.none"}, 9]}), json!(9))]
    #[case(json!({"lookup": [{"a": 1}, "b"]}), json!(null))]
    #[case(json!({"lookup": [{"720p": {"5": 3}}, [{"var": "input.resolution"}, "5"]]}), json!(3))]
    #[case(json!({"lookup": [{"720p": {"5": 3}}, ["720p", "6"], 4]}), json!(4))]
    #[case(json!({"lookup": [{"720p": 3}, ["720p", "6"], 4]}), json!(4))]
    #[case(json!({"len": "äöü"}), json!(3))]
    #[case(json!({"len": {"var": "input.list"}}), json!(2))]
    #[case(json!({"len": 5}), json!(null))]
    #[case(json!({"int": -2.9}), json!(-2))]
    #[case(json!({"int": " 12 "}), json!(12))]
    #[case(json!({"int": "inf"}), json!(null))]
    #[case(json!({"int": "twelve"}), json!(null))]
    #[case(json!({"int": {"strip_suffix": [{"var": "input.seconds"}, "s"]}}), json!(8))]
    #[case(json!({"float": "2.5"}), json!(2.5))]
    #[case(json!({"float": null}), json!(null))]
    #[case(json!({"split": [{"var": "url"}, ".", -1]}), json!("MOV?sig=a"))]
    #[case(json!({"split": ["a,b", ",", 1]}), json!("b"))]
    #[case(json!({"split": ["a,b", ",", 2]}), json!(null))]
    #[case(json!({"split": ["a,b", "", 0]}), json!(null))]
    #[case(json!({"split": ["a,b", ",", -2]}), json!(null))]
    #[case(json!({"starts_with": [{"var": "item.content_type"}, "video/"]}), json!(true))]
    #[case(json!({"starts_with": [null, "video/"]}), json!(false))]
    #[case(json!({"lower": {"var": "input.text"}}), json!("ab.c?d"))]
    #[case(json!({"lower": 5}), json!(null))]
    #[case(json!({"strip_suffix": ["abc", "x"]}), json!("abc"))]
    #[case(json!({"strip_suffix": [5, "x"]}), json!(null))]
    fn each_operator_does_what_it_says(#[case] expression: Value, #[case] wanted: Value) {
        assert_eq!(value(&expression), wanted, "{expression}");
    }
}
