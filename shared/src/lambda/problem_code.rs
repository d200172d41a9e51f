//! What can be wrong with a call, as a word that a program may branch on: the extension member `code` of a problem
//! (RFC 9457, 3.2). What a caller does about each stands in `functions/openapi.yaml`; a word that is out stays.

use lambda_http::http::StatusCode;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// The address of the call cannot be read.
    BadAddress,
    /// Fields or parameters are wrong; `errors` names each.
    Fields,
    /// The body of a webhook is not what LINE sends.
    NotAWebhook,
    /// The key is missing, wrong, or no longer good.
    Unauthorized,
    /// A webhook without LINE's signature.
    NotSigned,
    /// The key is good, and not for this.
    MissingScope,
    /// The order was never received as finished.
    NoSuchOrder,
    /// The member has no link that could be shown or ended.
    NoSuchLink,
    /// No switch has this name.
    NoSuchSwitch,
    /// It is not in the queue, or is being listed.
    NoSuchDeadLetter,
    /// The user sent no such media, or unsent it.
    NoSuchMedia,
    /// LINE has deleted the media.
    MediaGone,
    /// The stack has no credential of Sobot's.
    NoSobot,
    /// No recovery has this id.
    NoSuchRecovery,
    /// The operation does not exist.
    NoSuchOperation,
    /// The order's id was received with other content.
    OrderConflict,
    /// The order's delivery is still under way.
    InFlight,
    /// LINE has the message, or may have it.
    MayArriveTwice,
    /// The order's customer was forgotten.
    Erased,
    /// The order's member has no LINE user.
    NotLinked,
    /// A login made a new link meanwhile.
    LinkedAnew,
    /// A report has no queue to go back to.
    ReportNotRedriven,
    /// SQS does not start a redrive.
    RedriveRefused,
    /// A redrive of the queue runs.
    RedriveRunning,
    /// The dead letter's order is being delivered without it.
    LetterOnItsWay,
    /// Another recovery runs or is paused.
    RecoveryActive,
    /// The recovery has ended.
    RecoveryOver,
    /// The media is larger than an answer may be.
    MediaTooLarge,
    /// Sobot does not say where the media is.
    MediaRefused,
    /// The body is too large.
    TooLarge,
    /// The body has too many events for one that LINE did not sign.
    TooManyEvents,
    /// The body is not declared as JSON.
    NotJson,
    /// Something that is needed does not answer.
    Unavailable,
    /// LINE still prepares the media.
    MediaPreparing,
}

impl ProblemCode {
    /// Every code.
    pub const ALL: [Self; 34] = [
        Self::BadAddress,
        Self::Fields,
        Self::NotAWebhook,
        Self::Unauthorized,
        Self::NotSigned,
        Self::MissingScope,
        Self::NoSuchOrder,
        Self::NoSuchLink,
        Self::NoSuchSwitch,
        Self::NoSuchDeadLetter,
        Self::NoSuchMedia,
        Self::MediaGone,
        Self::NoSobot,
        Self::NoSuchRecovery,
        Self::NoSuchOperation,
        Self::OrderConflict,
        Self::InFlight,
        Self::MayArriveTwice,
        Self::Erased,
        Self::NotLinked,
        Self::LinkedAnew,
        Self::ReportNotRedriven,
        Self::RedriveRefused,
        Self::RedriveRunning,
        Self::LetterOnItsWay,
        Self::RecoveryActive,
        Self::RecoveryOver,
        Self::MediaTooLarge,
        Self::MediaRefused,
        Self::TooLarge,
        Self::TooManyEvents,
        Self::NotJson,
        Self::Unavailable,
        Self::MediaPreparing,
    ];

    /// The word in an answer, and the HTTP status that it always comes with.
    const fn word(self) -> (&'static str, StatusCode) {
        match self {
            Self::BadAddress => ("bad_address", StatusCode::BAD_REQUEST),
            Self::Fields => ("fields", StatusCode::BAD_REQUEST),
            Self::NotAWebhook => ("not_a_webhook", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED),
            Self::NotSigned => ("not_signed", StatusCode::UNAUTHORIZED),
            Self::MissingScope => ("missing_scope", StatusCode::FORBIDDEN),
            Self::NoSuchOrder => ("no_such_order", StatusCode::NOT_FOUND),
            Self::NoSuchLink => ("no_such_link", StatusCode::NOT_FOUND),
            Self::NoSuchSwitch => ("no_such_switch", StatusCode::NOT_FOUND),
            Self::NoSuchDeadLetter => ("no_such_dead_letter", StatusCode::NOT_FOUND),
            Self::NoSuchMedia => ("no_such_media", StatusCode::NOT_FOUND),
            Self::MediaGone => ("media_gone", StatusCode::NOT_FOUND),
            Self::NoSobot => ("no_sobot", StatusCode::NOT_FOUND),
            Self::NoSuchRecovery => ("no_such_recovery", StatusCode::NOT_FOUND),
            Self::NoSuchOperation => ("no_such_operation", StatusCode::NOT_FOUND),
            Self::OrderConflict => ("order_conflict", StatusCode::CONFLICT),
            Self::InFlight => ("in_flight", StatusCode::CONFLICT),
            Self::MayArriveTwice => ("may_arrive_twice", StatusCode::CONFLICT),
            Self::Erased => ("erased", StatusCode::CONFLICT),
            Self::NotLinked => ("not_linked", StatusCode::CONFLICT),
            Self::LinkedAnew => ("linked_anew", StatusCode::CONFLICT),
            Self::ReportNotRedriven => ("report_not_redriven", StatusCode::CONFLICT),
            Self::RedriveRefused => ("redrive_refused", StatusCode::CONFLICT),
            Self::RedriveRunning => ("redrive_running", StatusCode::CONFLICT),
            Self::LetterOnItsWay => ("letter_on_its_way", StatusCode::CONFLICT),
            Self::RecoveryActive => ("recovery_active", StatusCode::CONFLICT),
            Self::RecoveryOver => ("recovery_over", StatusCode::CONFLICT),
            Self::MediaTooLarge => ("media_too_large", StatusCode::CONFLICT),
            Self::MediaRefused => ("media_refused", StatusCode::CONFLICT),
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::TooManyEvents => ("too_many_events", StatusCode::PAYLOAD_TOO_LARGE),
            Self::NotJson => ("not_json", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::MediaPreparing => ("media_preparing", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The word in an answer.
    pub const fn name(self) -> &'static str {
        self.word().0
    }

    /// The HTTP status that it always comes with.
    pub const fn status(self) -> StatusCode {
        self.word().1
    }
}
