// The operators' page: plain DOM, and the operations API of the same origin.
//
// Texts of the API are written by customers, shops and LINE. They enter the page as text and attributes only, never as
// markup. The key lives in one variable of this module and nowhere else.

const WORDS = {
  "zh-CN": {
    "title": "LINE 消息通知",
    "skip": "跳到内容",
    "language": "语言",
    "nav": "页面",
    "lock": "锁定",
    "overview": "概览",
    "deliveries": "未送出",
    "order": "订单",
    "dead": "死信",
    "customer": "用户",
    "sobot": "群发",
    "audit": "记录",

    "gate.title": "运营密钥",
    "gate.text": "输入您的密钥后，可以查看并处理此环境的 LINE 消息。",
    "gate.key": "密钥",
    "gate.unlock": "进入",
    "gate.note":
      "密钥只保留在本页面的内存中，不写入浏览器；锁定、关闭页面或 15 分钟无操作后即被清除。您的操作会连同密钥的名称一起记录。",
    "gate.empty": "请输入密钥。",
    "gate.characters": "密钥只含可见的 ASCII 字符，请检查输入法或多余的内容。",
    "gate.refused": "密钥未被接受，已清除。",
    "gate.checking": "正在验证…",
    "gate.idle": "15 分钟无操作，密钥已清除。",
    "gate.locked": "已锁定，密钥已清除。",

    "loading": "加载中…",
    "again": "重试",
    "refresh": "刷新",
    "as.of": "截至 {time}",
    "more": "更多",
    "shown": "已显示 {n} 条，还有更多",
    "shown.all": "共 {n} 条",
    "cancel": "取消",
    "close": "关闭",
    "all": "全部",
    "show": "查询",
    "from": "开始日期",
    "to": "结束日期",
    "look.up": "查询",
    "yes": "是",
    "no": "否",
    "unknown": "未知",
    "opens.new": "{url}（在新标签页打开）",
    "zone": "时间均为 {zone}。“日”指 LINE 的日（UTC+9 零点至零点）。",

    "error.network": "没有连接到服务，请检查网络。",
    "error.timeout": "30 秒内没有响应。",
    "error.status": "服务返回了 HTTP {status}。",
    "error.answer": "服务返回的内容无法读取。",
    "error.unsure": "不确定是否已经执行，请先查看当前状态再决定。",
    "error.dates": "请同时填写开始和结束日期，或都不填。",

    "banner.all": "所有消息都已停止发送",
    "banner.status": "“{status}”的消息已停止发送",
    "banner.text": "期间的订单不会通知客户，恢复后也不会自动补发。",

    "today": "今天",
    "today.of": "{date} 收到的订单，按现在的状态统计。",
    "count.sent": "LINE 已接收",
    "count.sent.note": "LINE 不告知是否送达或已读",
    "count.retried": "重试过",
    "count.retried.note": "请求了不止一次，不论结果",
    "count.open": "处理中",
    "count.open.note": "等待或正在重试",
    "count.suppressed": "未发送",
    "count.suppressed.note": "按规则不发送",
    "count.failed": "失败",
    "count.failed.note": "含过期",
    "count.none": "无",
    "count.see": "查看失败的订单",
    "count.empty": "今天还没有收到订单。",

    "quota": "本月消息额度",
    "quota.used": "已用 {used} / {limit}（{percent}%）",
    "quota.left": "剩余 {left} 条",
    "quota.label": "本月额度已用 {percent}%",
    "quota.fine": "低于第一个预警线（{next}%）",
    "quota.reached": "已达到 {reached}% 预警线",
    "quota.ended": "额度已用尽：新的消息会失败",
    "quota.marks": "预警线：{all}",
    "quota.unlimited": "不限额度。本月已发送 {used} 条。",
    "quota.source": "由 LINE 即时提供，近似值。",

    "switches": "发送开关",
    "switch.all": "总开关（所有消息）",
    "switch.finish": "订单完成通知（finish）",
    "switch.on": "发送中",
    "switch.off": "已停止",
    "switch.held": "已开启，但被总开关停止",
    "switch.changed": "{by} 于 {time} 修改：",
    "switch.never": "从未修改过。",
    "switch.turn.off": "停止…",
    "switch.turn.on": "恢复…",
    "switch.ask.off": "停止发送：{what}？",
    "switch.ask.on": "恢复发送：{what}？",
    "switch.text.off": "{seconds} 秒内全部停止，包括重试。期间的订单保持“未发送”，恢复后不会自动补发。",
    "switch.text.on": "{seconds} 秒内恢复。停止期间的订单不会自动补发。",
    "switch.do.off": "停止发送",
    "switch.do.on": "恢复发送",
    "switch.done.off": "已停止：{what}。{seconds} 秒内全部生效。",
    "switch.done.on": "已恢复：{what}。{seconds} 秒内全部生效。",
    "switch.changes": "最近的变更",
    "switch.changes.none": "还没有人动过开关。",
    "turned.on": "恢复",
    "turned.off": "停止",

    "days": "近 14 天",
    "days.note": "按订单到达的 LINE 日统计，为现在的状态。三组柱形各有自己的刻度。",
    "days.chart": "近 14 天的柱形图：LINE 已接收 {sent}，未发送 {suppressed}，失败 {failed}。数字见下方表格。",
    "days.max": "最高 {n}",
    "days.none": "均为 0",
    "days.table": "数字表格",
    "days.missing": "没有取到数字的天数：{n}。{why}",
    "days.see": "{date}：查看失败的订单",

    "deliveries.title": "没有送出的订单消息",
    "day": "LINE 日",
    "day.before": "前一天",
    "day.after": "后一天",
    "state": "状态",
    "reason": "原因",
    "list.caption": "{date} · {state}",
    "list.none": "这一天没有“{state}”的订单。",
    "list.none.reason": "这一天没有“{state}”且原因为“{reason}”的订单。",
    "order.id": "订单号",
    "attempts": "请求次数",
    "arrived": "到达（{zone}）",
    "changed": "更新（{zone}）",
    "last.error": "最后的错误",
    "action": "操作",

    "state.pending": "待发送",
    "state.sent": "LINE 已接收",
    "state.retrying": "重试中",
    "state.suppressed": "未发送",
    "state.failed": "失败",
    "state.expired": "已过期",

    "reason.refused_by_line": "LINE 拒绝",
    "reason.quota_exhausted": "额度用尽",
    "reason.switched_off": "开关已停止",
    "reason.not_a_friend": "不是好友",
    "reason.not_linked": "会员未绑定",
    "reason.retries_exhausted": "重试用尽",
    "reason.retry_key_expired": "重试密钥过期",
    "reason.discarded": "已放弃",
    "reason.unknown": "未记录原因",

    "advice.refused_by_line": "LINE 不接受这条消息。看下面 LINE 的原话；原因消除后可以重新发送。",
    "advice.quota_exhausted": "本月的消息额度已用完。额度恢复后可以重新发送。",
    "advice.switched_off": "当时开关处于停止状态，不会自动补发。需要时可以重新发送。",
    "advice.not_a_friend": "用户没有添加或屏蔽了官方账号。用户重新添加后可以重新发送。",
    "advice.not_linked": "订单中的会员没有绑定 LINE 用户。绑定后可以重新发送。",
    "advice.retries_exhausted": "所有重试都失败了，消息在死信队列中。LINE 恢复后优先“重投”死信：不会重复发送。",
    "advice.retry_key_expired": "LINE 已忘记重试密钥，没有人知道它是否收到过消息。重新发送可能使客户收到两次。",
    "advice.discarded": "有人放弃了它的死信。仍可以重新发送。",
    "advice.retrying": "LINE 尚未接收，系统会自动重试。",
    "advice.pending": "正在第一次发送，或刚刚收到。",
    "advice.sent": "LINE 已接收。LINE 不告知客户是否看到，也不告知是否被屏蔽。",

    "order.title": "查询订单",
    "order.idle": "输入订单号，查看它的消息发送到了哪一步。",
    "order.empty": "请输入订单号。",
    "order.wrong": "订单号由 1 到 64 个字符组成：A-Z a-z 0-9 . _ : -",
    "order.none": "没有订单 {id} 的消息记录。订单系统可能没有提交，或提交后没有得到答复。",
    "order.caption": "订单 {id}",
    "order.timeline": "经过",
    "order.details": "详情",
    "order.posted": "订单系统提交的内容",
    "order.preview": "客户看到的消息",
    "order.preview.not": "客户会看到的消息",
    "order.nobody": "没有收件人，所以没有生成消息。",
    "order.notice": "通知栏显示",
    "order.button": "按钮打开",
    "order.other": "这种消息没有预览，以下是它的替代文字。",
    "timeline.none": "还没有向 LINE 发过请求。",
    "timeline.caption": "向 LINE 的请求与人工重发",
    "timeline.some": "共 {all} 次请求，列出其中 {n} 次：最早的和最近的。",
    "timeline.arrived": "订单到达",
    "timeline.answer": "LINE 返回 {status}",
    "timeline.no.answer": "LINE 没有答复",
    "timeline.not.asked": "未请求 LINE",
    "timeline.request": "请求号",
    "timeline.key": "第 {n} 个重试密钥",
    "timeline.resent": "{by} 重新发送",
    "timeline.forced": "已确认可能重复",
    "user": "LINE 用户",
    "user.messages": "查看该用户的消息",
    "line.day": "LINE 日",
    "generation": "第几个重试密钥",
    "retry.key": "重试密钥",
    "key.used": "密钥首次使用",
    "may.have": "LINE 可能已接收",
    "accepted.request": "被接收的请求号",
    "request.id": "最近的请求号",
    "message.id": "LINE 消息号",

    "resend": "重新发送…",
    "resend.ask": "重新发送订单 {id} 的消息？",
    "resend.text": "消息会重新生成，并用新的重试密钥发送。",
    "resend.do": "重新发送",
    "resend.force": "仍然重新发送",
    "resend.in_flight": "正在发送或等待重试，现在不能重新发送。请稍后刷新。",
    "resend.dead": "它的消息还在死信队列中：重投死信不会重复发送，优先使用。",
    "resend.done.sent": "订单 {id}：LINE 已接收。",
    "resend.done.later": "订单 {id}：还没有到达 LINE，系统会自动重试。",
    "resend.done.other": "订单 {id} 现在的状态：{state}。",
    "twice.text": "LINE 已经接收过，或可能接收过这个订单的消息。再发送一次，客户可能会收到两次。",
    "twice.agree": "我知道客户可能收到两次，仍要发送",
    "twice.needed": "请先勾选确认。",
    "why": "原因",
    "why.hint": "会连同您的名称一起保存，最多 500 字。",
    "why.needed": "请写明原因。",

    "dead.title": "死信队列",
    "dead.text":
      "多次处理失败的消息停在这里，14 天后消失。列出时消息会被短暂取出再放回，因此刚刷新过时可能少显示几条。",
    "dead.none": "死信队列里没有消息。",
    "dead.caption": "死信，每个队列最早的在前",
    "dead.queues": "队列",
    "dead.list": "消息",
    "dead.count": "等待 {visible}",
    "dead.moving": "处理中 {n}",
    "dead.not": "不能重投：请按日期重新发送日报。",
    "dead.latest": "最近一次重投：{status}",
    "dead.progress": "{moved} / {total}",
    "dead.sent": "进入时间（{zone}）",
    "dead.received": "取出次数",
    "dead.body": "内容",
    "dead.look": "查询订单 {id}",
    "queue": "队列",
    "queue.push-retry": "消息重试",
    "queue.inbox": "用户来信",
    "queue.quota-warning": "额度预警",
    "queue.daily-report": "日报",
    "redrive": "重投…",
    "redrive.ask": "重投队列“{queue}”的消息？",
    "redrive.text":
      "消息回到原来的队列重新处理。随时都安全：已有结果的订单不会再发，24 小时内同一重试密钥只被接受一次。",
    "redrive.do": "重投",
    "redrive.started": "“{queue}”正在重投。",
    "redrive.moved": "“{queue}”已重投 {n} 条。",
    "discard": "放弃…",
    "discard.ask": "放弃这条死信？",
    "discard.text": "它会被删除。没有其他重试的订单会变为“失败（已放弃）”，之后仍可重新发送。",
    "discard.do": "放弃",
    "discard.done": "死信已删除。",
    "discard.done.order": "死信已删除。订单 {id} 现在的状态：{state}。",

    "customer.title": "LINE 用户",
    "customer.idle": "输入 LINE 用户 ID，查看该用户写过和做过什么。",
    "user.id": "LINE 用户 ID",
    "user.wrong": "LINE 用户 ID 是 U 加 32 个小写十六进制字符。",
    "friend": "官方账号好友",
    "member.id": "会员 ID",
    "linked.member": "绑定的会员",
    "events.none": "没有该用户的消息：没有来过，或保留期已过。",
    "events.list": "用户写过和做过的，最近的在前",
    "event.unsent": "用户于 {time} 撤回，内容已删除。",
    "event.verified": "有 LINE 签名",
    "event.unverified": "没有 LINE 签名",
    "event.via": "经由 {via}",
    "event.raw": "原始事件",
    "event.media": "媒体文件",
    "event.file": "文件：{name}",
    "event.sticker": "贴图：{words}",
    "event.nothing": "没有保存内容。",
    "content.image": "图片",
    "content.video": "视频",
    "content.audio": "语音",
    "content.location": "位置：{words}",
    "type.message": "消息",
    "type.follow": "添加好友",
    "type.unfollow": "屏蔽",
    "type.unsend": "撤回消息",
    "type.postback": "点击按钮",
    "type.join": "加入群组",
    "type.leave": "离开群组",

    "unlink": "解除会员绑定",
    "unlink.text": "先结束 LINE 的登录授权，再删除绑定。之后该会员的订单无法通知，直到重新绑定。",
    "unlink.ask": "解除绑定…",
    "unlink.title": "解除会员 {id} 的绑定？",
    "unlink.do": "解除绑定",
    "unlink.wrong": "会员 ID 由 1 到 64 个字符组成：A-Z a-z 0-9 . _ : -",
    "unlink.ended": "会员 {id} 已解除绑定，LINE 的授权已结束。",
    "unlink.already_ended": "会员 {id} 已解除绑定，LINE 的授权之前就已结束。",
    "unlink.token_expired": "会员 {id} 已解除绑定。授权的令牌已过期，只有用户本人能在 LINE 中结束授权。",

    "sobot.title": "智齿的群发",
    "sobot.text": "由智齿即时提供，日期按 GMT+8。",
    "tasks": "任务",
    "tasks.idle": "选择日期后查询；不选则按智齿的默认范围。",
    "tasks.none": "没有群发任务。",
    "tasks.caption": "群发任务",
    "task.id": "任务号",
    "task.name": "任务名称",
    "task.estimated": "预计",
    "task.sent": "成功",
    "task.failed": "失败",
    "task.started": "开始（{zone}）",
    "task.ended": "结束（{zone}）",
    "records": "发送记录",
    "records.idle": "选择条件后查询；不选日期则为最近一个月。",
    "records.none": "没有符合条件的记录。",
    "records.caption": "群发的发送记录",
    "records.of": "查看任务 {name} 的记录",
    "record.status": "结果",
    "record.sent": "已发送",
    "record.delivered": "已送达",
    "record.read": "已读",
    "record.failed": "失败",
    "record.failed.code": "失败，代码 {code}",
    "record.sender": "发送人",
    "record.at": "发送（{zone}）",
    "recipient": "收件人",
    "total": "总数：{n}",

    "audit.title": "运营人员的操作",
    "audit.none": "还没有这一类操作。",
    "audit.caption": "操作记录，最近的在前",
    "kind": "类别",
    "kind.switch": "发送开关",
    "kind.resend": "重新发送",
    "kind.redrive": "重投死信",
    "kind.discard": "放弃死信",
    "kind.unlink": "解除绑定",
    "audit.at": "时间（{zone}）",
    "audit.by": "操作人",
    "audit.subject": "对象",
    "audit.detail": "补充",
    "audit.reason": "理由",
  },

  "en": {
    "title": "LINE notifications",
    "skip": "Skip to the content",
    "language": "Language",
    "nav": "Pages",
    "lock": "Lock",
    "overview": "Overview",
    "deliveries": "Not sent",
    "order": "Order",
    "dead": "Dead letters",
    "customer": "Customer",
    "sobot": "Mass sends",
    "audit": "History",

    "gate.title": "Your operator's key",
    "gate.text": "With your key you see and handle the LINE messages of this stack.",
    "gate.key": "Key",
    "gate.unlock": "Unlock",
    "gate.note":
      "The key stays in this page's memory and is written nowhere. It is forgotten when you lock or close the page, and after 15 minutes without a touch. What you do is noted with the key's name.",
    "gate.empty": "Enter your key.",
    "gate.characters": "A key has visible ASCII characters only: look for something that does not belong there.",
    "gate.refused": "The key was not accepted and is forgotten.",
    "gate.checking": "Checking…",
    "gate.idle": "Nothing happened for 15 minutes: the key is forgotten.",
    "gate.locked": "Locked; the key is forgotten.",

    "loading": "Loading…",
    "again": "Try again",
    "refresh": "Refresh",
    "as.of": "As of {time}",
    "more": "More",
    "shown": "{n} shown, there are more",
    "shown.all": "{n} in all",
    "cancel": "Cancel",
    "close": "Close",
    "all": "All",
    "show": "Show",
    "from": "From",
    "to": "To",
    "look.up": "Look up",
    "yes": "yes",
    "no": "no",
    "unknown": "unknown",
    "opens.new": "{url} (opens a new tab)",
    "zone": "Times are in {zone}. A day is LINE's day, from midnight to midnight in UTC+9.",

    "error.network": "The service could not be reached. Is the network there?",
    "error.timeout": "There was no answer within 30 seconds.",
    "error.status": "The service answered HTTP {status}.",
    "error.answer": "The service's answer could not be read.",
    "error.unsure": "It may have been done or not: look at how things stand before you decide.",
    "error.dates": "Give both dates, or neither.",

    "banner.all": "No message is being sent",
    "banner.status": "Messages for “{status}” are not being sent",
    "banner.text": "Customers are not told of orders that come meanwhile, nor afterwards by themselves.",

    "today": "Today",
    "today.of": "Orders that arrived on {date}, as they stand now.",
    "count.sent": "Accepted by LINE",
    "count.sent.note": "LINE does not tell whether it was seen",
    "count.retried": "Retried",
    "count.retried.note": "more than one request, whatever came of it",
    "count.open": "Open",
    "count.open.note": "waiting, or being retried",
    "count.suppressed": "Held back",
    "count.suppressed.note": "not sent, by rule",
    "count.failed": "Failed",
    "count.failed.note": "expired ones too",
    "count.none": "none",
    "count.see": "See the failed orders",
    "count.empty": "No order has arrived today yet.",

    "quota": "This month's messages",
    "quota.used": "{used} of {limit} used ({percent}%)",
    "quota.left": "{left} left",
    "quota.label": "{percent}% of this month's messages used",
    "quota.fine": "Below the first warning ({next}%)",
    "quota.reached": "The warning at {reached}% is reached",
    "quota.ended": "Used up: new messages fail",
    "quota.marks": "Warnings at {all}",
    "quota.unlimited": "No limit. {used} sent this month.",
    "quota.source": "LINE's figures of this moment, approximate.",

    "switches": "Sending",
    "switch.all": "Master switch (every message)",
    "switch.finish": "Finished orders (finish)",
    "switch.on": "Sending",
    "switch.off": "Stopped",
    "switch.held": "On, but stopped by the master switch",
    "switch.changed": "{by}, {time}:",
    "switch.never": "Never changed.",
    "switch.turn.off": "Stop…",
    "switch.turn.on": "Resume…",
    "switch.ask.off": "Stop sending: {what}?",
    "switch.ask.on": "Resume sending: {what}?",
    "switch.text.off":
      "Everything stops within {seconds} seconds, retries included. Orders that come meanwhile stay held back; nothing sends them afterwards by itself.",
    "switch.text.on": "Sending resumes within {seconds} seconds. What was held back meanwhile is not sent by itself.",
    "switch.do.off": "Stop sending",
    "switch.do.on": "Resume sending",
    "switch.done.off": "Stopped: {what}. Everywhere within {seconds} seconds.",
    "switch.done.on": "Resumed: {what}. Everywhere within {seconds} seconds.",
    "switch.changes": "Latest changes",
    "switch.changes.none": "Nobody has turned a switch yet.",
    "turned.on": "resumed",
    "turned.off": "stopped",

    "days": "The last 14 days",
    "days.note":
      "By the LINE day on which an order arrived, as it stands now. Each row of bars has a scale of its own.",
    "days.chart":
      "Bars for the last 14 days: {sent} accepted by LINE, {suppressed} held back, {failed} failed. The table below has the numbers.",
    "days.max": "at most {n}",
    "days.none": "all 0",
    "days.table": "The numbers as a table",
    "days.missing": "Days without numbers: {n}. {why}",
    "days.see": "{date}: see the failed orders",

    "deliveries.title": "Orders whose message did not go out",
    "day": "LINE's day",
    "day.before": "The day before",
    "day.after": "The day after",
    "state": "State",
    "reason": "Reason",
    "list.caption": "{date} · {state}",
    "list.none": "No order of that day is “{state}”.",
    "list.none.reason": "No order of that day is “{state}” because of “{reason}”.",
    "order.id": "Order id",
    "attempts": "Requests",
    "arrived": "Arrived ({zone})",
    "changed": "Changed ({zone})",
    "last.error": "Last error",
    "action": "Action",

    "state.pending": "Pending",
    "state.sent": "Accepted by LINE",
    "state.retrying": "Being retried",
    "state.suppressed": "Held back",
    "state.failed": "Failed",
    "state.expired": "Expired",

    "reason.refused_by_line": "Refused by LINE",
    "reason.quota_exhausted": "Quota used up",
    "reason.switched_off": "Switched off",
    "reason.not_a_friend": "Not a friend",
    "reason.not_linked": "Member not linked",
    "reason.retries_exhausted": "Every retry failed",
    "reason.retry_key_expired": "Retry key too old",
    "reason.discarded": "Given up",
    "reason.unknown": "No reason noted",

    "advice.refused_by_line":
      "LINE does not take this message: its words are below. It can be sent again once the cause is gone.",
    "advice.quota_exhausted": "The month's messages were used up. It can be sent again once there are some.",
    "advice.switched_off":
      "The switch was off, and nothing sends it by itself. Send it again if the customer should have it.",
    "advice.not_a_friend":
      "The user blocked the official account or never added it. It can be sent again once the user has.",
    "advice.not_linked":
      "The order names a member without a LINE user. It can be sent again once the member is linked.",
    "advice.retries_exhausted":
      "Every retry failed and the message waits in the dead-letter queue. When LINE is well, redrive it there: that cannot send twice.",
    "advice.retry_key_expired":
      "LINE has forgotten the retry key, and nobody knows whether it took the message. Sent again, the customer could get it twice.",
    "advice.discarded": "Somebody gave its dead letter up. It can still be sent again.",
    "advice.retrying": "LINE has not accepted it yet; it is retried by itself.",
    "advice.pending": "It is being sent for the first time, or has just arrived.",
    "advice.sent": "LINE accepted it. LINE does not tell whether the customer saw it, or blocks the account.",

    "order.title": "Look an order up",
    "order.idle": "Enter an order id to see how far its message got.",
    "order.empty": "Enter an order id.",
    "order.wrong": "An order id has 1 to 64 of A-Z a-z 0-9 . _ : -",
    "order.none": "Nothing is known of order {id}. The order system may not have posted it, or got no answer.",
    "order.caption": "Order {id}",
    "order.timeline": "What happened",
    "order.details": "Details",
    "order.posted": "As the order system posted it",
    "order.preview": "What the customer sees",
    "order.preview.not": "What the customer would see",
    "order.nobody": "There is nobody to send to, so no message was made.",
    "order.notice": "The notification says",
    "order.button": "The button opens",
    "order.other": "There is no preview of such a message; this is its alternative text.",
    "timeline.none": "LINE has not been asked yet.",
    "timeline.caption": "Requests to LINE, and what operators did",
    "timeline.some": "{n} of {all} requests are listed: the first and the latest.",
    "timeline.arrived": "The order arrived",
    "timeline.answer": "LINE answered {status}",
    "timeline.no.answer": "No answer from LINE",
    "timeline.not.asked": "LINE was not asked",
    "timeline.request": "Request id",
    "timeline.key": "Retry key no. {n}",
    "timeline.resent": "Sent again by {by}",
    "timeline.forced": "knowing that it may arrive twice",
    "user": "LINE user",
    "user.messages": "What this user wrote",
    "line.day": "LINE's day",
    "generation": "Retry key no.",
    "retry.key": "Retry key",
    "key.used": "Key first used",
    "may.have": "LINE may have it",
    "accepted.request": "Accepted request id",
    "request.id": "Latest request id",
    "message.id": "LINE's message id",

    "resend": "Send again…",
    "resend.ask": "Send the message of order {id} again?",
    "resend.text": "The message is made anew and goes out under a new retry key.",
    "resend.do": "Send again",
    "resend.force": "Send again all the same",
    "resend.in_flight": "It is being sent or waits for a retry, so it cannot be sent again now. Refresh in a while.",
    "resend.dead":
      "Its message still waits in the dead-letter queue: redriving it there cannot send twice, and comes first.",
    "resend.done.sent": "Order {id}: accepted by LINE.",
    "resend.done.later": "Order {id}: LINE was not reached yet; it is retried by itself.",
    "resend.done.other": "Order {id} is now: {state}.",
    "twice.text":
      "LINE accepted this order's message already, or may have. Sent again, the customer could get it twice.",
    "twice.agree": "I know that the customer may get it twice; send it all the same",
    "twice.needed": "Tick the box first.",
    "why": "Why?",
    "why.hint": "Kept together with your name; at most 500 characters.",
    "why.needed": "Say why.",

    "dead.title": "Dead letters",
    "dead.text":
      "What could not be handled after several tries waits here, and disappears after 14 days. Listing takes the messages out and gives them back, so right after a refresh a few may be missing.",
    "dead.none": "No message waits in a dead-letter queue.",
    "dead.caption": "Dead letters, the oldest of each queue first",
    "dead.queues": "Queues",
    "dead.list": "Messages",
    "dead.count": "{visible} waiting",
    "dead.moving": "{n} in use",
    "dead.not": "Cannot be redriven: start the report again by its date.",
    "dead.latest": "Latest redrive: {status}",
    "dead.progress": "{moved} of {total}",
    "dead.sent": "Since ({zone})",
    "dead.received": "Received",
    "dead.body": "Content",
    "dead.look": "Look order {id} up",
    "queue": "Queue",
    "queue.push-retry": "Message retries",
    "queue.inbox": "What users wrote",
    "queue.quota-warning": "Quota warnings",
    "queue.daily-report": "Daily reports",
    "redrive": "Redrive…",
    "redrive.ask": "Redrive the queue “{queue}”?",
    "redrive.text":
      "Its messages go back to where they came from. Safe at any time: a settled order is not sent again, and LINE accepts a retry key once within 24 hours.",
    "redrive.do": "Redrive",
    "redrive.started": "“{queue}” is being redriven.",
    "redrive.moved": "“{queue}”: {n} redriven.",
    "discard": "Give up…",
    "discard.ask": "Give this dead letter up?",
    "discard.text":
      "It is deleted. An order that nothing retries any more becomes failed, “given up”; it can still be sent again.",
    "discard.do": "Give up",
    "discard.done": "The dead letter is deleted.",
    "discard.done.order": "The dead letter is deleted. Order {id} is now: {state}.",

    "customer.title": "A customer in LINE",
    "customer.idle": "Enter a LINE user id to see what that user wrote and did.",
    "user.id": "LINE user id",
    "user.wrong": "A LINE user id is U and 32 lower-case hexadecimal digits.",
    "friend": "Friend of the account",
    "member.id": "Member id",
    "linked.member": "Linked member",
    "events.none": "Nothing of this user: there never was, or it is kept no longer.",
    "events.list": "What the user wrote and did, the latest first",
    "event.unsent": "Taken back by the user, {time}; the content is deleted.",
    "event.verified": "signed by LINE",
    "event.unverified": "without LINE's signature",
    "event.via": "via {via}",
    "event.raw": "The event itself",
    "event.media": "Media",
    "event.file": "File: {name}",
    "event.sticker": "Sticker: {words}",
    "event.nothing": "No content is kept.",
    "content.image": "Picture",
    "content.video": "Video",
    "content.audio": "Sound",
    "content.location": "Place: {words}",
    "type.message": "Message",
    "type.follow": "Added the account",
    "type.unfollow": "Blocked the account",
    "type.unsend": "Took a message back",
    "type.postback": "Pressed a button",
    "type.join": "Joined a group",
    "type.leave": "Left a group",

    "unlink": "Unlink a member",
    "unlink.text":
      "Ends the login's grant at LINE, then removes the link. Until a new login the member's orders reach nobody.",
    "unlink.ask": "Unlink…",
    "unlink.title": "Unlink member {id}?",
    "unlink.do": "Unlink",
    "unlink.wrong": "A member id has 1 to 64 of A-Z a-z 0-9 . _ : -",
    "unlink.ended": "Member {id} is unlinked, and the grant at LINE ended.",
    "unlink.already_ended": "Member {id} is unlinked; the grant at LINE had ended before.",
    "unlink.token_expired":
      "Member {id} is unlinked. The grant's token was too old: only the user can end the grant, in LINE.",

    "sobot.title": "Mass sends of Sobot",
    "sobot.text": "Sobot's figures of this moment; its days are GMT+8.",
    "tasks": "Tasks",
    "tasks.idle": "Choose dates, or none for the range that Sobot takes by default.",
    "tasks.none": "There is no mass send.",
    "tasks.caption": "Mass sends",
    "task.id": "Task's id",
    "task.name": "Task's name",
    "task.estimated": "Planned",
    "task.sent": "Sent",
    "task.failed": "Failed",
    "task.started": "Began ({zone})",
    "task.ended": "Ended ({zone})",
    "records": "Records",
    "records.idle": "Choose what to look for; without dates it is the last month.",
    "records.none": "There is no such record.",
    "records.caption": "Records of mass sends",
    "records.of": "See the records of task {name}",
    "record.status": "Outcome",
    "record.sent": "Sent",
    "record.delivered": "Delivered",
    "record.read": "Read",
    "record.failed": "Failed",
    "record.failed.code": "Failed, code {code}",
    "record.sender": "Sender",
    "record.at": "Sent ({zone})",
    "recipient": "Recipient",
    "total": "{n} in total",

    "audit.title": "What operators did",
    "audit.none": "Nothing of this kind yet.",
    "audit.caption": "The latest first",
    "kind": "Kind",
    "kind.switch": "Switch turned",
    "kind.resend": "Sent again",
    "kind.redrive": "Redriven",
    "kind.discard": "Given up",
    "kind.unlink": "Unlinked",
    "audit.at": "When ({zone})",
    "audit.by": "Who",
    "audit.subject": "What",
    "audit.detail": "More",
    "audit.reason": "Why",
  },
};

