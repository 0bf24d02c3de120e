//! What a run is expected to cost.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::{expression::Expression, file::Basis, input::Input};
use crate::generators::Cost;

/// Costs are told to a millionth of a dollar.
const PLACES: u32 = 6;
/// Nothing that is more than this in US dollars is believed.
const MOST: i64 = 1_000_000;

/// How the cost follows from the parameters.
#[derive(Debug)]
pub(super) struct Price {
    /// In US dollars.
    pub(super) usd: Expression,
    /// How it is charged, for people.
    pub(super) kind: String,
    pub(super) basis: Basis,
}

impl Price {
    /// The cost; none where it depends on what is not known.
    pub(super) fn of(&self, input: &Input) -> Option<Cost> {
        let usd = decimal(&self.usd.evaluate(&input.scope()))?;
        Some(Cost { usd, kind: self.kind.clone(), basis: self.basis.as_str().to_owned() })
    }
}

/// An amount of money, where `value` can be one.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let amount = Decimal::try_from(value.as_f64()?).ok()?;
    let believed = (Decimal::ZERO..=Decimal::from(MOST)).contains(&amount);
    believed.then(|| {
        amount.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero).normalize()
    })
}
