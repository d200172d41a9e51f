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

    /// The nearest language for a BCP 47 tag such as `ja-JP` or `zh-Hant-HK`; `None` where there is no wording for it.
    pub fn nearest(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let mut subtags = tag.split('-');
        match subtags.next()? {
            "zh" if subtags.any(|subtag| matches!(subtag, "hant" | "tw" | "hk" | "mo")) => Some(Self::ZhTw),
            "zh" => Some(Self::ZhCn),
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
