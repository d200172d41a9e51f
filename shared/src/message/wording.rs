//! The words of the customer's message: one struct of labels a language.
//!
//! The zh-CN copy is the operator's own; the other languages say the same.

use time::Duration;

use crate::language::Language;

/// The words of one language. A row's label ends in its colon, and in a space where the copy has one.
#[derive(Debug)]
pub struct Labels {
    /// The headline.
    pub title: &'static str,
    /// Before the fee actually paid.
    pub fee: &'static str,
    /// Before the rental's duration.
    pub duration: &'static str,
    /// Before the time and shop where the rental began.
    pub start: &'static str,
    /// Before the time and shop where it ended.
    pub end: &'static str,
    /// Between a time and a shop. Not a full stop alone: `11:00:20.7-Eleven` would be 20.7 seconds.
    pub between_time_and_shop: &'static str,
    /// On the button that opens the order: at most 20 characters (LINE: "Specifications of the label").
    pub view_order: &'static str,
    /// After the numbers of hours, minutes and seconds.
    pub units: [&'static str; 3],
    /// Between a number with its unit and the next.
    pub between_units: &'static str,
}

const ZH_CN: Labels = Labels {
    title: "租借完成，订单已结束",
    fee: "费用:",
    duration: "时长: ",
    start: "开始:",
    end: "结束:",
    between_time_and_shop: ". ",
    view_order: "查看订单",
    units: ["小时", "分钟", "秒"],
    between_units: "",
};

const ZH_TW: Labels = Labels {
    title: "本次租借已結束",
    fee: "費用：",
    duration: "使用時間：",
    start: "開始：",
    end: "結束：",
    between_time_and_shop: " · ",
    view_order: "查看訂單",
    units: ["小時", "分", "秒"],
    between_units: "",
};

const JA: Labels = Labels {
    title: "レンタルが終了しました",
    fee: "利用料金：",
    duration: "利用時間：",
    start: "開始：",
    end: "終了：",
    between_time_and_shop: " · ",
    view_order: "利用明細を見る",
    units: ["時間", "分", "秒"],
    between_units: "",
};

const TH: Labels = Labels {
    title: "การเช่าของคุณสิ้นสุดแล้ว",
    fee: "ค่าเช่า: ",
    duration: "ระยะเวลา: ",
    start: "เริ่ม:",
    end: "สิ้นสุด:",
    between_time_and_shop: " · ",
    view_order: "ดูรายละเอียดการเช่า",
    units: [" ชม.", " นาที", " วินาที"],
    between_units: " ",
};

const EN: Labels = Labels {
    title: "Your rental has ended",
    fee: "Fee: ",
    duration: "Duration: ",
    start: "Start:",
    end: "End:",
    between_time_and_shop: " · ",
    view_order: "View rental",
    units: [" h", " min", " s"],
    between_units: " ",
};

impl Language {
    /// The words of this language.
    pub fn labels(self) -> &'static Labels {
        match self {
            Self::ZhCn => &ZH_CN,
            Self::ZhTw => &ZH_TW,
            Self::Ja => &JA,
            Self::Th => &TH,
            Self::En => &EN,
        }
    }

    /// A duration in whole seconds, without leading zero units: `27小时33分钟51秒`, `5 min 3 s`.
    pub fn duration(self, duration: Duration) -> String {
        let labels = self.labels();
        let seconds = duration.whole_seconds().max(0);
        let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60];
        let first = parts.iter().position(|part| *part > 0).unwrap_or(2);
        let shown: Vec<String> = (first..3).map(|i| format!("{}{}", parts[i], labels.units[i])).collect();
        shown.join(labels.between_units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_duration_is_computed_not_copied() {
        let language = Language::ZhCn;
        assert_eq!(language.duration(Duration::seconds(99_231)), "27小时33分钟51秒");
        assert_eq!(language.duration(Duration::ZERO), "0秒");
        assert_eq!(language.duration(Duration::minutes(5)), "5分钟0秒");
        assert_eq!(Language::En.duration(Duration::seconds(99_231)), "27 h 33 min 51 s");
        assert_eq!(Language::Th.duration(Duration::seconds(61)), "1 นาที 1 วินาที");
    }
}