const TIMEOUT = 30_000;
const IDLE = 15 * 60_000;
const SWITCHES_EVERY = 60_000;
const DAYS = 14;
const DAYS_AT_ONCE = 4;
const REASONS = [
  "refused_by_line",
  "quota_exhausted",
  "switched_off",
  "not_a_friend",
  "not_linked",
  "retries_exhausted",
  "retry_key_expired",
  "discarded",
];
const QUEUES = ["push-retry", "inbox", "quota-warning", "daily-report"];
const ID = /^[A-Za-z0-9._:-]{1,64}$/;
const USER = /^U[0-9a-f]{32}$/;
// The page is at {base}/console, whatever the base is.
const BASE = location.pathname.replace(/\/console\/?$/, "");
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

let language = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag))?.toLowerCase().startsWith("en")
  ? "en"
  : "zh-CN";
let key = null;
// Everything that a key began ends with it.
let session = new AbortController();
let lastTouch = Date.now();

// ---- Words

function t(name, values = {}) {
  const text = WORDS[language][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (all, value) => (value in values ? String(values[value]) : all));
}

/** The words for a name of the API; a name that is not known yet stands for itself. */
function named(group, name) {
  const word = `${group}.${name}`;
  return word in WORDS[language] ? t(word) : name;
}

const number = (value) => new Intl.NumberFormat(language).format(value);

