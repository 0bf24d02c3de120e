//! From JSON to an expression. Whatever could never work is refused here.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::{Expression, Lookup, Operator, Root, Variable};

/// Expressions lie at most this deep within each other.
const MAX_DEPTH: usize = 24;
/// An operator takes at most this many operands.
const MAX_OPERANDS: usize = 64;

impl Operator {
    /// The operator of this name, and how many operands it takes.
    fn named(name: &str) -> Option<(Self, RangeInclusive<usize>)> {
        let any = 1..=MAX_OPERANDS;
        Some(match name {
            "+" => (Self::Add, any),
            "-" => (Self::Subtract, 2..=2),
            "*" => (Self::Multiply, any),
            "/" => (Self::Divide, 2..=2),
            "==" => (Self::Equal, 2..=2),
            ">" => (Self::Greater, 2..=2),
            "and" => (Self::And, any),
            "or" => (Self::Or, any),
            "!" => (Self::Not, 1..=1),
            "if" => (Self::If, 2..=MAX_OPERANDS),
            "in" => (Self::In, 2..=2),
            "len" => (Self::Length, 1..=1),
            "int" => (Self::Integer, 1..=1),
            "float" => (Self::Float, 1..=1),
            "split" => (Self::Split, 3..=3),
            "starts_with" => (Self::StartsWith, 2..=2),
            "lower" => (Self::Lower, 1..=1),
            "strip_suffix" => (Self::StripSuffix, 2..=2),
            _ => return None,
        })
    }
}

impl Expression {
    /// The expression that `json` says, of which variables may be parts of `roots`.
    ///
    /// # Errors
    /// Says what is wrong, for the author of the file.
    pub(in super::super) fn parse(json: &Value, roots: &[Root]) -> Result<Self, String> {
        Parser { roots }.expression(json, MAX_DEPTH)
    }
}

struct Parser<'a> {
    roots: &'a [Root],
}

impl Parser<'_> {
    fn expression(&self, json: &Value, depth: usize) -> Result<Expression, String> {
        let depth = depth.checked_sub(1).ok_or("the expression is too deep")?;
        let members = match json {
            Value::Object(members) => members,
            Value::Array(items) if items.iter().any(Value::is_object) => {
                return Err("a list holds plain values only, no expressions".to_owned());
            }
            plain => return Ok(Expression::Literal(plain.clone())),
        };
        let (name, operand) = only(members)?;
        match name.as_str() {
            "var" => self.variable(operand, depth).map(Expression::Variable),
            "lookup" => self.lookup(operand, depth).map(|it| Expression::Lookup(Box::new(it))),
            name => self.operation(name, operand, depth),
        }
    }

    fn operation(&self, name: &str, operand: &Value, depth: usize) -> Result<Expression, String> {
        let (operator, takes) =
            Operator::named(name).ok_or_else(|| format!("there is no operator {name:?}"))?;
        let operands = match operand {
            Value::Array(operands) => operands.as_slice(),
            single => std::slice::from_ref(single),
        };
        if !takes.contains(&operands.len()) {
            let (least, most) = (takes.start(), takes.end());
            return Err(if least == most {
                format!("{name} takes {least} operands, not {}", operands.len())
            } else {
                format!("{name} takes {least} to {most} operands, not {}", operands.len())
            });
        }
        let operands = operands.iter().map(|operand| self.expression(operand, depth));
        Ok(Expression::Operation(operator, operands.collect::<Result<_, _>>()?))
    }

    /// `path` or `[path, default]`.
    fn variable(&self, operand: &Value, depth: usize) -> Result<Variable, String> {
        let (path, default) = match operand {
            Value::String(path) => (path, None),
            Value::Array(operands) => match operands.as_slice() {
                [Value::String(path), default] => (path, Some(default)),
                _ => return Err("var takes a path, or a path and a default".to_owned()),
            },
            _ => return Err("var takes a path, or a path and a default".to_owned()),
        };
        let mut names = path.split('.');
        let root = names.next().unwrap_or_default();
        let known = self.roots.iter().find(|known| known.name() == root);
        let root = known.copied().ok_or_else(|| {
            let names: Vec<_> = self.roots.iter().map(|root| root.name()).collect();
            format!("{path:?} must begin with {}", names.join(", "))
        })?;
        let members: Vec<String> = names.map(str::to_owned).collect();
        if members.iter().any(String::is_empty) || (root == Root::Url && !members.is_empty()) {
            return Err(format!("{path:?} is not a path"));
        }
        let default = default.map(|default| self.expression(default, depth)).transpose()?;
        Ok(Variable { root, members, default: default.map(Box::new) })
    }

    /// `[table, key]` or `[table, key, fallback]`, where `key` may be a list of one key a level.
    fn lookup(&self, operand: &Value, depth: usize) -> Result<Lookup, String> {
        let operands = operand.as_array().map(Vec::as_slice).unwrap_or_default();
        let (table, key, fallback) = match operands {
            [table @ Value::Object(_), key] => (table, key, None),
            [table @ Value::Object(_), key, fallback] => (table, key, Some(fallback)),
            _ => return Err("lookup takes a table, a key and perhaps a fallback".to_owned()),
        };
        let keys = match key {
            Value::Array(keys) => keys.as_slice(),
            single => std::slice::from_ref(single),
        };
        if keys.is_empty() || keys.len() > MAX_DEPTH {
            return Err("lookup needs a key for each level of its table".to_owned());
        }
        let keys = keys.iter().map(|key| self.expression(key, depth)).collect::<Result<_, _>>()?;
        let fallback = fallback.map(|fallback| self.expression(fallback, depth)).transpose()?;
        Ok(Lookup { table: table.clone(), keys, fallback })
    }
}

