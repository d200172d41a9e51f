//! Unlinks a member: the grant ends at LINE, then the link is removed.
//!
//! LINE's development guidelines for LINE Login ask for the first when a user unlinks or leaves the service, and a user
//! who ends the grant inside LINE does not end our link: so both are done here, in this order. If LINE cannot be
//! reached nothing is removed, and the same call again goes on where this one stopped; after a crash in between LINE
//! answers that the grant is gone, and the link goes, too.

use crate::{
    aws::{
        error::AwsError,
        secret::{Secret, SecretError},
    },
    clock::Clock,
    customer::{
        link::{KeptTokens, Link, Links},
        login_secret::LoginSecret,
    },
    ids::MemberId,
    line::{
        client::LineError,
        login::{Deauthorized, LoginChannel, LoginClient},
    },
};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// There was no link.
    NotLinked,
    /// The link is removed.
    Removed {
        /// What LINE said; `None` where the login is more than ninety days old, so that only the user can end the
        /// grant, in LINE.
        grant: Option<Deauthorized>,
    },
}

/// The link stands as before; the same call again is safe.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// LINE did not take the end of the grant.
    #[error("the grant could not be ended: {0}")]
    Line(#[from] LineError),
    /// The login secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The table.
    #[error(transparent)]
    Store(#[from] AwsError),
    /// The member logged in at the same time, and the new link is another one.
    #[error("the member was linked anew at the same time")]
    LinkedAnew,
}

/// Removes the link of a member.
pub async fn unlink(
    member: &MemberId,
    links: &Links,
    client: &LoginClient,
    secret: &Secret<LoginSecret>,
    clock: Clock,
) -> Result<Unlinked, UnlinkError> {
    let secret = secret.get().await?;
    let link = links.get(member, &secret.sealing_key, clock.now()).await?;
    let Some(Link { user, tokens }) = link else { return Ok(Unlinked::NotLinked) };
    let grant = end_grant(client, &secret.channel, &tokens).await?;
    if !links.remove(member, &user, clock.now()).await? {
        return Err(UnlinkError::LinkedAnew);
    }
    tracing::info!(member.id = %member, line.user = ?user, ?grant, "unlinked");
    Ok(Unlinked::Removed { grant })
}

/// Ends what a user granted, by the tokens that were kept of it; `None` where they are too old for that.
pub async fn end_grant(
    client: &LoginClient,
    channel: &LoginChannel,
    tokens: &KeptTokens,
) -> Result<Option<Deauthorized>, LineError> {
    let access = match (&tokens.access, &tokens.refresh) {
        (Some(access), _) => access.clone(),
        (None, Some(refresh)) => match client.refresh(channel, refresh).await? {
            Some(access) => access,
            // The refresh token is not too old, so it is the grant that is over.
            None => return Ok(Some(Deauthorized::Before)),
        },
        (None, None) => return Ok(None),
    };
    client.deauthorize(channel, &access).await.map(Some)
}