/** The zone's offset, as it is now. */
function zone() {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts();
  return parts.find((part) => part.type === "timeZoneName").value;
}

function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) {
    return iso;
  }
  const two = (value) => String(value).padStart(2, "0");
  // The same for everybody: 11/12 is another day elsewhere.
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${
    two(at.getMinutes())
  }:${two(at.getSeconds())}`;
}

const time = (iso) => el("time", { datetime: iso, title: iso }, clock(iso));

/** Days are counted as UTC days, so that no summer time comes between. */
function dayPlus(day, days) {
  const at = new Date(`${day}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

// ---- Elements

const $ = (id) => document.getElementById(id);

/** An element. Functions are listeners, everything else is an attribute; children that are text stay text. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(attribute, value);
    } else if (value !== undefined && value !== null && value !== false) {
      element.setAttribute(attribute, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

const note = (text) => el("p", { class: "soft" }, text);
const code = (text) => el("code", {}, text);

/** A link out of the page, where it is one that may be followed. */
function outside(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return code(address);
  }
  if (url.protocol !== "https:") {
    return code(address);
  }
  return el("a", {
    href: url.href,
    rel: "noopener noreferrer",
    target: "_blank",
    "aria-label": t("opens.new", { url: address }),
  }, address);
}

const MARKS = { pending: "…", sent: "✓", retrying: "↻", suppressed: "‖", failed: "✕", expired: "?" };

const badge = (state) =>
  el(
    "span",
    { class: `badge ${state in MARKS ? state : ""}` },
    el("span", { "aria-hidden": "true" }, MARKS[state] ?? "•"),
    " ",
    named("state", state),
  );

const orderLink = (id) => el("a", { href: `#order=${encodeURIComponent(id)}`, class: "id" }, id);

/** A list of terms; those without a value are left out. */
function terms(pairs) {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el(
    "dl",
    { class: "terms" },
    rows.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

/** A table; on a phone its rows are cards, so the roles are said, too: a changed `display` takes them away. */
function table(caption, heads, rows) {
  const cell = (content, column) => {
    const head = heads[column];
    const attributes = { "data-head": head.text, class: head.class };
    return column === 0
      ? el("th", { ...attributes, scope: "row", role: "rowheader" }, content)
      : el("td", { ...attributes, role: "cell" }, content);
  };
  const headRow = heads.map((head) => el("th", { scope: "col", role: "columnheader", class: head.class }, head.text));
  return el(
    "table",
    { role: "table" },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, headRow)),
    el("tbody", { role: "rowgroup" }, rows.map((row) => el("tr", { role: "row" }, row.map(cell)))),
  );
}

