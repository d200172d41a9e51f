//! What becomes of what a new link took the place of: the former LINE user is told, in LINE and in its own
//! language, and its grant ends at LINE. And what becomes of a login that links nobody: its grant ends.
//!
//! Whether there is a link is settled by then, so nothing of this can undo it, and the customer waits for it only so
//! long. A grant that could not be ended is for its user to end, in LINE; so is that of a customer who is asked whether
//! to replace something, and leaves: its tokens are in that page alone, sealed. And where the table does not say
//! whether the link was written, its token is left alive.

use shared::{
    customer::{
        link::{Link, NewLink, Replaced},
        login_secret::LoginSecret,
        unlink::end_grant,
    },
    ids::LineUserId,
    language::Language,
    line::client::{LineError, Profile},
    token::access::AccessToken,
};
use tokio::time::{error::Elapsed, timeout};

use crate::{LineLogin, callback::MAX_ASKING, words::words};

impl LineLogin {
    pub(crate) async fn take_leave(&self, secret: &LoginSecret, replaced: &Replaced) {
        let all = async {
            tokio::join!(
                async {
                    if let Some(former) = &replaced.user {
                        tokio::join!(self.tell(&former.user), self.end_grant(secret, former));
                    }
                },
                self.revoke_earlier_token(secret, replaced)
            )
        };
        if timeout(MAX_ASKING, all).await.is_err() {
            tracing::warn!("a former LINE user is not told, or its grant not ended: LINE took too long");
        }
    }

    /// One line by LINE to the user that gets no more notifications; where LINE has no profile, a push would reach
    /// nobody.
    async fn tell(&self, former: &LineUserId) {
        let told = match self.channel.profile(former).await {
            Ok(None) => return,
            Ok(Some(Profile { language, .. })) => {
                let language = language.as_deref().and_then(Language::nearest).unwrap_or(self.default_language);
                self.channel.push_text(former, words(language).moved).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(line.user = ?former, %error, "a former LINE user could not be told");
        }
    }

    async fn end_grant(&self, secret: &LoginSecret, Link { user, tokens }: &Link) {
        match end_grant(&self.client, &secret.channel, tokens).await {
            Ok(grant) => tracing::info!(line.user = ?user, ?grant, "the grant of a former LINE user ended"),
            Err(error) => {
                tracing::warn!(line.user = ?user, %error, "the grant of a former LINE user could not be ended")
            }
        }
    }

    /// The same LINE user logged in before: that grant goes on, and only its earlier token is of no use any more.
    async fn revoke_earlier_token(&self, secret: &LoginSecret, replaced: &Replaced) {
        if let Some(token) = &replaced.earlier_token {
            self.revoke(secret, token).await;
        }
    }

    /// The login may replace nothing. Its grant ends, unless the LINE user's link to another member lives by it.
    pub(crate) async fn give_back(&self, secret: &LoginSecret, link: &NewLink, kept: &Replaced) {
        if kept.member.is_some() {
            return self.revoke(secret, &link.token).await;
        }
        match in_time(self.client.deauthorize(&secret.channel, &link.token)).await {
            Ok(grant) => tracing::info!(line.user = ?link.user, ?grant, "the grant of a login without a link ended"),
            Err(error) => {
                tracing::warn!(line.user = ?link.user, %error, "the grant of a login without a link could not be ended");
            }
        }
    }

    /// A token of no use ends, and its grant goes on.
    pub(crate) async fn revoke(&self, secret: &LoginSecret, token: &AccessToken) {
        if let Err(error) = in_time(self.client.revoke(&secret.channel, token)).await {
            tracing::warn!(%error, "a token of no use could not be revoked");
        }
    }
}

/// LINE did not do it, or not in time.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    Refused(#[from] LineError),
    #[error(transparent)]
    Late(#[from] Elapsed),
}

/// What LINE answers while the customer may be let wait.
async fn in_time<T>(asking: impl Future<Output = Result<T, LineError>>) -> Result<T, NotDone> {
    Ok(timeout(MAX_ASKING, asking).await??)
}
