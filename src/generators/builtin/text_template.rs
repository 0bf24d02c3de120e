//! `text-template`: a text from a template in the Jinja language.
//!
//! Templates come from users, so what one may cost is bounded in four ways: [`language`] refuses what
//! could build large values in few steps, the engine counts instructions, [`budget`] counts the
//! bytes that filters and output take, and [`functions`] offers nothing else.

mod budget;
mod functions;
mod language;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    thread,
};

use async_trait::async_trait;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as TemplateValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    work::{Work, compute, message},
};
use crate::domain::{ArtifactType, GenerationId};

use budget::{Budget, Stop, Writer};

/// Instructions of the engine that one run may take.
const FUEL: u64 = 100_000;
/// Bytes of all input texts together.
const MAX_INPUT: usize = 1024 * 1024;
/// Stack of the thread that renders: long chains of filters nest deeply in the parser's tree.
const STACK: usize = 64 * 1024 * 1024;

/// See the module.
pub(super) struct TextTemplate;

#[derive(Deserialize)]
struct Params {
    template: String,
    values: Map<String, Value>,
    texts: Vec<GenerationId>,
}

#[async_trait]
impl Generator for TextTemplate {
    fn name(&self) -> &'static str {
        "text-template"
    }

    fn description(&self) -> &'static str {
        "A text from a template, with values and other texts filled in."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "template": {
                    "type": "string", "minLength": 1, "maxLength": 20_000,
                    "description": "The template in the Jinja language, for example \"Dear \
                        {{ name }}\". It may use if, for, set and with, and the filters upper, \
                        lower, title, capitalize, trim, replace, truncate, indent, lines, split, \
                        join, length, wordcount, first, last, default, round, int, float and abs.",
                },
                "values": {
                    "type": "object", "maxProperties": 200, "default": {},
                    "propertyNames": {"maxLength": 100},
                    "additionalProperties": {
                        "type": ["string", "number", "boolean", "null"], "maxLength": 20_000,
                    },
                    "description": "What the template's names stand for: strings, numbers, true, \
                        false or null.",
                },
                "texts": {
                    "type": "array", "maxItems": 16, "default": [],
                    "items": {"$ref": "#/$defs/TextArtifact"},
                    "description": "Texts that the template uses as texts[0], texts[1] and so on; \
                        at most 1 MiB together.",
                },
            },
            "required": ["template"],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, |work| {
            thread::scope(|scope| {
                let builder = thread::Builder::new().stack_size(STACK);
                let thread = builder
                    .spawn_scoped(scope, || render(work))
                    .map_err(|_| message("The server is too busy to render the template"))?;
                thread.join().unwrap_or_else(|_| Err(message("The template could not be rendered")))
            })
        })
        .await
        .map(Made::from)
    }
}

fn render(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    work.phase("reading", 0.0, 0.1).begin()?;
    let texts = read_texts(work, &params.texts)?;
    language::check(&params.template).map_err(message)?;
    work.phase("rendering", 0.1, 0.9).begin()?;
    let budget = Arc::new(Budget::new(work.cancel_token()));
    let mut writer = Writer::new(&budget);
    let environment = environment(&budget);
    let context = context(params.values, texts);
    let names: HashSet<String> = context.keys().cloned().collect();
    let rendered = environment
        .template_from_named_str("template", &params.template)
        .and_then(|template| template.render_captured_to(context, &mut writer))
        .map(drop);
    if let Err(error) = rendered {
        return Err(match budget.stopped() {
            Some(Stop::Cancelled) => Failure::Cancelled,
            Some(Stop::Output) => message("The text would be longer than 1 MiB"),
            Some(Stop::Work) => message("The template does too much work"),
            None if error.kind() == ErrorKind::UndefinedError => {
                message(explain(&error) + &missing(&environment, &params.template, &names))
            }
            None => message(explain(&error)),
        });
    }
    let text = writer.into_text();
    let mut metadata = Map::new();
    metadata.insert("characters".to_owned(), text.chars().count().into());
    Ok(Output { bytes: text.into(), metadata })
}

fn read_texts(work: &Work, ids: &[GenerationId]) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::with_capacity(ids.len());
    let mut length = 0;
    for (index, id) in ids.iter().enumerate() {
        let bytes = &work.artifact(*id)?.bytes;
        length += bytes.len();
        if length > MAX_INPUT {
            return Err(message("texts must be at most 1 MiB together"));
        }
        let text = str::from_utf8(bytes)
            .map_err(|_| message(format!("texts.{index} is not a text in UTF-8")))?;
        texts.push(text.trim_start_matches('\u{feff}').to_owned());
    }
    Ok(texts)
}

