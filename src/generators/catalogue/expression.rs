//! The small language of generator files: JSON values that stand for themselves, and objects of one
//! operator each, in the spirit of `JsonLogic`.
//!
//! An expression never fails: an operation on values that it is not made for gives null. What is wrong
//! with an expression itself is found when it is parsed.

mod evaluate;
mod number;
mod parse;
mod scope;
mod text;

use serde_json::Value;

pub(super) use evaluate::is_true;
pub(super) use scope::{Root, Scope};

/// An expression, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// A value that stands for itself.
    Literal(Value),
    /// A value of the scope.
    Variable(Variable),
    /// An operator and its operands, as many as it takes.
    Operation(Operator, Vec<Expression>),
    /// A value of a table.
    Lookup(Box<Lookup>),
}

/// Where a value of the scope stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    /// What it is a part of.
    root: Root,
    /// The members that lead to it.
    members: Vec<String>,
    /// What it is where the last member is missing; null without. A null that is there stays null.
    default: Option<Box<Expression>>,
}

/// A value of a table, which may hold tables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lookup {
    table: Value,
    /// One for each level of the table.
    keys: Vec<Expression>,
    /// What it is where the table has no such key; null without.
    fallback: Option<Expression>,
}

/// What is done with operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `+`: the sum of numbers.
    Add,
    /// `-`: the first number less the second.
    Subtract,
    /// `*`: the product of numbers.
    Multiply,
    /// `/`: the first number by the second.
    Divide,
    /// `==`: whether two values are the same.
    Equal,
    /// `>`: whether the first number is greater.
    Greater,
    /// `and`: the first false value, else the last.
    And,
    /// `or`: the first true value, else the last.
    Or,
    /// `!`: whether a value is false.
    Not,
    /// `if`: condition, value, condition, value, …, else.
    If,
    /// `in`: whether the first text is a part of the second.
    In,
    /// `len`: characters of a text, or elements of a list.
    Length,
    /// `int`: a number or numeric text, without what follows the decimal point.
    Integer,
    /// `float`: a number or numeric text as a number.
    Float,
    /// `split`: the part of a text between separators, by its place; -1 is the last.
    Split,
    /// `starts_with`: whether the first text begins with the second.
    StartsWith,
    /// `lower`: a text in lower case.
    Lower,
    /// `strip_suffix`: the first text without the second at its end.
    StripSuffix,
}

impl Expression {
    /// Whether it is a value that stands for itself, and which.
    pub(super) fn literal(&self) -> Option<&Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Every variable in it.
    pub(super) fn variables(&self) -> Vec<&Variable> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Variable(variable) => {
                let default = variable.default.as_deref().map(Self::variables);
                std::iter::once(variable).chain(default.into_iter().flatten()).collect()
            }
            Self::Operation(_, operands) => operands.iter().flat_map(Self::variables).collect(),
            Self::Lookup(lookup) => {
                lookup.keys.iter().chain(&lookup.fallback).flat_map(Self::variables).collect()
            }
        }
    }
}

impl Variable {
    /// The parameter that it reads, where it reads one.
    pub(super) fn parameter(&self) -> Option<&str> {
        (self.root == Root::Input).then(|| self.members.first().map(String::as_str)).flatten()
    }
}
