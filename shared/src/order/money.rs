//! An amount in a currency, held in the currency's smallest unit: no floats, nothing to round.

use std::fmt;

use iso_currency::Currency;

/// The most digits before the decimal point: more than any rental costs in any currency.
const MAX_DIGITS: usize = 12;

/// An amount of money, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    minor_units: u64,
    currency: Currency,
}

/// Why an amount is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The code is not in ISO 4217, or has no decimals defined there.
    #[error("must be an ISO 4217 code in capitals, such as JPY, TWD or THB")]
    Currency,
    /// Not digits with at most one point between them.
    #[error(
        "must be a decimal in a string, at most {MAX_DIGITS} digits before the point, such as \"162\" or \"162.50\""
    )]
    Amount,
    /// More decimals than the currency has.
    #[error("must have at most {decimals} decimals in {code}")]
    Decimals {
        /// What ISO 4217 gives the currency.
        decimals: u16,
        /// The currency's code.
        code: &'static str,
    },
}

/// Reads an ISO 4217 currency code such as `JPY`.
pub fn currency(code: &str) -> Result<Currency, MoneyError> {
    Currency::from_code(code).filter(|currency| currency.exponent().is_some()).ok_or(MoneyError::Currency)
}

impl Money {
    /// Reads a decimal such as `162` or `162.50`.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.exponent().ok_or(MoneyError::Currency)?;
        let (whole, fraction) = match amount.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(MoneyError::Amount),
            None => (amount, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > MAX_DIGITS || !digits(whole) || !digits(fraction) {
            return Err(MoneyError::Amount);
        }
        if fraction.len() > usize::from(decimals) {
            return Err(MoneyError::Decimals { decimals, code: currency.code() });
        }
        let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let minor_units = padded.parse().map_err(|_| MoneyError::Amount)?;
        Ok(Self { minor_units, currency })
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal: all of the currency's decimals, or none where they are all zero.
    pub fn amount(self) -> String {
        let decimals = usize::from(self.currency.exponent().unwrap_or(0));
        let digits = format!("{:0>width$}", self.minor_units, width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        if fraction.bytes().all(|digit| digit == b'0') { whole.to_owned() } else { format!("{whole}.{fraction}") }
    }
}

/// The amount behind the sign that customers of that market know: `￥162`, `NT$30`, `฿12.50`, `VND 20000`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.currency {
            Currency::JPY | Currency::CNY => "￥",
            Currency::TWD => "NT$",
            Currency::THB => "฿",
            Currency::HKD => "HK$",
            Currency::SGD => "S$",
            Currency::USD => "US$",
            Currency::KRW => "₩",
            other => return write!(f, "{} {}", other.code(), self.amount()),
        };
        write!(f, "{sign}{}", self.amount())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(amount: &str, code: &str) -> Result<String, MoneyError> {
        Ok(Money::parse(amount, currency(code)?)?.to_string())
    }

    #[test]
    fn an_amount_is_shown_the_way_its_market_writes_it() {
        for (amount, code, expected) in [
            ("162", "JPY", "￥162"),
            ("0", "JPY", "￥0"),
            ("30", "TWD", "NT$30"),
            ("12.5", "THB", "฿12.50"),
            ("0.05", "USD", "US$0.05"),
            ("20000", "VND", "VND 20000"),
            ("1.234", "KWD", "KWD 1.234"),
            ("007", "JPY", "￥7"),
        ] {
            assert_eq!(shown(amount, code).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for amount in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,000", " 1", "１", "1234567890123", "NaN", "1.2.3"] {
            assert_eq!(shown(amount, "USD"), Err(MoneyError::Amount), "{amount:?}");
        }
        assert_eq!(shown("1.5", "JPY"), Err(MoneyError::Decimals { decimals: 0, code: "JPY" }));
        assert_eq!(shown("1.555", "THB"), Err(MoneyError::Decimals { decimals: 2, code: "THB" }));
        for code in ["", "jpy", "XXX", "YEN", "JPYX"] {
            assert_eq!(shown("1", code), Err(MoneyError::Currency), "{code:?}");
        }
    }
}