const column = (text, name) => ({ text, class: name });

function pretty(value) {
  return el("pre", { tabindex: "0" }, typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

/** Tells what came of something; quietly: only to those who listen to the page. */
function say(text, { quietly = false } = {}) {
  const status = $("status");
  status.textContent = "";
  status.className = quietly ? "away" : "toast";
  // A second later text of the same words is said again, too.
  requestAnimationFrame(() => {
    status.textContent = text;
  });
  clearTimeout(say.timer);
  say.timer = setTimeout(() => {
    status.textContent = "";
  }, 12_000);
}

// ---- The API

/** An answer that is not what was asked for; `words` are made when they are shown, in the language of then. */
class Trouble extends Error {
  constructor(status, words, fields = []) {
    super("trouble");
    this.status = status;
    this.words = words;
    this.fields = fields;
  }
}

/** What was begun with a key that is gone. */
class Gone extends Error {}

async function call(path, { method = "GET", query = {}, body } = {}) {
  const held = session;
  const url = new URL(`${BASE}${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") {
      url.searchParams.set(name, value);
    }
  }
  const limit = new AbortController();
  const end = () => limit.abort();
  held.signal.addEventListener("abort", end, { once: true });
  const timer = setTimeout(end, TIMEOUT);
  const headers = { Accept: "application/json", Authorization: `Bearer ${key}` };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  let status = 0;
  let text = "";
  try {
    const answer = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: limit.signal,
    });
    status = answer.status;
    text = await answer.text();
  } catch {
    if (held.signal.aborted) {
      throw new Gone();
    }
    const why = limit.signal.aborted ? "error.timeout" : "error.network";
    throw new Trouble(0, () => (method === "GET" ? t(why) : `${t(why)} ${t("error.unsure")}`));
  } finally {
    clearTimeout(timer);
    held.signal.removeEventListener("abort", end);
  }
  if (held.signal.aborted) {
    throw new Gone();
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (status === 401) {
    lock("gate.refused");
    throw new Gone();
  }
  if (status >= 200 && status < 300) {
    if (value === undefined) {
      throw new Trouble(status, () => t("error.answer"));
    }
    return { status, value };
  }
  // A gateway's own answers are no problem details; theirs is `message`, if any.
  const detail = value?.detail ?? value?.message;
  const unsure = method !== "GET" && status >= 500;
  const words = () => [detail ?? t("error.status", { status }), unsure ? t("error.unsure") : ""].join(" ").trim();
  throw new Trouble(status, words, Array.isArray(value?.errors) ? value.errors : []);
}

const get = async (path, query) => (await call(path, { query })).value;

function troubleNodes(trouble) {
  const known = trouble instanceof Trouble;
  const nodes = [el("span", {}, known ? trouble.words() : t("error.answer"))];
  if (known && trouble.fields.length > 0) {
    nodes.push(el("ul", {}, trouble.fields.map((one) => el("li", {}, code(one.field), ` ${one.detail}`))));
  }
  return nodes;
}

function troubleBox(trouble, again) {
  return el(
    "div",
    { class: "trouble", role: "alert" },
    el("div", {}, troubleNodes(trouble)),
    again ? el("button", { type: "button", click: again }, t("again")) : null,
  );
}

// ---- Parts of the page that show an answer

const parts = [];

const FOCUSABLE = "a, button, summary, [tabindex]";

/** Puts new nodes in place of old ones; the focus stays where it was, and what was unfolded stays so. */
function redraw(box, nodes) {
  const focusables = [...box.querySelectorAll(FOCUSABLE)];
  const focused = focusables.indexOf(document.activeElement);
  const unfolded = [...box.querySelectorAll("details")].map((one) => one.open);
  box.replaceChildren(...nodes);
  const folds = box.querySelectorAll("details");
  if (folds.length === unfolded.length) {
    folds.forEach((one, index) => {
      one.open = unfolded[index];
    });
  }
  if (focused >= 0) {
    const { id } = focusables[focused];
    ((id && $(id)) || [...box.querySelectorAll(FOCUSABLE)][focused])?.focus();
  }
}

/** A part that loads and draws itself: every state of it has words. Of two loads the later one counts. */
function part(id, { draw, idle }) {
  const box = $(id);
  let turn = 0;
  let state = { is: "idle" };
  const nodes = () => {
    if (state.is === "idle") {
      return idle ? [note(t(idle))] : [];
    }
    if (state.is === "loading" && state.value === undefined) {
      return [note(t("loading"))];
    }
    if (state.is === "trouble") {
      return [troubleBox(state.trouble, state.again)];
    }
    return [draw(state.value)].flat(Infinity);
  };
  const show = () => {
    box.setAttribute("aria-busy", String(state.is === "loading"));
    redraw(box, nodes());
  };
  const self = {
    show,
    value: () => state.value,
    forget() {
      turn += 1;
      state = { is: "idle" };
      show();
    },
    /** Shows a value that came another way. */
    put(value) {
      turn += 1;
      state = { is: "ready", value };
      show();
    },
    fail(trouble) {
      turn += 1;
      state = { is: "trouble", trouble };
      show();
    },
    /** `keep`: the old value stays until the new one is here. */
    async load(fetching, { keep = false } = {}) {
      const mine = ++turn;
      state = { is: "loading", value: keep ? state.value : undefined };
      if (!keep || state.value === undefined) {
        show();
      } else {
        box.setAttribute("aria-busy", "true");
      }
      try {
        const value = await fetching();
        if (mine === turn) {
          state = { is: "ready", value };
          show();
        }
        return value;
      } catch (trouble) {
        if (!(trouble instanceof Gone) && !(trouble instanceof Trouble)) {
          console.error(trouble);
        }
        if (!(trouble instanceof Gone) && mine === turn) {
          state = { is: "trouble", trouble, again: () => self.load(fetching) };
          show();
        }
        return undefined;
      }
    },
  };
  parts.push(self);
  return self;
}

/** A part that shows a list page by page. `items` names the list in an answer. */
function pagedPart(id, { path, items, draw, idle, none }) {
  let query = {};
  const more = async (button, value) => {
    button.disabled = true;
    button.textContent = t("loading");
    try {
      const page = await get(path(query), { ...value.query, cursor: value.next });
      if (self.value() === value) {
        const before = value.all.length;
        self.put({ ...value, all: [...value.all, ...page[items]], next: page.next, trouble: undefined });
        // The first new row takes the focus, where it has something to focus; the button may be gone.
        const rows = $(id).querySelectorAll("[data-item]");
        (rows[before]?.querySelector("a, button") ?? $(`${id}-more`))?.focus();
        say(counted(self.value()), { quietly: true });
      }
    } catch (trouble) {
      if (!(trouble instanceof Gone) && self.value() === value) {
        self.put({ ...value, trouble });
        $(`${id}-more`)?.focus();
      }
    }
  };
  const counted = (value) => t(value.next ? "shown" : "shown.all", { n: number(value.all.length) });
  const self = part(id, {
    idle,
    draw(value) {
      const first = draw(value);
      if (value.all.length === 0 && !value.next) {
        return [first, note(none(value))];
      }
      const button = el("button", { type: "button", id: `${id}-more`, click: () => more(button, value) }, t("more"));
      return [
        first,
        value.trouble ? troubleBox(value.trouble) : [],
        el("div", { class: "foot" }, el("span", { class: "soft" }, counted(value)), value.next ? button : null),
      ];
    },
  });
  self.open = (wanted, { keep = false } = {}) => {
    query = wanted;
    return self.load(async () => {
      const sent = { ...wanted, path: undefined };
      const first = await get(path(wanted), sent);
      return { first, query: sent, all: first[items], next: first.next };
    }, { keep });
  };
  return self;
}

/** Marks rows, so that the first new one can be found. */
function marked(tableElement) {
  for (const row of tableElement.querySelectorAll("tbody tr")) {
    row.dataset.item = "";
  }
  return tableElement;
}

// ---- Locked and unlocked

function lock(why) {
  const wasOpen = key !== null;
  key = null;
  session.abort();
  session = new AbortController();
  $("key").value = "";
  if ($("dialog").open) {
    dialog.abandon();
  }
  // What customers wrote goes with the key.
  for (const one of parts) {
    one.forget();
  }
  for (const input of document.querySelectorAll("main input")) {
    input.value = "";
  }
  switches = undefined;
  drawBanner();
  $("status").textContent = "";
  $("nav-sobot").hidden = true;
  gateWords = why ?? null;
  show();
  if (wasOpen || why) {
    $("key").focus();
  }
}

let gateWords = null;
let checking = false;

async function unlock(event) {
  event.preventDefault();
  if (checking) {
    return;
  }
  const typed = $("key").value.trim();
  $("key").value = "";
  gateWords = typed === "" ? "gate.empty" : /^[\x21-\x7e]+$/.test(typed) ? null : "gate.characters";
  if (gateWords !== null) {
    showGate();
    $("key").focus();
    return;
  }
  checking = true;
  key = typed;
  lastTouch = Date.now();
  showGate();
  try {
    switches = await get("/switches");
    checking = false;
    unlocked();
  } catch (trouble) {
    checking = false;
    if (!(trouble instanceof Gone)) {
      key = null;
      gateWords = null;
      showGate();
      $("gate-error").replaceChildren(...troubleNodes(trouble));
      $("key").focus();
    }
  }
  showGate();
}

/** Whether the key was accepted, not only typed. */
const isOpen = () => key !== null && !checking;

function unlocked() {
  gateWords = null;
  $("state").value = "failed";
  $("reason").value = "";
  show();
  switchesPart.put(switches);
  drawBanner();
  route(true);
  probeSobot();
}

function showGate() {
  $("unlock").disabled = checking;
  $("unlock").textContent = t(checking ? "gate.checking" : "gate.unlock");
  if (checking || gateWords !== null) {
    $("gate-error").textContent = checking ? "" : t(gateWords);
  }
}

function show() {
  const open = isOpen();
  $("gate").hidden = open;
  $("nav").hidden = !open;
  $("lock").hidden = !open;
  if (!open) {
    for (const view of document.querySelectorAll(".view")) {
      view.hidden = true;
    }
    $("gate-error").textContent = "";
    showGate();
    document.title = t("title");
  }
}

function touched() {
  lastTouch = Date.now();
}

function forgetWhenIdle() {
  if (key !== null && Date.now() - lastTouch >= IDLE) {
    lock("gate.idle");
  }
}

// ---- Views

const VIEWS = {
  "overview": { word: "overview", open: openOverview },
  "deliveries": { word: "deliveries", open: openDeliveries },
  "order": { word: "order", open: openOrder },
  "dead-letters": { word: "dead", open: openDead },
  "customer": { word: "customer", open: () => {} },
  "sobot": { word: "sobot", open: openSobot },
  "audit": { word: "audit", open: openAudit },
};

/** `#order=R1` is the view `order` with the argument `R1`. */
function place() {
  const [name, ...rest] = location.hash.slice(1).split("=");
  let argument = rest.join("=");
  try {
    argument = decodeURIComponent(argument);
  } catch {
    // Not percent-encoded: as it stands.
  }
  return { name: name in VIEWS ? name : "overview", argument };
}

function route(first = false) {
  if (!isOpen()) {
    return;
  }
  const { name, argument } = place();
  for (const view of document.querySelectorAll(".view")) {
    view.hidden = view.id !== `view-${name}`;
  }
  for (const link of $("nav").querySelectorAll("a")) {
    link.toggleAttribute("aria-current", false);
    if (link.getAttribute("href") === `#${name}`) {
      link.setAttribute("aria-current", "page");
    }
  }
  document.title = `${t(VIEWS[name].word)} · ${t("title")}`;
  VIEWS[name].open(argument, first);
  // A look-up within the view leaves the focus where the operator types.
  if (!(name === "order" && document.activeElement?.id === "order-id")) {
    document.querySelector(`#view-${name} h2`).focus();
  }
}

function go(hash) {
  if (location.hash === hash) {
    route();
  } else {
    location.hash = hash;
  }
}

// ---- Overview: today

let today;

const todayPart = part("today", {
  draw(day) {
    const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
    const reasons = (counts) => {
      const rows = Object.entries(counts).filter(([, count]) => count > 0).sort((one, other) => other[1] - one[1]);
      return rows.length > 0
        ? el(
          "ul",
          { class: "reasons" },
          rows.map(([reason, count]) =>
            el("li", {}, el("span", {}, named("reason", reason)), " ", el("b", {}, number(count)))
          ),
        )
        : null;
    };
    const tile = (name, count, more) =>
      el(
        "div",
        { class: `tile ${name} ${count > 0 ? "some" : ""}` },
        el("dt", {}, t(`count.${name}`)),
        el("dd", { class: "count" }, number(count)),
        el("dd", { class: "hint" }, t(`count.${name}.note`)),
        more ? el("dd", {}, more) : null,
      );
    const failed = sum(day.failed);
    const suppressed = sum(day.suppressed);
    const nothing = day.sent + day.open + failed + suppressed === 0;
    return [
      note(t("today.of", { date: day.date })),
      nothing ? el("p", {}, t("count.empty")) : null,
      el(
        "dl",
        { class: "tiles" },
        tile("sent", day.sent),
        tile("failed", failed, [
          reasons(day.failed),
          failed > 0 ? el("a", { href: `#deliveries=${day.date}` }, t("count.see")) : null,
        ]),
        tile("suppressed", suppressed, reasons(day.suppressed)),
        tile("open", day.open),
        tile("retried", day.retried),
      ),
      el("p", { class: "hint" }, t("as.of", { time: clock(day.at) })),
    ].filter(Boolean);
  },
});

async function countToday() {
  const value = await get("/days/today");
  today = value.date;
  return { ...value, at: new Date().toISOString() };
}

// ---- Overview: the month's quota

const quotaPart = part("quota", {
  draw(quota) {
    const source = el("p", { class: "hint" }, t("quota.source"));
    if (quota.limit === undefined) {
      return [el("p", {}, t("quota.unlimited", { used: number(quota.used) })), source];
    }
    const percent = quota.usedPercent ?? (quota.limit > 0 ? Math.floor((quota.used * 100) / quota.limit) : 100);
    const left = quota.remaining ?? Math.max(0, quota.limit - quota.used);
    const marks = [...quota.thresholds].sort((one, other) => one - other);
    const reached = marks.filter((mark) => percent >= mark).at(-1);
    const level = left === 0 ? "ended" : reached !== undefined ? "reached" : "fine";
    const bar = el("div", {
      class: `meter ${level}`,
      role: "meter",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": String(Math.min(100, percent)),
      "aria-label": t("quota"),
      "aria-valuetext": t("quota.label", { percent }),
    });
    const fill = el("div", { class: "fill" });
    fill.style.setProperty("width", `${Math.min(100, percent)}%`);
    bar.append(fill);
    for (const mark of marks.filter((mark) => mark > 0 && mark < 100)) {
      const line = el("div", { class: "mark", title: `${mark}%` });
      line.style.setProperty("left", `${mark}%`);
      bar.append(line);
    }
    return [
      el("p", { class: "big" }, t("quota.left", { left: number(left) })),
      bar,
      el("p", {}, t("quota.used", { used: number(quota.used), limit: number(quota.limit), percent })),
      level === "fine" && marks.length === 0 ? null : el(
        "p",
        { class: `level ${level}` },
        el("span", { "aria-hidden": "true" }, level === "fine" ? "✓ " : "! "),
        t(`quota.${level}`, { reached, next: marks[0] }),
      ),
      marks.length > 0
        ? el("p", { class: "hint" }, t("quota.marks", { all: marks.map((mark) => `${mark}%`).join(", ") }))
        : null,
      source,
    ].filter(Boolean);
  },
});

// ---- Overview: the switches

let switches;

const switchesPart = part("switches", {
  draw(all) {
    const master = all.switches.find((one) => one.status === "all");
    return all.switches.map((one) => {
      const held = one.enabled && one.status !== "all" && master?.enabled === false;
      const word = held ? "switch.held" : one.enabled ? "switch.on" : "switch.off";
      const turn = one.enabled ? "switch.turn.off" : "switch.turn.on";
      return el(
        "div",
        { class: "switch" },
        el(
          "div",
          {},
          el("h4", {}, named("switch", one.status)),
          el(
            "p",
            {},
            el(
              "span",
              { class: `badge ${one.enabled && !held ? "sent" : "failed"}` },
              el("span", { "aria-hidden": "true" }, one.enabled && !held ? "✓" : "‖"),
              " ",
              t(word),
            ),
          ),
          changed(one),
        ),
        el("button", {
          type: "button",
          id: `turn-${one.status}`,
          class: one.enabled ? "danger" : "main",
          "aria-label": `${t(turn)} ${named("switch", one.status)}`,
          click: () => askSwitch(one),
        }, t(turn)),
      );
    });
  },
});

function changed(one) {
  if (one.changedAt === undefined) {
    return el("p", { class: "hint" }, t("switch.never"));
  }
  return el(
    "p",
    { class: "hint" },
    t("switch.changed", { by: one.changedBy ?? t("unknown"), time: clock(one.changedAt) }),
    " ",
    el("q", {}, one.reason ?? ""),
  );
}

function drawBanner() {
  const off = (switches?.switches ?? []).filter((one) => !one.enabled);
  const line = (one) =>
    el(
      "div",
      { class: "alarm-line" },
      el(
        "div",
        {},
        el(
          "h2",
          { id: `off-${one.status}` },
          el("span", { "aria-hidden": "true" }, "‖ "),
          one.status === "all" ? t("banner.all") : t("banner.status", { status: one.status }),
        ),
        changed(one),
      ),
      el("button", {
        type: "button",
        "aria-label": `${t("switch.turn.on")} ${named("switch", one.status)}`,
        click: () => askSwitch(one),
      }, t("switch.turn.on")),
    );
  redraw(
    $("banner"),
    off.length === 0 ? [] : [
      el(
        "section",
        { class: "alarm", "aria-labelledby": `off-${off[0].status}` },
        off.map(line),
        el("p", {}, t("banner.text")),
      ),
    ],
  );
}

function askSwitch(one) {
  const what = named("switch", one.status);
  const enabled = !one.enabled;
  const way = enabled ? "on" : "off";
  const seconds = switches.effectiveWithinSeconds;
  dialog.ask({
    title: () => t(`switch.ask.${way}`, { what }),
    text: () => [el("p", {}, t(`switch.text.${way}`, { seconds }))],
    confirm: `switch.do.${way}`,
    danger: !enabled,
    send: async (reason) => {
      const { value } = await call(`/switches/${one.status}`, { method: "PUT", body: { enabled, reason } });
      switches = { ...switches, switches: switches.switches.map((old) => (old.status === value.status ? value : old)) };
      switchesPart.put(switches);
      drawBanner();
      if ($("switch-changes").open) {
        historyPart.open({ kind: "switch", limit: 10 }, { keep: true });
      }
      say(t(`switch.done.${way}`, { what, seconds }));
    },
    focus: () => $(`turn-${one.status}`),
  });
}

async function loadSwitches() {
  switches = await get("/switches");
  drawBanner();
  return switches;
}

const historyPart = pagedPart("switch-history", {
  path: () => "/audit",
  items: "entries",
  none: () => t("switch.changes.none"),
  draw: ({ all }) =>
    el(
      "ul",
      { class: "changes" },
      all.map((entry) =>
        el(
          "li",
          { "data-item": "" },
          el("b", {}, entry.detail?.enabled === undefined ? "" : t(entry.detail.enabled ? "turned.on" : "turned.off")),
          " ",
          named("switch", entry.subject),
          el("span", { class: "hint" }, time(entry.at), " · ", entry.by),
          el("q", {}, entry.reason),
        )
      ),
    ),
});

// ---- Overview: the last days

const daysPart = part("days", {
  draw({ days, trouble }) {
    const known = days.filter((day) => day.counts);
    const sum = (counts) => Object.values(counts ?? {}).reduce((all, one) => all + one, 0);
    const rows = {
      sent: (day) => day.counts.sent,
      suppressed: (day) => sum(day.counts.suppressed),
      failed: (day) => sum(day.counts.failed),
    };
    const total = (row) => number(known.reduce((all, day) => all + rows[row](day), 0));
    const short = (date) => date.slice(5).replace("-", "/");
    const figure = el("div", {
      class: "chart",
      role: "img",
      "aria-label": t("days.chart", { sent: total("sent"), suppressed: total("suppressed"), failed: total("failed") }),
    });
    for (const row of Object.keys(rows)) {
      const most = Math.max(0, ...known.map(rows[row]));
      const bars = days.map((day) => {
        const count = day.counts ? rows[row](day) : undefined;
        const bar = el("div", { class: `rod ${row}` });
        // What is more than nothing is seen.
        bar.style.setProperty("height", count > 0 ? `max(3px, ${(count * 100) / most}%)` : "0");
        const label = count === undefined ? "?" : row !== "sent" && count > 0 ? number(count) : "";
        return el(
          "div",
          { class: "slot", title: `${day.date} · ${t(`count.${row}`)}: ${count === undefined ? "?" : number(count)}` },
          el("span", { class: "tip" }, label),
          el("div", { class: "room" }, bar),
        );
      });
      figure.append(
        el(
          "p",
          { class: "row-name" },
          el("i", { class: `key ${row}` }),
          el("b", {}, t(`count.${row}`)),
          " ",
          el("span", { class: "hint" }, most > 0 ? t("days.max", { n: number(most) }) : t("days.none")),
        ),
        el("div", { class: `slots ${row}` }, bars),
      );
    }
    figure.append(
      el("div", { class: "slots dates" }, days.map((day) => el("div", { class: "slot" }, short(day.date)))),
    );
    const heads = [
      column(t("day")),
      ...["sent", "retried", "open", "suppressed", "failed"].map((name) => column(t(`count.${name}`), "number")),
    ];
    const cells = [...days].reverse().map(({ date, counts }) => {
      const failed = sum(counts?.failed);
      if (!counts) {
        return [date, "?", "?", "?", "?", "?"];
      }
      return [
        date,
        number(counts.sent),
        number(counts.retried),
        number(counts.open),
        number(sum(counts.suppressed)),
        failed > 0
          ? el(
            "a",
            { href: `#deliveries=${date}`, "aria-label": `${number(failed)}, ${t("days.see", { date })}` },
            number(failed),
          )
          : "0",
      ];
    });
    const wait = days.some((day) => !day.counts && !day.failed);
    const missing = days.filter((day) => day.failed).length;
    return [
      note(t("days.note")),
      wait ? note(t("loading")) : null,
      missing > 0 && trouble
        ? troubleBox(new Trouble(0, () => t("days.missing", { n: missing, why: trouble.words() })), loadDays)
        : null,
      figure,
      el("details", {}, el("summary", {}, t("days.table")), table(t("days"), heads, cells)),
    ].filter(Boolean);
  },
});

let daysAt = 0;

async function loadDays() {
  if (today === undefined) {
    return;
  }
  const held = session;
  const last = today;
  const before = new Map((daysPart.value()?.days ?? []).map((day) => [day.date, day.counts]));
  const days = Array.from({ length: DAYS }, (_, index) => dayPlus(last, index + 1 - DAYS)).map((date) => ({
    date,
    counts: before.get(date),
  }));
  daysAt = Date.now();
  let trouble;
  const mine = (loadDays.turn = (loadDays.turn ?? 0) + 1);
  const put = () => !held.signal.aborted && mine === loadDays.turn && daysPart.put({ days: [...days], trouble });
  put();
  // The latest first; today's counts are there already.
  days[DAYS - 1].counts = todayPart.value();
  const waiting = [...days.keys()].reverse().slice(1);
  const worker = async () => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      try {
        days[index] = { date: days[index].date, counts: await get(`/days/${days[index].date}`) };
      } catch (problem) {
        if (!(problem instanceof Trouble)) {
          return;
        }
        days[index] = { date: days[index].date, failed: true };
        trouble = problem;
      }
      put();
    }
  };
  await Promise.all(Array.from({ length: DAYS_AT_ONCE }, worker));
}

async function openOverview(_, first, anew = false) {
  const keep = { keep: true };
  const held = session;
  if (!first) {
    switchesPart.load(loadSwitches, keep);
  }
  if ($("switch-changes").open) {
    historyPart.open({ kind: "switch", limit: 10 }, keep);
  }
  quotaPart.load(() => get("/quota"), keep);
  const counted = await todayPart.load(countToday, keep);
  // Thirteen days more are not counted anew whenever somebody passes by.
  const old = daysPart.value() === undefined || Date.now() - daysAt > 5 * 60_000;
  if (counted && held === session && (old || anew)) {
    loadDays();
  }
}

// ---- Deliveries of a day

const listPart = pagedPart("list", {
  path: () => "/deliveries",
  items: "deliveries",
  none: (
    { query },
  ) => (query.reason
    ? t("list.none.reason", { state: named("state", query.state), reason: named("reason", query.reason) })
    : t("list.none", { state: named("state", query.state) })),
  draw({ first, query, all }) {
    if (all.length === 0) {
      return el("p", { class: "caption" }, t("list.caption", { date: first.date, state: named("state", query.state) }));
    }
    const heads = [
      column(t("order.id")),
      column(t("reason")),
      column(t("last.error"), "long"),
      column(t("attempts"), "number"),
      column(t("arrived", { zone: zone() })),
      column(t("changed", { zone: zone() })),
      column(t("action"), "act"),
    ];
    const rows = all.map((one) => [
      orderLink(one.orderId),
      one.reason ? named("reason", one.reason) : "—",
      one.lastError ?? "—",
      number(one.attemptCount),
      time(one.createdAt),
      time(one.updatedAt),
      el("button", {
        type: "button",
        "aria-label": `${t("resend")} ${one.orderId}`,
        click: (event) => askResend(one, event.currentTarget),
      }, t("resend")),
    ]);
    return marked(table(t("list.caption", { date: first.date, state: named("state", query.state) }), heads, rows));
  },
});

function drawReasons() {
  const chosen = $("reason").value;
  $("reason").replaceChildren(
    el("option", { value: "" }, t("all")),
    ...REASONS.map((reason) => el("option", { value: reason }, named("reason", reason))),
  );
  $("reason").value = chosen;
}

async function openDeliveries(argument) {
  if (/^\d{4}-\d{2}-\d{2}$/.test(argument)) {
    $("day").value = argument;
    $("state").value = "failed";
    $("reason").value = "";
  }
  loadList();
}

async function loadList({ keep = false } = {}) {
  const day = $("day").value;
  const answer = await listPart.open({ date: day, state: $("state").value, reason: $("reason").value }, { keep });
  // Without a day the API says which one it is.
  if (answer && day === "" && $("day").value === "") {
    $("day").value = answer.first.date;
    today = answer.first.date;
    answer.query.date = answer.first.date;
  }
  if (today !== undefined) {
    $("day").max = today;
  }
  $("day-after").disabled = today !== undefined && $("day").value >= today;
}

function moveDay(days) {
  const day = $("day").value || today;
  if (day === undefined) {
    return;
  }
  $("day").value = dayPlus(day, days);
  loadList();
}

// ---- An order

let orderId = "";

const orderPart = part("found", {
  idle: "order.idle",
  draw(order) {
    const advice = order.reason && `advice.${order.reason}` in WORDS[language]
      ? `advice.${order.reason}`
      : `advice.${order.delivery}`;
    const inFlight = order.resend === "in_flight";
    const dead = order.reason === "retries_exhausted";
    const head = el(
      "section",
      { class: "card order-head", "aria-labelledby": "order-name" },
      el(
        "div",
        {},
        el("h3", { id: "order-name", tabindex: "-1" }, t("order.caption", { id: order.orderId })),
        el("p", {}, badge(order.delivery), order.reason ? ` ${named("reason", order.reason)}` : ""),
        advice in WORDS[language] ? note(t(advice)) : null,
        order.lastError && order.delivery !== "sent" ? el("blockquote", { class: "said" }, order.lastError) : null,
        inFlight ? el("p", { class: "hint", id: "in-flight" }, t("resend.in_flight")) : null,
      ),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", click: () => lookUp(order.orderId) }, t("refresh")),
        dead ? el("a", { class: "button main", href: "#dead-letters" }, t("dead.title")) : null,
        el("button", {
          type: "button",
          id: "order-resend",
          class: order.resend === "allowed" && !dead ? "main" : undefined,
          disabled: inFlight,
          "aria-describedby": inFlight ? "in-flight" : undefined,
          click: (event) => askResend(order, event.currentTarget),
        }, t("resend")),
      ),
    );
    const sent = order.delivery === "sent";
    const preview = el(
      "section",
      { class: "card", "aria-labelledby": "order-seen" },
      el("h3", { id: "order-seen" }, t(sent ? "order.preview" : "order.preview.not")),
      order.messages.length === 0 ? note(t("order.nobody")) : order.messages.map(drawMessage),
    );
    const happened = el(
      "section",
      { class: "card", "aria-labelledby": "order-happened" },
      el("h3", { id: "order-happened" }, t("order.timeline")),
      timeline(order),
    );
    const details = el(
      "section",
      { class: "card", "aria-labelledby": "order-details" },
      el("h3", { id: "order-details" }, t("order.details")),
      terms([
        [t("arrived", { zone: zone() }), time(order.createdAt)],
        [t("changed", { zone: zone() }), time(order.updatedAt)],
        [t("line.day"), order.date],
        [
          t("user"),
          order.lineUserId && [
            code(order.lineUserId),
            " ",
            el(
              "button",
              { type: "button", class: "link", click: () => lookUpUser(order.lineUserId) },
              t("user.messages"),
            ),
          ],
        ],
        [t("attempts"), number(order.attemptCount)],
        [t("may.have"), t(order.mayHaveReachedLine ? "yes" : "no")],
        [t("generation"), number(order.generation)],
        [t("retry.key"), code(order.retryKey)],
        [t("key.used"), order.keyFirstUsedAt && time(order.keyFirstUsedAt)],
        [t("request.id"), order.lineRequestId && code(order.lineRequestId)],
        [t("accepted.request"), order.lineAcceptedRequestId && code(order.lineAcceptedRequestId)],
        [t("message.id"), order.lineMessageId && code(order.lineMessageId)],
      ]),
      el("details", {}, el("summary", {}, t("order.posted")), pretty(order.order)),
    );
    return [head, el("div", { class: "columns" }, el("div", { class: "stack" }, happened, details), preview)];
  },
});

/** Requests and resends in the order in which they happened. */
function timeline(order) {
  const steps = [
    { at: order.createdAt, rank: 0, mark: "•", what: [el("b", {}, t("timeline.arrived"))] },
    ...order.resends.map((one) => ({
      at: one.at,
      rank: 1,
      name: "resent",
      mark: "↻",
      what: [
        el("b", {}, t("timeline.resent", { by: one.by })),
        one.force ? ` (${t("timeline.forced")})` : "",
        el("q", {}, one.reason),
        el("span", { class: "hint" }, t("timeline.key", { n: one.generation })),
      ],
    })),
    ...order.attempts.map((one) => ({
      at: one.at,
      rank: 2,
      name: one.delivery,
      mark: MARKS[one.delivery] ?? "•",
      what: [
        el(
          "b",
          {},
          one.lineStatus !== undefined
            ? t("timeline.answer", { status: one.lineStatus })
            : t(one.delivery === "suppressed" ? "timeline.not.asked" : "timeline.no.answer"),
        ),
        ` → ${named("state", one.delivery)}`,
        one.error ? el("blockquote", { class: "said" }, one.error) : null,
        el(
          "span",
          { class: "hint" },
          one.lineRequestId ? [t("timeline.request"), " ", code(one.lineRequestId), " · "] : null,
          t("timeline.key", { n: one.generation }),
        ),
      ],
    })),
  ];
  steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at) || one.rank - other.rank);
  const some = order.attemptCount > order.attempts.length;
  return [
    some ? note(t("timeline.some", { all: number(order.attemptCount), n: number(order.attempts.length) })) : null,
    order.attempts.length === 0 ? note(t("timeline.none")) : null,
    el(
      "ol",
      { class: "timeline", "aria-label": t("timeline.caption") },
      steps.map((step) =>
        el(
          "li",
          { class: step.name },
          el("span", { class: "dot", "aria-hidden": "true" }, step.mark),
          el("div", {}, time(step.at), el("div", {}, step.what)),
        )
      ),
    ),
  ].filter(Boolean);
}