/// Names of values stand for themselves; `values` and `texts` hold them all.
fn context(values: Map<String, Value>, texts: Vec<String>) -> BTreeMap<String, TemplateValue> {
    let values: BTreeMap<String, TemplateValue> =
        values.into_iter().map(|(name, value)| (name, scalar(value))).collect();
    let mut names = values.clone();
    names.insert("values".to_owned(), TemplateValue::from(values));
    names.insert("texts".to_owned(), TemplateValue::from(texts));
    names
}

/// The names that the template uses and that stand for nothing, as the end of a message.
fn missing(environment: &Environment<'_>, template: &str, known: &HashSet<String>) -> String {
    let Ok(template) = environment.template_from_str(template) else { return String::new() };
    let used = template.undeclared_variables(false);
    let unknown = used.iter().filter(|name| !known.contains(*name) && *name != "range");
    let mut unknown: Vec<String> = unknown.map(|name| name.chars().take(40).collect()).collect();
    unknown.sort();
    unknown.truncate(5);
    if unknown.is_empty() {
        return ": something that is looked up does not exist".to_owned();
    }
    format!(": there is no value for {}", unknown.join(", "))
}

/// The input schema lets nothing but scalars through.
fn scalar(value: Value) -> TemplateValue {
    match value {
        Value::String(text) => text.into(),
        Value::Bool(truth) => truth.into(),
        Value::Number(number) => number
            .as_i64()
            .map(TemplateValue::from)
            .or_else(|| number.as_f64().map(TemplateValue::from))
            .unwrap_or_default(),
        _ => ().into(),
    }
}

fn environment(budget: &Arc<Budget>) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(language::syntax());
    environment.set_formatter(|output, state, value| {
        if value.is_none() { Ok(()) } else { minijinja::escape_formatter(output, state, value) }
    });
    functions::add(&mut environment, budget);
    environment
}

