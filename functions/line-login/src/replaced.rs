//! What becomes of what a new link took the place of: the former LINE user is told, in LINE and in its own
//! language, and its grant ends at LINE.
//!
//! The link is made by then, so nothing of this can undo it, and the customer waits for it only so long. A grant that
//! could not be ended is for its user to end, in LINE.

use shared::{
    customer::{
        link::{Link, Replaced},
        login_secret::LoginSecret,
        unlink::end_grant,
    },
    ids::LineUserId,
    language::Language,
    line::client::Profile,
};
use tokio::time::timeout;

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
        if let Some(token) = &replaced.earlier_token
            && let Err(error) = self.client.revoke(&secret.channel, token).await
        {
            tracing::warn!(%error, "an earlier token could not be revoked");
        }
    }
}