function openOrder(argument) {
  if (argument !== "") {
    $("order-id").value = argument;
    lookUp(argument);
  }
}

async function lookUp(id) {
  orderId = id;
  if (!ID.test(id)) {
    orderPart.fail(new Trouble(0, () => t(id === "" ? "order.empty" : "order.wrong")));
    return;
  }
  const found = await orderPart.load(async () => {
    try {
      return await get(`/orders/${encodeURIComponent(id)}`);
    } catch (trouble) {
      throw trouble.status === 404 ? new Trouble(404, () => t("order.none", { id })) : trouble;
    }
  }, { keep: orderPart.value()?.orderId === id });
  if (found && orderId === id) {
    say(`${t("order.caption", { id })}: ${named("state", found.delivery)}`, { quietly: true });
  }
}

function askResend(order, button) {
  const id = order.orderId;
  const path = `/orders/${encodeURIComponent(id)}`;
  dialog.ask({
    title: () => t("resend.ask", { id }),
    text: () =>
      [el("p", {}, t("resend.text")), order.reason === "retries_exhausted" ? el("p", {}, t("resend.dead")) : null]
        .filter(Boolean),
    confirm: "resend.do",
    forced: "resend.force",
    twice: order.resend === "needs_force",
    send: async (reason, force) => {
      let answer;
      try {
        answer = await call(`${path}/resend`, { method: "POST", body: force ? { reason, force } : { reason } });
      } catch (trouble) {
        // A conflict is a delivery in flight, or one that wants a second decision: the order says which.
        if (trouble.status === 409 && !force && (await get(path)).resend === "needs_force") {
          return "twice";
        }
        throw trouble;
      }
      const { status, value } = answer;
      const state = named("state", value.delivery);
      say(
        status === 202
          ? t("resend.done.later", { id })
          : value.delivery === "sent"
          ? t("resend.done.sent", { id })
          : t("resend.done.other", { id, state: value.reason ? `${state} (${named("reason", value.reason)})` : state }),
      );
      if (place().name === "order") {
        orderId = id;
        orderPart.put(value);
      } else {
        loadList({ keep: true });
      }
      return undefined;
    },
    focus: () => (button.isConnected ? button : place().name === "order" ? $("order-name") : $("title-deliveries")),
  });
}