/// The operator of an object that holds one, and what it is applied to.
fn only(members: &Map<String, Value>) -> Result<(&String, &Value), String> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some(only), None) => Ok(only),
        _ => Err("an expression is an object with one operator".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({}), "one operator")]
    #[case(json!({"+": [1], "-": [1, 2]}), "one operator")]
    #[case(json!({"concat": ["a", "b"]}), "no operator \"concat\"")]
    #[case(json!({"-": [1]}), "takes 2 operands, not 1")]
    #[case(json!({"if": [1]}), "takes 2 to 64 operands, not 1")]
    #[case(json!({"len": []}), "takes 1 operands, not 0")]
    #[case(json!({"var": 5}), "var takes a path")]
    #[case(json!({"var": ["input.a", 1, 2]}), "var takes a path")]
    #[case(json!({"var": "output.a"}), "must begin with input, item, result, url")]
    #[case(json!({"var": "input..a"}), "is not a path")]
    #[case(json!({"var": "url.host"}), "is not a path")]
    #[case(json!({"lookup": [1, 2]}), "lookup takes a table")]
    #[case(json!({"lookup": [{"a": 1}]}), "lookup takes a table")]
    #[case(json!({"lookup": [{"a": 1}, []]}), "needs a key")]
    #[case(json!({"+": [1, {"minus": 1}]}), "no operator \"minus\"")]
    #[case(json!({"or": [[{"var": "input.a"}]]}), "no expressions")]
    fn what_could_never_work_is_refused(#[case] json: Value, #[case] reason: &str) {
        let error = Expression::parse(&json, &Root::ALL).expect_err("refused");
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn only_what_is_known_can_be_read() {
        let item = json!({"var": "item.width"});
        assert!(Expression::parse(&item, &Root::ALL).is_ok());
        let error = Expression::parse(&item, &Root::INPUT).expect_err("refused");
        assert!(error.contains("must begin with input"), "{error}");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels| (0..levels).fold(json!(1), |inner, _| json!({"!": inner}));
        assert!(Expression::parse(&deep(MAX_DEPTH - 1), &Root::ALL).is_ok());
        assert!(Expression::parse(&deep(MAX_DEPTH), &Root::ALL).is_err());
        assert!(Expression::parse(&deep(200), &Root::ALL).is_err());
    }

    #[test]
    fn the_parameters_that_are_read_are_known() {
        let json = json!({"if": [{"var": ["item.a", {"var": "input.b"}]}, {"lookup": [
            {}, [{"var": "input.c.d"}], {"var": "input.e"},
        ]}]});
        let expression = Expression::parse(&json, &Root::ALL).expect("expression");
        let read: Vec<_> =
            expression.variables().into_iter().filter_map(|v| v.parameter()).collect();
        assert_eq!(read, ["b", "c", "e"]);
    }
}
