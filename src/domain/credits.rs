//! Credits: what generations cost within a deployment, counted exactly.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

/// Decimal places of a credit.
const PLACES: u32 = 4;
/// What a balance may be at most, in ten-thousandths: what the database's column of past balances holds.
const MOST: i64 = 9_999_999_999;

/// A number of credits, in ten-thousandths; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Credits(i64);

impl Credits {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// The most that a balance may be.
    pub const MOST: Self = Self(MOST);

    /// As the database counts them; none for a negative number.
    #[must_use]
    pub const fn from_units(units: i64) -> Option<Self> {
        if units < 0 { None } else { Some(Self(units)) }
    }

    /// As the database counts them: ten-thousandths.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Whole credits, as far as a balance can hold them.
    #[must_use]
    pub fn whole(number: u64) -> Self {
        let units = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(10_000);
        Self(units.min(MOST))
    }

    /// What somebody wrote; none for a number that is not above zero, has more than four decimals, or is
    /// more than a balance can hold.
    #[must_use]
    pub fn exactly(number: Decimal) -> Option<Self> {
        let number = number.normalize();
        let fits = number > Decimal::ZERO && number.scale() <= PLACES;
        let units = number.checked_mul(Decimal::from(10_000))?.to_i64()?;
        (fits && units <= MOST).then_some(Self(units))
    }

    /// What something costs, rounded up; a cost that no balance can hold is one that none can pay.
    #[must_use]
    pub fn for_cost(usd: Decimal, per_usd: u64) -> Self {
        let credits = usd.max(Decimal::ZERO).checked_mul(Decimal::from(per_usd));
        let rounded = |credits: Decimal| {
            credits.round_dp_with_strategy(PLACES, RoundingStrategy::AwayFromZero)
        };
        let units = credits.map(rounded).and_then(|it| it.checked_mul(Decimal::from(10_000)));
        Self(units.and_then(|units| units.to_i64()).unwrap_or(i64::MAX))
    }

    /// In credits, with four decimals.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.0, PLACES)
    }

    /// In credits, for clients.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.decimal().to_f64().unwrap_or_default()
    }
}

impl std::fmt::Display for Credits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.decimal().normalize().fmt(formatter)
    }
}

/// How a deployment counts in credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditRules {
    /// Credits for a US dollar.
    pub per_usd: u64,
    /// What a generation costs of which nothing is known.
    pub unknown_cost: Credits,
}

impl CreditRules {
    /// What a generation costs that is expected to cost so many US dollars, if that is known.
    #[must_use]
    pub fn price(&self, usd: Option<Decimal>) -> Credits {
        usd.map_or(self.unknown_cost, |usd| Credits::for_cost(usd, self.per_usd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a number")
    }

    #[test]
    fn grants_are_exact() {
        for (text, units) in
            [("1", 10_000), ("0.0001", 1), ("2.5000000", 25_000), ("999999.9999", MOST)]
        {
            assert_eq!(Credits::exactly(decimal(text)).map(Credits::units), Some(units), "{text}");
        }
        for bad in ["0", "-1", "0.00001", "1000000", "1.00001"] {
            assert_eq!(Credits::exactly(decimal(bad)), None, "{bad}");
        }
    }

    #[test]
    fn costs_are_rounded_up() {
        let units = |text: &str| Credits::for_cost(decimal(text), 100).units();
        assert_eq!((units("0.05"), units("0"), units("-1")), (50_000, 0, 0));
        assert_eq!((units("0.0000001"), units("0.00123456")), (1, 1_235));
        assert_eq!(units("79228162514264337593543950335"), i64::MAX);
    }

    #[test]
    fn what_is_not_known_has_a_price() {
        let rules = CreditRules { per_usd: 100, unknown_cost: Credits::whole(10) };
        assert_eq!(rules.price(None).to_string(), "10");
        assert_eq!(rules.price(Some(decimal("0.125"))).to_string(), "12.5");
    }
}