// ---- A message as LINE shows it

const SIZES = ["xxs", "xs", "sm", "md", "lg", "xl", "xxl", "3xl", "4xl", "5xl"];
const GAPS = ["none", "xs", "sm", "md", "lg", "xl", "xxl"];

function drawMessage(message) {
  const links = [];
  let shape;
  if (message.type === "text" && typeof message.text === "string") {
    shape = [el("div", { class: "bubble text" }, message.text)];
  } else if (message.type === "template" && message.template?.type === "buttons") {
    shape = [buttonsTemplate(message.template, links)];
  } else if (message.type === "flex" && message.contents?.type === "bubble") {
    shape = [flexBubble(message.contents, links)];
  } else if (message.type === "flex" && message.contents?.type === "carousel") {
    shape = list(message.contents.contents).map((bubble) => flexBubble(bubble, links));
  } else {
    shape = [el("div", { class: "bubble text" }, message.altText ?? `[${message.type}]`)];
  }
  const drawn = ["text", "template", "flex"].includes(message.type) && shape.length > 0;
  return el(
    "div",
    { class: "message" },
    drawn ? null : note(t("order.other")),
    el(
      "div",
      { class: "chat" },
      el("div", { class: "face", "aria-hidden": "true" }),
      el("div", { class: "bubbles" }, shape),
    ),
    terms([
      [t("order.notice"), message.altText],
      ...links.map((address) => [t("order.button"), outside(address)]),
    ]),
  );
}

