//! Whose mail it is: the stack, the country that it is for, and its console.

use std::str::FromStr;

use crate::{
    invalid::Invalid,
    lambda::environment::{SettingError, optional, parsed, required},
    language::Language,
};

/// What a mail says of the stack that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its name in CloudFormation.
    pub name: String,
    /// Where its customers are, if the operator said so.
    pub country: Option<Country>,
    /// The address of its console, without a fragment.
    pub console_url: String,
    /// Where its operators read the runbook, if the operator said so; without a fragment.
    pub runbook_url: Option<String>,
}

impl Stack {
    /// Reads it from the environment of a function.
    pub fn from_env() -> Result<Self, SettingError> {
        let country = optional("COUNTRY");
        let country = if country.is_empty() { None } else { Some(parsed("COUNTRY")?) };
        let runbook_url = Some(optional("RUNBOOK_URL")).filter(|url| !url.is_empty());
        Ok(Self { name: required("STACK_NAME")?, country, console_url: required("CONSOLE_URL")?, runbook_url })
    }

    /// Whose it is in one line: the account as customers know it, the stack, the country.
    pub fn title(&self, account: Option<&str>, language: Language) -> String {
        let country = self.country.map(|country| country.name(language));
        let parts = account.into_iter().chain([self.name.as_str()]).chain(country);
        parts.collect::<Vec<_>>().join(" · ")
    }
}

/// Countries and regions of LINE's accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    /// Japan.
    Jp,
    /// Taiwan.
    Tw,
    /// Thailand.
    Th,
    /// Hong Kong.
    Hk,
    /// Macau.
    Mo,
    /// Indonesia.
    Id,
    /// Malaysia.
    My,
    /// Singapore.
    Sg,
    /// Vietnam.
    Vn,
    /// The Philippines.
    Ph,
    /// South Korea.
    Kr,
}

impl Country {
    /// Each with its ISO 3166-1 code and its names in Simplified Chinese, Japanese and English.
    const ALL: [(Self, &str, [&str; 3]); 11] = [
        (Self::Jp, "JP", ["日本", "日本", "Japan"]),
        (Self::Tw, "TW", ["台湾", "台湾", "Taiwan"]),
        (Self::Th, "TH", ["泰国", "タイ", "Thailand"]),
        (Self::Hk, "HK", ["香港", "香港", "Hong Kong"]),
        (Self::Mo, "MO", ["澳门", "マカオ", "Macau"]),
        (Self::Id, "ID", ["印度尼西亚", "インドネシア", "Indonesia"]),
        (Self::My, "MY", ["马来西亚", "マレーシア", "Malaysia"]),
        (Self::Sg, "SG", ["新加坡", "シンガポール", "Singapore"]),
        (Self::Vn, "VN", ["越南", "ベトナム", "Vietnam"]),
        (Self::Ph, "PH", ["菲律宾", "フィリピン", "Philippines"]),
        (Self::Kr, "KR", ["韩国", "韓国", "South Korea"]),
    ];

    /// Its name in a language of the mails.
    pub fn name(self, language: Language) -> &'static str {
        let [chinese, japanese, english] =
            Self::ALL.into_iter().find(|(one, ..)| *one == self).map_or([""; 3], |(_, _, names)| names);
        match language {
            Language::ZhCn => chinese,
            Language::Ja => japanese,
            _ => english,
        }
    }
}

/// Reads an ISO 3166-1 code.
impl FromStr for Country {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|(_, one, _)| *one == code).map(|(country, ..)| country);
        known.ok_or_else(|| format!("must be one of {}", Self::ALL.map(|(_, code, _)| code).join(", ")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_what_is_known() {
        let stack = |country| Stack { name: "line-jp".into(), country, console_url: String::new(), runbook_url: None };
        let japan = stack(Some("JP".parse().unwrap()));
        assert_eq!(japan.title(Some("充电宝"), Language::ZhCn), "充电宝 · line-jp · 日本");
        assert_eq!(japan.title(None, Language::En), "line-jp · Japan");
        assert_eq!(stack(None).title(Some("A"), Language::Ja), "A · line-jp");
        assert!("jp".parse::<Country>().is_err());
    }
}