/// What is wrong with a template, with its line.
fn explain(error: &minijinja::Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "the template takes too many steps".to_owned(),
        kind => {
            error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}"))
        }
    };
    let what: String = what.chars().take(300).collect();
    format!("Template, line {}: {what}", error.line().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{super::testing::*, *};

    async fn rendered(template: &str, values: Value, texts: &[&str]) -> Result<String, Failure> {
        let ids: Vec<String> = (1..).take(texts.len()).map(|n| id(n).to_string()).collect();
        let params = json!({"template": template, "values": values, "texts": ids});
        let texts = texts
            .iter()
            .map(|text| artifact(ArtifactType::Text, "text/plain", text.as_bytes().to_vec()));
        let output = make(&TextTemplate, &params, texts.collect()).await?;
        Ok(String::from_utf8(output.bytes.to_vec()).expect("UTF-8"))
    }

    async fn failure(template: &str) -> String {
        let values = json!({"x": "abcdefgh".repeat(100), "n": 3});
        match rendered(template, values, &[]).await {
            Ok(text) => panic!("{template} rendered {} bytes", text.len()),
            Err(failure) => failure.to_string(),
        }
    }

    #[tokio::test]
    async fn values_and_texts_are_filled_in_without_escaping() {
        let template = "Dear {{ name }},\n{% for line in texts[0]|lines %}- {{ line|trim }}\n\
            {% endfor %}{{ texts[1] }} {{ values.price * 2 }} {{ count + 1 }}{{ nothing }}\n";
        let template = template.replace("values.price * 2", "values.price|float * 2");
        let values = json!({"name": "<Ann> & Bob", "price": 2.5, "count": 1, "nothing": null});
        let text = rendered(&template, values, &["a \n b", "ä"]).await.expect("rendered");
        assert_eq!(text, "Dear <Ann> & Bob,\n- a\n- b\nä 5.0 2\n");
    }

    #[tokio::test]
    async fn filters_do_what_their_names_say() {
        for (template, wanted) in [
            (
                "{{ 'a b'|upper }}{{ 'A'|lower }}{{ 'ab cd'|title }}{{ 'aB'|capitalize }}",
                "A BaAb CdAb",
            ),
            ("{{ 'abc'|replace('b', '--') }}{{ 'abcdef'|truncate(3) }}", "a--cabc…"),
            ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
            ("{{ 'a,b'|split(',')|join(' + ') }}{{ [1, 2]|join }}", "a + b12"),
            ("{{ 'äb'|length }}{{ 'a b c'|wordcount }}{{ [1,2]|first }}{{ [1,2]|last }}", "2312"),
            ("{{ missing|default('x') }}{{ 2.6|round|int }}{{ '7'|int }}{{ (0-2)|abs }}", "x372"),
            ("{% for i in range(1, 7, 2) %}{{ i }}{{ ',' if not loop.last }}{% endfor %}", "1,3,5"),
            (
                "{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}{% if n is odd %}!{% endif %}",
                "321!",
            ),
            ("{% set a = n %}{% with b = a - 1 %}{{ b }}{% endwith %}", "2"),
        ] {
            let text = rendered(template, json!({"n": 3}), &[]).await;
            assert_eq!(text.as_deref(), Ok(wanted), "{template}");
        }
    }

    #[tokio::test]
    async fn errors_say_what_and_where() {
        for (template, line, word) in [
            ("a\n{{ missing }}", 2, "undefined value: there is no value for missing"),
            ("\n\n{% if %}", 3, "syntax error"),
            ("{{ n|nonsense }}", 1, "nonsense"),
            ("a\nb {{ x + x }}", 2, "only adds numbers"),
            ("{{ n * x }}", 1, "only multiplies numbers"),
            ("{% set y %}{{ x }}{% endset %}", 1, "blocks that capture"),
            ("{{ 1 // 0 }}", 1, "invalid operation"),
        ] {
            let failure = failure(template).await;
            assert!(failure.starts_with(&format!("Template, line {line}: ")), "{failure}");
            assert!(failure.contains(word), "{failure}");
        }
    }

    #[tokio::test]
    async fn what_grows_without_bound_is_stopped() {
        let doubling = |body: &str| {
            (0..60).fold("{% set a = x %}".to_owned(), |mut template, _| {
                let _ = write!(template, "{{% set a = {body} %}}");
                template
            })
        };
        for body in ["a ~ a", "a + a", "a * 9", "[a, a]", "{'k': a}", "(a, a)", "a[:]"] {
            failure(&doubling(body)).await;
        }
        for body in ["a|replace('a', a)", "a|indent(100000)", "a|split('')|join(a)"] {
            failure(&format!("{}{{{{ a }}}}", doubling(body).repeat(3))).await;
        }
    }

    #[tokio::test]
    async fn long_work_and_long_output_are_stopped() {
        let loops = |inner: &str| {
            format!("{0}{0}{inner}{1}{1}", "{% for i in range(9999) %}", "{% endfor %}")
        };
        assert!(failure(&loops("")).await.contains("too many steps"));
        assert!(failure(&loops("{{ x }}")).await.contains("longer than 1 MiB"));
        assert!(failure("{{ range(1000000) }}").await.contains("range"));
    }

    #[tokio::test]
    async fn deep_templates_end_in_a_message_and_not_in_a_crash() {
        for (start, middle, end) in [
            ("{{ n", "|abs", " }}"),
            ("{{ n", ".a", " }}"),
            ("{{ n", "-n", " }}"),
            ("{{ ", "not ", "n }}"),
            ("{{ ", "(", " }}"),
            ("{{ ", "[", " }}"),
            ("", "{% if n %}", ""),
            ("{% if n %}", "{% elif n %}", "{% endif %}"),
        ] {
            let count = (20_000 - start.len() - end.len()) / middle.len();
            failure(&format!("{start}{}{end}", middle.repeat(count))).await;
        }
    }

    #[tokio::test]
    async fn texts_are_bounded_and_must_be_text() {
        let large = "x".repeat(600_000);
        let result = rendered("{{ texts[0] }}", json!({}), &[&large, &large]).await;
        assert!(result.expect_err("refused").to_string().contains("1 MiB"));
        let params = json!({"template": "x", "texts": [id(1).to_string()]});
        let broken = artifact(ArtifactType::Text, "text/plain", &b"\xff\xfe"[..]);
        let result = make(&TextTemplate, &params, vec![broken]).await;
        assert_eq!(result.err(), Some(message("texts.0 is not a text in UTF-8")));
    }

    #[test]
    fn values_are_scalars() {
        let found = violations(&TextTemplate, &json!({"values": {"a": [1], "b": {}}}));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|message| message.starts_with("values.a must be ")));
    }
}