const list = (value) => (Array.isArray(value) ? value : []);

function actionLabel(action, links) {
  if (typeof action?.uri === "string") {
    links.push(action.uri);
  }
  return typeof action?.label === "string" ? action.label : "";
}

function buttonsTemplate(template, links) {
  return el(
    "div",
    { class: "bubble template" },
    template.thumbnailImageUrl ? el("p", { class: "stand-in" }, "[image]") : null,
    template.title ? el("p", { class: "template-title" }, template.title) : null,
    el("p", { class: "template-text" }, template.text ?? ""),
    list(template.actions).map((action) => el("p", { class: "template-action" }, actionLabel(action, links))),
  );
}

function flexBubble(bubble, links) {
  const blocks = ["header", "hero", "body", "footer"].filter((name) => bubble[name]);
  return el(
    "div",
    { class: "bubble flex" },
    blocks.map((name) => el("div", { class: `block ${name}` }, flexPart(bubble[name], links))),
  );
}

function flexPart(node, links) {
  const element = flexElement(node, links);
  if (Number.isFinite(node.flex)) {
    element.style.setProperty("flex", `${node.flex} ${node.flex} ${node.flex > 0 ? "0" : "auto"}`);
  }
  if (GAPS.includes(node.margin)) {
    element.classList.add(`margin-${node.margin}`);
  }
  return element;
}

function flexElement(node, links) {
  const children = list(node.contents);
  if (node.type === "box") {
    const layout = node.layout === "vertical" ? "vertical" : "horizontal";
    const gap = GAPS.includes(node.spacing) ? `gap-${node.spacing}` : "";
    return el("div", { class: `box ${layout} ${gap}` }, children.map((child) => flexPart(child, links)));
  }
  if (node.type === "text") {
    const spans = children.map((span) => span.text ?? "").join("");
    const names = [
      "words",
      SIZES.includes(node.size) ? `size-${node.size}` : "",
      node.weight === "bold" ? "bold" : "",
      ["center", "end"].includes(node.align) ? node.align : "",
      node.wrap === true ? "" : "cut",
      node.color ? "grey" : "",
    ];
    return el("p", { class: names.filter(Boolean).join(" ") }, spans || (node.text ?? ""));
  }
  if (node.type === "separator") {
    return el("div", { class: "line" });
  }
  if (node.type === "button") {
    return el(
      "p",
      { class: `flex-button ${["primary", "secondary"].includes(node.style) ? node.style : ""}` },
      actionLabel(node.action, links),
    );
  }
  return el("p", { class: "stand-in" }, ["filler", "spacer"].includes(node.type) ? "" : `[${node.type}]`);
}

// ---- Dead letters

const deadPart = pagedPart("dead", {
  path: () => "/dead-letters",
  items: "deadLetters",
  none: () => t("dead.none"),
  draw({ first, all }) {
    const heads = [
      column(t("queue")),
      column(t("dead.body"), "long"),
      column(t("dead.received"), "number"),
      column(t("dead.sent", { zone: zone() })),
      column(t("action"), "act"),
    ];
    const rows = all.map((one) => [
      named("queue", one.queue),
      [
        one.orderId
          ? el(
            "p",
            {},
            el("a", {
              href: `#order=${encodeURIComponent(one.orderId)}`,
              "aria-label": t("dead.look", { id: one.orderId }),
              class: "id",
            }, one.orderId),
          )
          : null,
        el("details", {}, el("summary", {}, t("dead.body")), pretty(one.body)),
      ],
      number(one.receiveCount),
      time(one.sentAt),
      el("button", {
        type: "button",
        class: "danger",
        "aria-label": `${t("discard")} ${one.orderId ?? one.id}`,
        click: (event) => askDiscard(one, event.currentTarget),
      }, t("discard")),
    ]);
    return [
      el(
        "section",
        { "aria-labelledby": "dead-queues" },
        el("h3", { id: "dead-queues" }, t("dead.queues")),
        el("div", { class: "queues" }, first.queues.map(drawQueue)),
      ),
      el("h3", { id: "dead-list", tabindex: "-1" }, t("dead.list")),
      all.length > 0 ? marked(table(t("dead.caption"), heads, rows)) : [],
    ];
  },
});

function drawQueue(one) {
  const name = named("queue", one.queue);
  const redrive = one.redrive;
  const progress = redrive && redrive.moved !== undefined && redrive.total !== undefined
    ? ` ${t("dead.progress", { moved: number(redrive.moved), total: number(redrive.total) })}`
    : "";
  return el(
    "div",
    { class: `card queue ${one.visible > 0 ? "some" : ""}` },
    el(
      "div",
      {},
      el("h4", {}, name),
      el(
        "p",
        {},
        el("b", {}, t("dead.count", { visible: number(one.visible) })),
        one.notVisible > 0 ? ` · ${t("dead.moving", { n: number(one.notVisible) })}` : "",
      ),
      redrive
        ? el(
          "p",
          { class: "hint" },
          t("dead.latest", { status: redrive.status }),
          progress,
          redrive.startedAt ? [" · ", time(redrive.startedAt)] : null,
          redrive.failure ? ` · ${redrive.failure}` : "",
        )
        : null,
      one.redrivable ? null : el("p", { class: "hint" }, t("dead.not")),
    ),
    one.redrivable
      ? el("button", {
        type: "button",
        class: "main",
        id: `redrive-${one.queue}`,
        disabled: one.visible + one.notVisible === 0,
        "aria-label": `${t("redrive")} ${name}`,
        click: () => askRedrive(one.queue),
      }, t("redrive"))
      : null,
  );
}

function drawQueueChoice() {
  const chosen = $("queue").value;
  $("queue").replaceChildren(
    el("option", { value: "" }, t("all")),
    ...QUEUES.map((queue) => el("option", { value: queue }, named("queue", queue))),
  );
  $("queue").value = chosen;
}

const loadDead = (keep) => deadPart.open({ queue: $("queue").value }, { keep });

function openDead() {
  loadDead(false);
}

function askRedrive(queue) {
  const name = named("queue", queue);
  dialog.ask({
    title: () => t("redrive.ask", { queue: name }),
    text: () => [el("p", {}, t("redrive.text"))],
    confirm: "redrive.do",
    send: async (reason) => {
      const { value } = await call("/dead-letters/redrive", { method: "POST", body: { queue, reason } });
      say(
        value.redrive === "moved"
          ? t("redrive.moved", { queue: name, n: number(value.moved ?? 0) })
          : t("redrive.started", { queue: name }),
      );
      loadDead(true);
    },
    focus: () => ($(`redrive-${queue}`)?.disabled === false ? $(`redrive-${queue}`) : $("title-dead")),
  });
}

function askDiscard(one, button) {
  dialog.ask({
    title: () => t("discard.ask"),
    text: () => [
      el("p", {}, named("queue", one.queue), one.orderId ? [" · ", code(one.orderId)] : null),
      el("p", {}, t("discard.text")),
    ],
    confirm: "discard.do",
    danger: true,
    send: async (reason) => {
      const { value } = await call(`/dead-letters/${encodeURIComponent(one.id)}`, {
        method: "DELETE",
        query: { reason },
      });
      say(
        value.orderId && value.delivery
          ? t("discard.done.order", { id: value.orderId, state: named("state", value.delivery) })
          : t("discard.done"),
      );
      // The queue shows a message that was just looked at only after a moment: take it out of the list here.
      const shown = deadPart.value();
      if (shown) {
        const queues = shown.first.queues.map((
          queue,
        ) => (queue.queue === one.queue ? { ...queue, visible: Math.max(0, queue.visible - 1) } : queue));
        deadPart.put({
          ...shown,
          first: { ...shown.first, queues },
          all: shown.all.filter((other) => other.id !== one.id),
        });
      }
    },
    focus: () => (button.isConnected ? button : $("dead-list") ?? $("title-dead")),
  });
}

// ---- A customer

const messagesPart = pagedPart("messages", {
  idle: "customer.idle",
  path: ({ path }) => path,
  items: "events",
  none: () => t("events.none"),
  draw: ({ first, all }) => [
    el(
      "section",
      { class: "card", "aria-labelledby": "user-name" },
      el("h3", { id: "user-name" }, code(first.lineUserId)),
      terms([
        [t("friend"), first.friend === undefined ? t("unknown") : t(first.friend ? "yes" : "no")],
        [
          t("linked.member"),
          first.memberId && [
            code(first.memberId),
            " ",
            el("button", { type: "button", class: "link", click: () => askUnlink(first.memberId) }, t("unlink.ask")),
          ],
        ],
      ]),
    ),
    all.length > 0 ? el("ul", { class: "events", "aria-label": t("events.list") }, all.map(drawEvent)) : [],
  ],
});

function drawEvent(one) {
  const content = one.content;
  let body;
  if (one.unsentAt) {
    body = el("p", { class: "soft" }, t("event.unsent", { time: clock(one.unsentAt) }));
  } else if (typeof content?.text === "string" && content.text !== "") {
    body = el("p", { class: "wrote" }, content.text);
  } else if (content && (content.fileName ?? content.file_name)) {
    body = el("p", {}, t("event.file", { name: content.fileName ?? content.file_name }));
  } else if (content && list(content.keywords).length > 0) {
    body = el("p", {}, t("event.sticker", { words: content.keywords.join(", ") }));
  } else if (["image", "video", "audio"].includes(content?.type)) {
    body = el("p", {}, t(`content.${content.type}`));
  } else if (content?.type === "location") {
    body = el(
      "p",
      {},
      t("content.location", {
        words: [content.title, content.address, `${content.latitude}, ${content.longitude}`].filter(Boolean).join(
          " · ",
        ),
      }),
    );
  } else if (content) {
    body = pretty(content);
  } else {
    body = one.type === "message" ? note(t("event.nothing")) : null;
  }
  return el(
    "li",
    { class: "card", "data-item": "" },
    el(
      "p",
      {},
      el("b", {}, named("type", one.type)),
      " ",
      el(
        "span",
        { class: "hint" },
        time(one.at),
        ` · ${t("event.via", { via: one.via })} · `,
        t(one.verified ? "event.verified" : "event.unverified"),
      ),
    ),
    body,
    one.mediaUrl ? el("p", {}, `${t("event.media")}: `, outside(one.mediaUrl)) : null,
    one.event ? el("details", {}, el("summary", {}, t("event.raw")), pretty(one.event)) : null,
  );
}

/** The user's id stays out of the address. */
function lookUpUser(user) {
  $("user-id").value = user;
  go("#customer");
  loadUser(user);
}

