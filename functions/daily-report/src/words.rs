//! The report's words in its two languages. The first five lines of the Chinese mail are the operator's own.

use shared::language::Language;

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// The mail's subject, before MMDD.
    pub subject: &'static str,
    /// Before the month, and between it and the balance.
    pub balance: [&'static str; 2],
    /// Before the month, and between it and the messages sent.
    pub sent: [&'static str; 2],
    /// Before yesterday's pushes.
    pub delivered: &'static str,
    /// Before yesterday's views.
    pub viewed: &'static str,
    /// Before yesterday's clicks.
    pub clicked: &'static str,
    /// No ceiling, in place of the balance.
    pub unlimited: &'static str,
    /// No ceiling, and what to do about it.
    pub set_a_limit: &'static str,
    /// Heading: this mail and those before it.
    pub about_the_mails: &'static str,
    /// Before the days whose mail did not go out.
    pub days_without_report: &'static str,
    /// Between days.
    pub comma: &'static str,
    /// LINE is counting.
    pub unready: &'static str,
    /// Below 20 people LINE tells nothing.
    pub few: &'static str,
    /// Before the reason why a figure is missing.
    pub missing: &'static str,
    /// Heading: the month's quota.
    pub quota: &'static str,
    /// Before the share used.
    pub share: &'static str,
    /// Before the day on which the quota is used up.
    pub exhausted_on: &'static str,
    /// It lasts until the month's end.
    pub lasts: &'static str,
    /// After a figure of the month before.
    pub as_of_last_report: &'static str,
    /// Heading: our own count of yesterday.
    pub own: &'static str,
    /// Sent.
    pub own_sent: &'static str,
    /// Sent or not, with more than one request.
    pub own_retried: &'static str,
    /// Neither sent nor given up.
    pub own_open: &'static str,
    /// Not sent on purpose.
    pub own_suppressed: &'static str,
    /// Failed.
    pub own_failed: &'static str,
    /// None of them.
    pub none: &'static str,
    /// Before the difference to LINE's count.
    pub difference: &'static str,
    /// Before the depth of the dead-letter queues.
    pub dead_letters: &'static str,
    /// Heading: the last 14 days.
    pub days: &'static str,
    /// The table's columns.
    pub columns: [&'static str; 4],
    /// Under the table.
    pub days_note: &'static str,
    /// Heading: the followers.
    pub followers: &'static str,
    /// Ever added.
    pub added: &'static str,
    /// Blocking.
    pub blocking: &'static str,
    /// Heading: mass sends.
    pub mass_sends: &'static str,
    /// Under the mass sends.
    pub mass_sends_note: &'static str,
    /// Mass sends in all.
    pub tasks: &'static str,
    /// Their messages: to be sent, sent, failed.
    pub task_columns: [&'static str; 3],
    /// Messages that failed, by task and code.
    pub failures: &'static str,
    /// Around the number of lines that are left out.
    pub more: [&'static str; 2],
    /// Around how many were read of a list that was not read to its end.
    pub only_read: [&'static str; 2],
    /// Before the length of that list.
    pub in_all: &'static str,
    /// Heading: broadcasts.
    pub broadcasts: &'static str,
    /// LINE tells nothing of it.
    pub not_available: &'static str,
    /// Before source and time.
    pub source: &'static str,
    /// What stands behind the numbers.
    pub source_line: &'static str,
}

const ZH_CN: Words = Words {
    subject: "LINE 消息日报 ",
    balance: ["", "月份消息余额："],
    sent: ["", "月份消息发送数量："],
    delivered: "昨日消息到达数: ",
    viewed: "昨日消息查看数: ",
    clicked: "昨日消息点击数: ",
    unlimited: "不限（需设定目标限制）",
    set_a_limit: "未设上限：请在 LINE Official Account Manager 设定目标限制，否则没有余额，也没有预警。",
    about_the_mails: "日报发送情况",
    days_without_report: "以下日期没有发出日报（可由运维按日期补发）：",
    comma: "、",
    unready: "统计中",
    few: "少于20人",
    missing: "暂缺：",
    quota: "本月额度",
    share: "已使用",
    exhausted_on: "按本月速度，预计用尽日期：",
    lasts: "按本月速度，本月够用",
    as_of_last_report: "（截至上次日报）",
    own: "昨日订单消息（本系统统计）",
    own_sent: "LINE 已接收",
    own_retried: "重试过",
    own_open: "仍在处理",
    own_suppressed: "未发送",
    own_failed: "失败",
    none: "无",
    difference: "与 LINE 统计之差：",
    dead_letters: "死信队列",
    days: "近14天",
    columns: ["日期", "到达", "查看", "点击"],
    days_note: "▲ 自昨日日报后有变动。LINE 在14天内会修正数据；少于20人时 LINE 不提供查看与点击数。",
    followers: "好友",
    added: "累计添加",
    blocking: "当前屏蔽",
    mass_sends: "昨日群发（智齿）",
    mass_sends_note: "数据来源：智齿（按 GMT+8 日界）。",
    tasks: "群发任务",
    task_columns: ["预计", "成功", "失败"],
    failures: "失败记录",
    more: ["… 另有 ", " 项未列出"],
    only_read: ["仅读取前 ", " 条"],
    in_all: "，共 ",
    broadcasts: "群发统计",
    not_available: "LINE 未提供",
    source: "数据来源：",
    source_line: "LINE Messaging API（按 UTC+9 日界，近似值）与本系统记录，读取时间 ",
};

const EN: Words = Words {
    subject: "LINE messages, daily report ",
    balance: ["Messages left in month ", ": "],
    sent: ["Messages sent in month ", ": "],
    delivered: "Delivered yesterday: ",
    viewed: "Viewed yesterday: ",
    clicked: "Clicked yesterday: ",
    unlimited: "unlimited (a target limit is to be set)",
    set_a_limit: "No ceiling: set a target limit in LINE Official Account Manager; without one there is no balance, and no warning.",
    about_the_mails: "These mails",
    days_without_report: "Days without a report (operators can have each sent by its date): ",
    comma: ", ",
    unready: "being counted",
    few: "under 20",
    missing: "missing: ",
    quota: "This month's quota",
    share: "Used",
    exhausted_on: "At this pace the quota runs out on ",
    lasts: "At this pace the quota lasts all month",
    as_of_last_report: " (as of the last report)",
    own: "Yesterday's order messages (our own count)",
    own_sent: "Accepted by LINE",
    own_retried: "Tried more than once",
    own_open: "Still open",
    own_suppressed: "Not sent",
    own_failed: "Failed",
    none: "none",
    difference: "Difference to LINE's count: ",
    dead_letters: "Dead-letter queues",
    days: "The last 14 days",
    columns: ["Day", "Delivered", "Viewed", "Clicked"],
    days_note: "▲ changed since yesterday's report. LINE corrects figures for 14 days and tells no views and clicks of fewer \
                than 20 people.",
    followers: "Followers",
    added: "Ever added",
    blocking: "Blocking now",
    mass_sends: "Yesterday's mass sends (Sobot)",
    mass_sends_note: "Source: Sobot (days in GMT+8).",
    tasks: "Mass sends",
    task_columns: ["estimated", "sent", "failed"],
    failures: "Failed records",
    more: ["… and ", " more that are not listed"],
    only_read: ["only the first ", " were read"],
    in_all: ", in all ",
    broadcasts: "Broadcasts",
    not_available: "not available from LINE",
    source: "Source: ",
    source_line: "LINE Messaging API (days in UTC+9, approximate) and our own records, read at ",
};

/// The words of a language; English for those the report does not speak.
pub fn words(language: Language) -> &'static Words {
    match language {
        Language::ZhCn => &ZH_CN,
        _ => &EN,
    }
}
