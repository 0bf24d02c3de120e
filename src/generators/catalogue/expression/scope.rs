//! What expressions can see.

use serde_json::Value;

/// What a variable is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Root {
    /// `input`: the parameters, defaults filled in; artifacts are objects of what is known of them.
    Input,
    /// `item`: one output in the provider's answer.
    Item,
    /// `result`: what holds the outputs in the provider's answer.
    Result,
    /// `url`: where the output is.
    Url,
}

impl Root {
    /// All of them: what is known once the provider has answered.
    pub(in super::super) const ALL: [Self; 4] = [Self::Input, Self::Item, Self::Result, Self::Url];
    /// What is known before the provider is asked.
    pub(in super::super) const INPUT: [Self; 1] = [Self::Input];

    /// Its name in files.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Item => "item",
            Self::Result => "result",
            Self::Url => "url",
        }
    }
}

/// The values of the roots.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Scope<'a> {
    /// The value of `input`.
    pub(in super::super) input: &'a Value,
    /// The value of `item`.
    pub(in super::super) item: &'a Value,
    /// The value of `result`.
    pub(in super::super) result: &'a Value,
    /// The value of `url`.
    pub(in super::super) url: &'a Value,
}

impl<'a> Scope<'a> {
    /// What is known before the provider is asked.
    pub(in super::super) fn of_input(input: &'a Value) -> Self {
        Self { input, item: &Value::Null, result: &Value::Null, url: &Value::Null }
    }

    /// The value of `root`.
    pub(super) fn get(&self, root: Root) -> &'a Value {
        match root {
            Root::Input => self.input,
            Root::Item => self.item,
            Root::Result => self.result,
            Root::Url => self.url,
        }
    }
}