function loadUser(user) {
  if (!USER.test(user)) {
    messagesPart.fail(new Trouble(0, () => t("user.wrong")));
    return;
  }
  messagesPart.open({ path: `/users/${user}/messages` });
}

function askUnlink(member) {
  if (!ID.test(member)) {
    $("unlink-error").textContent = t("unlink.wrong");
    return;
  }
  $("unlink-error").textContent = "";
  dialog.ask({
    title: () => t("unlink.title", { id: member }),
    text: () => [el("p", {}, t("unlink.text"))],
    confirm: "unlink.do",
    danger: true,
    send: async (reason) => {
      const { value } = await call(`/links/${encodeURIComponent(member)}`, { method: "DELETE", query: { reason } });
      say(t(`unlink.${value.grant}`, { id: value.memberId }));
      const shown = messagesPart.value();
      if (shown?.first.memberId === member) {
        messagesPart.put({ ...shown, first: { ...shown.first, memberId: undefined } });
      }
      $("member-id").value = "";
    },
    focus: () => $("member-id"),
  });
}

// ---- Sobot's mass sends

async function probeSobot() {
  try {
    await get("/sobot/tasks", {});
    $("nav-sobot").hidden = false;
  } catch (trouble) {
    // 404: this stack has no Sobot. Anything else is for the view to say.
    $("nav-sobot").hidden = trouble instanceof Gone || trouble.status === 404;
  }
}

const totalOf = (first) => (first.total === undefined ? [] : note(t("total", { n: number(first.total) })));

const tasksPart = pagedPart("tasks", {
  idle: "tasks.idle",
  path: () => "/sobot/tasks",
  items: "tasks",
  none: () => t("tasks.none"),
  draw({ first, all }) {
    const heads = [
      column(t("task.name"), "long"),
      column(t("task.id")),
      column(t("task.estimated"), "number"),
      column(t("task.sent"), "number"),
      column(t("task.failed"), "number"),
      column(t("task.started", { zone: zone() })),
      column(t("task.ended", { zone: zone() })),
    ];
    const count = (value) => (value === undefined ? "?" : number(value));
    const rows = all.map((one) => [
      el("button", {
        type: "button",
        class: "link",
        "aria-label": t("records.of", { name: one.taskName }),
        click: () => showRecords(one.taskId),
      }, one.taskName),
      one.taskId,
      count(one.estimated),
      count(one.sent),
      count(one.failed),
      one.startedAt ? time(one.startedAt) : "—",
      one.endedAt ? time(one.endedAt) : "—",
    ]);
    return all.length > 0 ? [totalOf(first), marked(table(t("tasks.caption"), heads, rows))] : [];
  },
});

const recordsPart = pagedPart("records", {
  idle: "records.idle",
  path: () => "/sobot/records",
  items: "records",
  none: () => t("records.none"),
  draw({ first, all }) {
    const heads = [
      column(t("recipient")),
      column(t("record.status")),
      column(t("task.name"), "long"),
      column(t("record.sender")),
      column(t("record.at", { zone: zone() })),
      column(t("message.id"), "long"),
    ];
    const rows = all.map((one) => [
      USER.test(one.recipient)
        ? el("button", { type: "button", class: "link id", click: () => lookUpUser(one.recipient) }, one.recipient)
        : one.recipient,
      one.sent ? t("record.sent") : t("record.failed.code", { code: one.errorCode }),
      one.taskName,
      one.sender,
      one.sentAt ? time(one.sentAt) : "—",
      one.messageIds.join(", "),
    ]);
    return all.length > 0 ? [totalOf(first), marked(table(t("records.caption"), heads, rows))] : [];
  },
});

const bothOrNeither = (from, to) => ($(from).value === "") === ($(to).value === "");

function loadTasks() {
  if (!bothOrNeither("tasks-from", "tasks-to")) {
    tasksPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  tasksPart.open({ from: $("tasks-from").value, to: $("tasks-to").value, taskName: $("tasks-name").value.trim() });
}

function loadRecords() {
  if (!bothOrNeither("records-from", "records-to")) {
    recordsPart.fail(new Trouble(0, () => t("error.dates")));
    return;
  }
  recordsPart.open({
    from: $("records-from").value,
    to: $("records-to").value,
    status: $("records-status").value,
    taskId: $("records-task").value.trim(),
    taskName: $("records-name").value.trim(),
    recipient: $("records-recipient").value.trim(),
  });
}

function showRecords(task) {
  $("records-task").value = task;
  loadRecords();
  $("title-records").focus();
}

function openSobot() {
  if (tasksPart.value() === undefined) {
    loadTasks();
  }
}

// ---- What operators did

const auditPart = pagedPart("audit", {
  path: () => "/audit",
  items: "entries",
  none: () => t("audit.none"),
  draw({ all }) {
    const heads = [
      column(t("audit.subject"), "id"),
      column(t("audit.by")),
      column(t("audit.at", { zone: zone() })),
      column(t("audit.reason"), "long"),
      column(t("audit.detail"), "long"),
    ];
    const subject = (
      one,
    ) => (one.kind === "resend" && ID.test(one.subject)
      ? orderLink(one.subject)
      : one.kind === "switch"
      ? named("switch", one.subject)
      : one.kind === "redrive"
      ? named("queue", one.subject)
      : one.subject);
    const rows = all.map((one) => [subject(one), one.by, time(one.at), one.reason, detailOf(one)]);
    return all.length > 0 ? marked(table(t("audit.caption"), heads, rows)) : [];
  },
});

function detailOf({ kind, detail }) {
  if (kind === "switch" && typeof detail?.enabled === "boolean") {
    return t(detail.enabled ? "turned.on" : "turned.off");
  }
  const entries = Object.entries(detail ?? {});
  return entries.length > 0
    ? entries.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ")
    : "—";
}

function openAudit() {
  auditPart.open({ kind: $("kind").value });
}

// ---- The dialog that asks for a reason

const dialog = {
  wanted: null,
  busy: false,
  twice: false,

  ask(wanted) {
    if (this.wanted !== null) {
      return;
    }
    this.wanted = wanted;
    this.twice = wanted.twice === true;
    $("dialog-title").textContent = wanted.title();
    $("dialog-text").replaceChildren(...wanted.text());
    $("dialog-reason").value = "";
    $("dialog-reason").setAttribute("aria-invalid", "false");
    $("dialog-force").checked = false;
    this.problem();
    this.draw();
    $("dialog").showModal();
    $("dialog-reason").focus();
  },

  draw() {
    const { confirm, forced, danger } = this.wanted;
    $("dialog-twice").hidden = !this.twice;
    $("dialog-confirm").textContent = this.busy ? t("loading") : t(this.twice ? forced : confirm);
    $("dialog-confirm").className = danger || this.twice ? "danger-main" : "main";
    $("dialog-confirm").disabled = this.busy;
    $("dialog-cancel").disabled = this.busy;
    $("dialog-reason").readOnly = this.busy;
    $("dialog-force").disabled = this.busy;
  },

  problem(...nodes) {
    $("dialog-error").replaceChildren(...nodes);
  },

  async confirm(event) {
    event.preventDefault();
    if (this.busy || this.wanted === null) {
      return;
    }
    const reason = $("dialog-reason").value.trim();
    $("dialog-reason").setAttribute("aria-invalid", String(reason === ""));
    if (reason === "") {
      this.problem(t("why.needed"));
      $("dialog-reason").focus();
      return;
    }
    const force = this.twice;
    if (force && !$("dialog-force").checked) {
      this.problem(t("twice.needed"));
      $("dialog-force").focus();
      return;
    }
    this.problem();
    this.busy = true;
    this.draw();
    const { wanted } = this;
    try {
      const next = await wanted.send(reason, force);
      this.busy = false;
      if (next === "twice") {
        // The second decision is one of its own: nothing is ticked beforehand.
        this.twice = true;
        this.draw();
        $("dialog-force").focus();
      } else {
        this.close();
      }
    } catch (trouble) {
      this.busy = false;
      if (!(trouble instanceof Gone) && this.wanted === wanted) {
        // The browser closes a dialog at the second Escape, whatever is going on.
        if (!$("dialog").open) {
          $("dialog").showModal();
        }
        this.draw();
        this.problem(...troubleNodes(trouble));
        $("dialog-confirm").focus();
      }
    }
  },

  close() {
    const focus = this.wanted?.focus;
    this.wanted = null;
    $("dialog").close();
    focus?.()?.focus();
  },

  /** The key is gone, and with it whatever was asked. */
  abandon() {
    this.wanted = null;
    this.busy = false;
    $("dialog").close();
  },
};

// ---- The whole page

function setLanguage(wanted) {
  language = wanted;
  document.documentElement.lang = language;
  $("language").value = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  drawReasons();
  drawQueueChoice();
  $("where").textContent = location.host;
  $("footer").textContent = t("zone", { zone: `${ZONE} (${zone()})` });
  for (const one of parts) {
    one.show();
  }
  drawBanner();
  showGate();
  document.title = isOpen() ? `${t(VIEWS[place().name].word)} · ${t("title")}` : t("title");
}

function onSubmit(id, handle) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    handle();
  });
}

$("gate-form").addEventListener("submit", unlock);
$("lock").addEventListener("click", () => lock("gate.locked"));
$("language").addEventListener("change", () => setLanguage($("language").value));
$("skip").addEventListener("click", (event) => {
  // Its hash would be taken for a view.
  event.preventDefault();
  $("main").focus();
});
$("refresh").addEventListener("click", () => openOverview("", false, true));
$("switch-changes").addEventListener("toggle", () => {
  if ($("switch-changes").open && isOpen()) {
    historyPart.open({ kind: "switch", limit: 10 }, { keep: true });
  }
});
$("day").addEventListener("change", () => loadList());
$("day-before").addEventListener("click", () => moveDay(-1));
$("day-after").addEventListener("click", () => moveDay(1));
$("state").addEventListener("change", () => loadList());
$("reason").addEventListener("change", () => loadList());
$("dead-refresh").addEventListener("click", () => loadDead(true));
$("queue").addEventListener("change", () => loadDead(false));
$("kind").addEventListener("change", openAudit);
onSubmit("order-form", () => {
  const id = $("order-id").value.trim();
  if (ID.test(id)) {
    go(`#order=${encodeURIComponent(id)}`);
  } else {
    lookUp(id);
  }
});
onSubmit("user-form", () => loadUser($("user-id").value.trim()));
onSubmit("unlink-form", () => askUnlink($("member-id").value.trim()));
onSubmit("tasks-form", loadTasks);
onSubmit("records-form", loadRecords);
$("dialog-form").addEventListener("submit", (event) => dialog.confirm(event));
$("dialog-cancel").addEventListener("click", () => dialog.close());
$("dialog").addEventListener("cancel", (event) => {
  if (dialog.busy) {
    event.preventDefault();
  }
});
$("dialog").addEventListener("close", () => {
  if (dialog.wanted !== null && !dialog.busy) {
    dialog.close();
  }
});

for (const name of ["pointerdown", "keydown", "wheel", "touchstart"]) {
  addEventListener(name, touched, { passive: true });
}
addEventListener("hashchange", () => route());
// A page that the browser keeps for its Back button must not keep the key.
addEventListener("pagehide", () => lock());
document.addEventListener("visibilitychange", forgetWhenIdle);
// Short steps: a computer that slept wakes up past the time.
setInterval(forgetWhenIdle, 5000);
setInterval(() => {
  if (isOpen() && document.visibilityState === "visible" && !$("dialog").open) {
    const before = JSON.stringify(switches);
    loadSwitches().then((value) => JSON.stringify(value) !== before && switchesPart.put(value), () => {});
  }
}, SWITCHES_EVERY);

setLanguage(language);
show();
$("key").focus();
