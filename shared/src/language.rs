//! The languages that customers are told in.

use std::str::FromStr;

use crate::invalid::Invalid;

/// A language that the message exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Simplified Chinese.
    ZhCn,
    /// Traditional Chinese.
    ZhTw,
    /// Japanese.
    Ja,
    /// Thai.
    Th,
    /// English.
    En,
}

impl Language {
    /// Every language, for tests and for error texts.
    pub const ALL: [Self; 5] = [Self::ZhCn, Self::ZhTw, Self::Ja, Self::Th, Self::En];

    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::ZhCn => "zh-CN",
            Self::ZhTw => "zh-TW",
            Self::Ja => "ja",
            Self::Th => "th",
            Self::En => "en",
        }
    }

    /// The nearest language for a BCP 47 tag such as `ja-JP` or `zh-Hant-HK`, whatever its case, with underscores, too;
    /// `None` where there is no wording for it. Which Chinese is read its script says, and its region only where no
    /// script is named: `zh-Hans-HK` is Simplified. What follows a single letter is an extension (RFC 5646, 2.2.6).
    pub fn nearest(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let mut subtags = tag.split(['-', '_']);
        match subtags.next()? {
            "zh" => {
                let named: Vec<_> = subtags.take_while(|subtag| subtag.len() > 1).collect();
                let script = named.iter().find(|subtag| matches!(**subtag, "hans" | "hant"));
                let traditional = match script {
                    Some(script) => *script == "hant",
                    None => named.iter().any(|subtag| matches!(*subtag, "tw" | "hk" | "mo")),
                };
                Some(if traditional { Self::ZhTw } else { Self::ZhCn })
            }
            "ja" => Some(Self::Ja),
            "th" => Some(Self::Th),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// Reads exactly one of the supported tags, for settings.
impl FromStr for Language {
    type Err = Invalid;

    fn from_str(tag: &str) -> Result<Self, Invalid> {
        let supported = Self::ALL.map(Self::tag).join(", ");
        Self::ALL
            .into_iter()
            .find(|language| language.tag() == tag)
            .ok_or_else(|| format!("must be one of {supported}").into())
    }
}

/// A whole number as each of these languages writes it: `7,620`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |place: usize| place > 0 && (digits.len() - place).is_multiple_of(3);
    let grouped = digits.char_indices().flat_map(|(place, digit)| [comma(place).then_some(','), Some(digit)]);
    grouped.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_finds_the_nearest_language() {
        for (tag, expected) in [
            ("zh-CN", Some(Language::ZhCn)),
            ("zh", Some(Language::ZhCn)),
            ("zh-Hant-HK", Some(Language::ZhTw)),
            ("ZH-tw", Some(Language::ZhTw)),
            ("zh-MO", Some(Language::ZhTw)),
            ("zh-Hans-HK", Some(Language::ZhCn)),
            ("zh-hANS-tw", Some(Language::ZhCn)),
            ("zh-Hant-CN", Some(Language::ZhTw)),
            ("zh-cmn-Hans-TW", Some(Language::ZhCn)),
            ("zh_Hans_HK", Some(Language::ZhCn)),
            ("zh_TW", Some(Language::ZhTw)),
            ("zh-CN-x-tw", Some(Language::ZhCn)),
            ("zh-SG", Some(Language::ZhCn)),
            ("ja_JP", Some(Language::Ja)),
            ("ja-JP", Some(Language::Ja)),
            ("en-US", Some(Language::En)),
            ("fr", None),
            ("", None),
        ] {
            assert_eq!(Language::nearest(tag), expected, "{tag}");
        }
        for language in Language::ALL {
            assert_eq!(language.tag().parse(), Ok(language));
        }
        assert!("de".parse::<Language>().is_err());
    }
}
