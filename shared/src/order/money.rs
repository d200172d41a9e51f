//! An amount in a currency, held in the currency's smallest unit: no floats, nothing to round.

use iso_currency::Currency;

use crate::language::{Language, grouped};

/// The most digits before the decimal point: more than any rental costs in any currency.
const MAX_DIGITS: usize = 12;

/// The most digits after it: CLF has the most decimals of all currencies.
const MAX_DECIMALS: usize = 4;

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
    /// More decimals than the currency has, and not only zeros.
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
        // A database writes 162 yen as 162.00: zeros say nothing.
        let significant = fraction.trim_end_matches('0');
        if significant.len() > usize::from(decimals) || fraction.len() > MAX_DECIMALS {
            return Err(MoneyError::Decimals { decimals, code: currency.code() });
        }
        let padded = format!("{whole}{significant:0<width$}", width = usize::from(decimals));
        let minor_units = padded.parse().map_err(|_| MoneyError::Amount)?;
        Ok(Self { minor_units, currency })
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal: all of the currency's decimals, or none where they are all zero.
    pub fn amount(self) -> String {
        self.decimal(|whole| whole.to_string())
    }

    fn decimal(self, write_whole: fn(u64) -> String) -> String {
        let decimals = self.currency.exponent().unwrap_or(0);
        let unit = 10_u64.pow(decimals.into());
        let whole = write_whole(self.minor_units / unit);
        match self.minor_units % unit {
            0 => whole,
            fraction => format!("{whole}.{fraction:0>width$}", width = decimals.into()),
        }
    }
}

/// What a customer reads.
impl Money {
    /// The amount as a reader of this language writes it: `￥162`, `162円`, `NT$30`, `฿12.50`, `VND 20,000`. Yen and
    /// yuan have one sign; only the operator's own copy has it, for yen.
    pub fn shown_in(self, language: Language) -> String {
        let amount = self.decimal(grouped);
        let sign = match (self.currency, language) {
            (Currency::JPY, Language::ZhCn) => "￥",
            (Currency::JPY, Language::Ja) => return format!("{amount}円"),
            (Currency::JPY, Language::ZhTw) => return format!("{amount} 日圓"),
            (Currency::CNY, Language::ZhCn) => return format!("{amount}元"),
            (Currency::TWD, _) => "NT$",
            (Currency::THB, _) => "฿",
            (Currency::HKD, _) => "HK$",
            (Currency::SGD, _) => "S$",
            (Currency::USD, _) => "US$",
            (Currency::KRW, _) => "₩",
            (other, _) => return format!("{} {amount}", other.code()),
        };
        format!("{sign}{amount}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(amount: &str, code: &str, language: Language) -> Result<String, MoneyError> {
        Ok(Money::parse(amount, currency(code)?)?.shown_in(language))
    }

    #[test]
    fn an_amount_is_shown_the_way_its_reader_writes_it() {
        use Language::{En, Ja, Th, ZhCn, ZhTw};
        for (amount, code, language, expected) in [
            ("162", "JPY", ZhCn, "￥162"),
            ("162.00", "JPY", ZhCn, "￥162"),
            ("162", "JPY", Ja, "162円"),
            ("162", "JPY", ZhTw, "162 日圓"),
            ("162", "JPY", Th, "JPY 162"),
            ("162", "JPY", En, "JPY 162"),
            ("162", "CNY", ZhCn, "162元"),
            ("162", "CNY", Ja, "CNY 162"),
            ("3300", "JPY", Ja, "3,300円"),
            ("0", "JPY", ZhCn, "￥0"),
            ("30", "TWD", ZhTw, "NT$30"),
            ("12.5", "THB", Th, "฿12.50"),
            ("0.05", "USD", En, "US$0.05"),
            ("999", "VND", En, "VND 999"),
            ("20000", "VND", En, "VND 20,000"),
            ("1234567.891", "KWD", En, "KWD 1,234,567.891"),
            ("999999999999", "IDR", En, "IDR 999,999,999,999"),
            ("007", "JPY", ZhCn, "￥7"),
        ] {
            assert_eq!(shown(amount, code, language).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for amount in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,000", " 1", "１", "1234567890123", "NaN", "1.2.3"] {
            assert_eq!(shown(amount, "USD", Language::En), Err(MoneyError::Amount), "{amount:?}");
        }
        for amount in ["1.5", "162.00000"] {
            assert_eq!(shown(amount, "JPY", Language::En), Err(MoneyError::Decimals { decimals: 0, code: "JPY" }));
        }
        assert_eq!(shown("1.555", "THB", Language::En), Err(MoneyError::Decimals { decimals: 2, code: "THB" }));
        for code in ["", "jpy", "XXX", "YEN", "JPYX"] {
            assert_eq!(shown("1", code, Language::En), Err(MoneyError::Currency), "{code:?}");
        }
    }
}
