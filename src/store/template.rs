//! Statements whose text is built once. Building a statement from its parts costs more than sending
//! it; its text is the same each time but for the values. Which value goes where is found out by
//! building it with stand-ins.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sea_orm::{DbBackend, Statement, Value, Values, sea_query::SelectStatement};
use uuid::Uuid;

const STAND_IN_ID: u128 = 0x5747_4e44_494e_5300_0000_0000_0000_0000;
const STAND_IN_NUMBER: u64 = 0x5747_4e44_0000;
const STAND_IN_TEXT: &str = "\u{1}stand-in";

/// A value that a statement is sent with.
#[derive(Clone)]
pub(super) enum Parameter {
    Id(Uuid),
    Text(String),
    Number(u64),
}

impl From<Uuid> for Parameter {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Parameter {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Parameter {
    fn stand_in(&self, place: usize) -> Self {
        match self {
            Self::Id(_) => Self::Id(Uuid::from_u128(STAND_IN_ID + place as u128)),
            Self::Text(_) => Self::Text(format!("{STAND_IN_TEXT}{place}")),
            Self::Number(_) => Self::Number(STAND_IN_NUMBER + place as u64),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Id(id) => (*id).into(),
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

/// The parameters of a statement, or their stand-ins.
pub(super) struct Parameters(Vec<Parameter>);

impl Parameters {
    pub(super) fn new(parameters: impl Into<Vec<Parameter>>) -> Self {
        Self(parameters.into())
    }

    /// The id in that place; the nil UUID where there is none.
    pub(super) fn id(&self, place: usize) -> Uuid {
        match self.0.get(place) {
            Some(Parameter::Id(id)) => *id,
            _ => Uuid::nil(),
        }
    }

    /// The text in that place; empty where there is none.
    pub(super) fn text(&self, place: usize) -> &str {
        match self.0.get(place) {
            Some(Parameter::Text(text)) => text,
            _ => "",
        }
    }

    /// The number in that place; 0 where there is none.
    pub(super) fn number(&self, place: usize) -> u64 {
        match self.0.get(place) {
            Some(Parameter::Number(number)) => *number,
            _ => 0,
        }
    }

    fn stand_ins(&self) -> Self {
        let stand_in = |(place, parameter): (usize, &Parameter)| parameter.stand_in(place);
        Self(self.0.iter().enumerate().map(stand_in).collect())
    }
}

/// Where the values of a text come from.
enum Slot {
    Parameter(usize),
    Fixed(Value),
}

struct Template {
    text: String,
    slots: Vec<Slot>,
}

impl Template {
    /// Of a statement that was built with stand-ins.
    fn of(statement: Statement, stand_ins: &Parameters) -> Self {
        let stand_ins: Vec<Value> = stand_ins.0.iter().map(Parameter::value).collect();
        let slot = |value: Value| match stand_ins.iter().position(|stand_in| *stand_in == value) {
            Some(place) => Slot::Parameter(place),
            None => Slot::Fixed(value),
        };
        let values = statement.values.map(|values| values.0).unwrap_or_default();
        Self { text: statement.sql, slots: values.into_iter().map(slot).collect() }
    }

    fn with(&self, backend: DbBackend, parameters: &Parameters) -> Statement {
        let value = |slot: &Slot| match slot {
            Slot::Parameter(place) => parameters.0[*place].value(),
            Slot::Fixed(value) => value.clone(),
        };
        let values = Values(self.slots.iter().map(value).collect());
        Statement { sql: self.text.clone(), values: Some(values), db_backend: backend }
    }
}

/// A statement's name, and which of its forms.
pub(super) type Form = (&'static str, u16);

/// The texts that were built so far.
pub(super) struct Templates {
    backend: DbBackend,
    by_form: RwLock<HashMap<Form, Arc<Template>>>,
}

impl Templates {
    pub(super) fn new(backend: DbBackend) -> Self {
        Self { backend, by_form: RwLock::default() }
    }

    /// The statement that `build` makes of `parameters`. Its text may depend on `form` alone, and
    /// every parameter must be a value of it.
    pub(super) fn statement(
        &self,
        form: Form,
        parameters: &Parameters,
        build: impl Fn(&Parameters) -> SelectStatement,
    ) -> Statement {
        let statement = self.template(form, parameters, &build).with(self.backend, parameters);
        debug_assert_eq!(statement, self.backend.build(&build(parameters)), "{form:?}");
        statement
    }

    fn template(
        &self,
        form: Form,
        parameters: &Parameters,
        build: &impl Fn(&Parameters) -> SelectStatement,
    ) -> Arc<Template> {
        let known = self.by_form.read().unwrap_or_else(PoisonError::into_inner).get(&form).cloned();
        known.unwrap_or_else(|| {
            let stand_ins = parameters.stand_ins();
            let template = Template::of(self.backend.build(&build(&stand_ins)), &stand_ins);
            let mut by_form = self.by_form.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(by_form.entry(form).or_insert_with(|| Arc::new(template)))
        })
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

    use super::*;

    fn query(parameters: &Parameters) -> SelectStatement {
        let column = |name: &'static str| Expr::col(Alias::new(name));
        Query::select()
            .column(Alias::new("a"))
            .from(Alias::new("t"))
            .and_where(column("b").eq(parameters.text(1)))
            .and_where(column("c").eq(true))
            .and_where(column("d").eq(parameters.id(0)))
            .and_where(column("e").eq(parameters.id(0)))
            .limit(parameters.number(2))
            .to_owned()
    }

    #[test]
    fn values_go_where_their_stand_ins_stood() {
        for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
            let templates = Templates::new(backend);
            for round in 0..3_u64 {
                let parameters =
                    Parameters::new([Uuid::now_v7().into(), "text".into(), round.into()]);
                let statement = templates.statement(("query", 0), &parameters, query);
                assert_eq!(statement, backend.build(&query(&parameters)));
            }
        }
    }

    #[test]
    fn values_that_are_the_same_by_chance_stay_apart() {
        let templates = Templates::new(DbBackend::Postgres);
        let ids: [Uuid; 2] = [Uuid::nil(), Uuid::nil()];
        let pair = |parameters: &Parameters| {
            let column = |name: &'static str| Expr::col(Alias::new(name));
            Query::select()
                .column(Alias::new("a"))
                .from(Alias::new("t"))
                .and_where(column("b").eq(parameters.id(1)))
                .and_where(column("c").eq(parameters.id(0)))
                .to_owned()
        };
        for ids in [ids, [Uuid::now_v7(), Uuid::now_v7()]] {
            let parameters = Parameters::new(ids.map(Parameter::from));
            let statement = templates.statement(("pair", 0), &parameters, pair);
            assert_eq!(statement, DbBackend::Postgres.build(&pair(&parameters)));
        }
    }
}
