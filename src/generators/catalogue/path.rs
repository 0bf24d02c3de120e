//! Paths into a provider's answer: `$.data.images[*]`.

use serde_json::Value;

/// Deeper than this a path does not lead.
const MAX_MEMBERS: usize = 16;

/// Where something stands in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    members: Members,
    /// Whether each element of the list there is meant: `[*]` at the end.
    each: bool,
}

/// Names that lead from an object to something in it: `message.content`. None of them leads nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members(Vec<String>);

impl Path {
    /// Reads `$`, `$.a.b` or `$.a.b[*]`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a path such as $.images[*]");
        let rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let (rest, each) = rest.strip_suffix("[*]").map_or((rest, false), |rest| (rest, true));
        let members = match rest.strip_prefix('.') {
            Some(members) => Members::parse(members).map_err(|_| wrong())?,
            None if rest.is_empty() => Members::default(),
            None => return Err(wrong()),
        };
        Ok(Self { members, each })
    }

    /// What stands there in `answer`; null where nothing does.
    pub(super) fn value<'a>(&self, answer: &'a Value) -> &'a Value {
        self.members.of(answer)
    }

    /// The elements that are meant: those of a list with `[*]`, else the one object or text that stands
    /// there. A list without `[*]` is none.
    pub(super) fn elements<'a>(&self, answer: &'a Value) -> &'a [Value] {
        match (self.value(answer), self.each) {
            (Value::Array(items), true) => items,
            (one @ Value::Object(_), false) => std::slice::from_ref(one),
            (one @ Value::String(text), false) if !text.is_empty() => std::slice::from_ref(one),
            _ => &[],
        }
    }
}

impl Members {
    /// Reads `a` or `a.b`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let members: Vec<String> = text.split('.').map(str::to_owned).collect();
        let plain = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        if members.len() > MAX_MEMBERS || !members.iter().all(plain) {
            return Err(format!("{text:?} is not the name of a member"));
        }
        Ok(Self(members))
    }

    /// What they lead to; null where one is missing.
    pub(super) fn of<'a>(&self, mut value: &'a Value) -> &'a Value {
        for name in &self.0 {
            value = value.get(name).unwrap_or(&Value::Null);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("$", json!([{"a": {"b": [1, 2], "c": "x"}}]))]
    #[case("$.a", json!([{"b": [1, 2], "c": "x"}]))]
    #[case("$.a.c", json!(["x"]))]
    #[case("$.a.b", json!([]))]
    #[case("$.a.b[*]", json!([1, 2]))]
    #[case("$.a.c[*]", json!([]))]
    #[case("$.a.d.e", json!([]))]
    fn paths_find_what_they_name(#[case] path: &str, #[case] wanted: Value) {
        let answer = json!({"a": {"b": [1, 2], "c": "x"}});
        let path = Path::parse(path).expect("path");
        assert_eq!(json!(path.elements(&answer)), wanted);
    }

    #[rstest]
    #[case("")]
    #[case("a.b")]
    #[case("$a")]
    #[case("$.")]
    #[case("$..a")]
    #[case("$.a[0]")]
    #[case("$.a[*].b")]
    #[case("$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q")]
    fn what_is_no_path_is_refused(#[case] path: &str) {
        assert!(Path::parse(path).is_err());
    }
}
