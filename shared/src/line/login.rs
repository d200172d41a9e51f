//! LINE Login: one function per endpoint, and the check of the ID token.
//!
//! Sources: LINE, "Integrating LINE Login with your web app", "LINE Login v2.1 API reference" (issue access token,
//! refresh, revoke, friendship status, deauthorize), "ID tokens", "PKCE support", "Issue
//! stateless channel access token".
//!
//! It talks to the same host as [`LineClient`], with another channel's secret and other parameters: the two never mix.

use std::{fmt, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use reqwest::{Method, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    customer::friend::Friendship,
    ids::LineUserId,
    line::client::{LineAnswer, LineClient, LineError, NoAnswer},
    outbound::{Connection, HttpClients},
    token::access::{AccessToken, RefreshToken},
};

/// Who signs ID tokens, and where authorization requests go.
pub const ISSUER: &str = "https://access.line.me";
/// No call takes longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A refresh token lives so long after its login; a new access token does not prolong it.
pub const REFRESH_LIFE: time::Duration = time::Duration::days(90);
/// LINE's clock and ours may differ by this much.
const LEEWAY: time::Duration = time::Duration::seconds(30);

/// The LINE Login channel. Its `Debug` shows no secret.
pub struct LoginChannel {
    id: String,
    secret: String,
    id_token_key: DecodingKey,
}

impl fmt::Debug for LoginChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginChannel({})", self.id)
    }
}

/// What a code is exchanged for. Without `Debug`: the ID token is never printed.
pub struct UserGrant {
    /// Acts for the user.
    pub access_token: AccessToken,
    /// How long it is valid from now on.
    pub life: Duration,
    /// Gives another access token, for [`REFRESH_LIFE`].
    pub refresh_token: Option<RefreshToken>,
    /// Says who the user is, once [`LoginChannel::verify_id_token`] has checked it. Never for a log.
    pub id_token: String,
}

/// An ID token that is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// No HS256 JWT with this channel's signature.
    #[error("it is not signed with HS256 and this channel's secret")]
    Signature,
    /// `iss`.
    #[error("iss is not LINE")]
    Issuer,
    /// `aud`.
    #[error("aud is not this channel")]
    Audience,
    /// `exp`.
    #[error("exp has passed")]
    Expired,
    /// `nonce`.
    #[error("nonce is not the one of this login")]
    Nonce,
    /// `sub`.
    #[error("sub is not a LINE user id")]
    Subject,
    /// Signed by LINE, and not as documented.
    #[error("its claims are not as documented")]
    Claims,
}

/// What LINE says to the end of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deauthorized {
    /// The grant has ended now.
    Now,
    /// LINE does not know the user's token any more: the user has ended the grant in LINE, or it has expired.
    Before,
}

impl LoginChannel {
    /// The channel of this id and secret.
    pub fn new(id: String, secret: String) -> Self {
        let id_token_key = DecodingKey::from_secret(secret.as_bytes());
        Self { id, secret, id_token_key }
    }

    /// The channel's id: `client_id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who logged in. A web login is signed with HS256 and the channel secret; whatever else the token's header says,
    /// is refused (LINE, "ID tokens").
    pub fn verify_id_token(
        &self,
        id_token: &str,
        nonce: &str,
        now: OffsetDateTime,
    ) -> Result<LineUserId, IdTokenError> {
        #[derive(Deserialize)]
        struct Claims {
            sub: String,
            exp: i64,
            nonce: Option<String>,
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[&self.id]);
        validation.set_required_spec_claims(&["iss", "aud"]);
        // Checked below, against the clock that is given.
        validation.validate_exp = false;
        let decoded =
            decode::<Value>(id_token, &self.id_token_key, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidIssuer => IdTokenError::Issuer,
                ErrorKind::InvalidAudience => IdTokenError::Audience,
                ErrorKind::MissingRequiredClaim(_) => IdTokenError::Claims,
                _ => IdTokenError::Signature,
            })?;
        let claims: Claims = serde_json::from_value(decoded.claims).map_err(|_| IdTokenError::Claims)?;
        let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp).map_err(|_| IdTokenError::Claims)?;
        if expires_at + LEEWAY <= now {
            return Err(IdTokenError::Expired);
        }
        verify_slices_are_equal(claims.nonce.unwrap_or_default().as_bytes(), nonce.as_bytes())
            .map_err(|_| IdTokenError::Nonce)?;
        LineUserId::parse(&claims.sub).map_err(|_| IdTokenError::Subject)
    }
}

/// The wire to LINE Login.
#[derive(Clone, Debug)]
pub struct LoginClient {
    line: LineClient,
}

impl LoginClient {
    /// A client for `api_base`, such as `https://api.line.me`.
    pub fn new(http: &HttpClients, api_base: &str) -> Self {
        Self { line: LineClient::new(http, api_base, CALL_TIMEOUT) }
    }

    /// The connection to LINE, for [`open`](crate::outbound::open).
    pub fn connection(&self) -> Connection {
        self.line.connection()
    }

    /// `POST /oauth2/v2.1/token`: exchanges a code. Never repeated: the code is spent even if the exchange fails.
    pub async fn exchange(
        &self,
        channel: &LoginChannel,
        code: &str,
        redirect_uri: &str,
        code_verifier: &str,
    ) -> Result<UserGrant, LineError> {
        #[derive(Deserialize)]
        struct Body {
            access_token: String,
            expires_in: u64,
            refresh_token: Option<String>,
            id_token: String,
        }
        const PATH: &str = "/oauth2/v2.1/token";
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", &channel.id),
            ("client_secret", &channel.secret),
            ("code_verifier", code_verifier),
        ];
        let request = self.line.request(Method::POST, PATH, None).form(&form);
        let body: Body = self.line.call(PATH, request).await?.into_json()?;
        Ok(UserGrant {
            access_token: AccessToken::new(body.access_token),
            life: Duration::from_secs(body.expires_in),
            refresh_token: body.refresh_token.map(RefreshToken::new),
            id_token: body.id_token,
        })
    }

    /// `POST /oauth2/v2.1/token`: another access token of the user's; `None` where the grant is over, or the token is.
    pub async fn refresh(
        &self,
        channel: &LoginChannel,
        token: &RefreshToken,
    ) -> Result<Option<AccessToken>, LineError> {
        #[derive(Deserialize)]
        struct Body {
            access_token: String,
        }
        const PATH: &str = "/oauth2/v2.1/token";
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.reveal()),
            ("client_id", &channel.id),
            ("client_secret", &channel.secret),
        ];
        let answer = self.line.call(PATH, self.line.request(Method::POST, PATH, None).form(&form)).await?;
        // `invalid_client` is a 400 as well, and says nothing about the user.
        if answer.status == 400 && answer.body.contains("invalid_grant") {
            return Ok(None);
        }
        let body: Body = answer.into_json()?;
        Ok(Some(AccessToken::new(body.access_token)))
    }

    /// `POST /oauth2/v2.1/revoke`: this access token of the user's ends, and the grant goes on.
    pub async fn revoke(&self, channel: &LoginChannel, token: &AccessToken) -> Result<(), LineError> {
        const PATH: &str = "/oauth2/v2.1/revoke";
        let form = [("access_token", token.reveal()), ("client_id", &channel.id), ("client_secret", &channel.secret)];
        let answer = self.line.call(PATH, self.line.request(Method::POST, PATH, None).form(&form)).await?;
        match answer.status {
            200..300 => Ok(()),
            status => Err(LineError::Status { status, text: answer.error_text() }),
        }
    }

    /// `GET /friendship/v1/status` with the user's own token: a friend, and not blocking. Asked a second time where
    /// LINE does not answer or fails.
    pub async fn friendship(&self, user: &AccessToken) -> Result<Friendship, LineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            friend_flag: bool,
        }
        const PATH: &str = "/friendship/v1/status";
        let ask = async || self.line.call(PATH, self.line.request(Method::GET, PATH, Some(user))).await;
        let answer = match ask().await {
            Err(NoAnswer { .. }) | Ok(LineAnswer { status: 500.., .. }) => ask().await,
            answered => answered,
        }?;
        let body: Body = answer.into_json()?;
        Ok(if body.friend_flag { Friendship::Friend } else { Friendship::NotAFriend })
    }

    /// `POST /user/v1/deauthorize`: ends all that the user granted to this channel, by any token of that user; it wants
    /// a channel access token beside (v2.1 or stateless).
    pub async fn deauthorize(&self, channel: &LoginChannel, user: &AccessToken) -> Result<Deauthorized, LineError> {
        let channel_token = self.stateless_token(channel).await?;
        const PATH: &str = "/user/v1/deauthorize";
        let request = self
            .line
            .request(Method::POST, PATH, Some(&channel_token))
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "userAccessToken": user.reveal() }).to_string());
        let answer = self.line.call(PATH, request).await?;
        match answer.status {
            200..300 => Ok(Deauthorized::Now),
            // The channel's token is seconds old and the body is ours: only the user's token can be wrong.
            400 => Ok(Deauthorized::Before),
            status => Err(LineError::Status { status, text: answer.error_text() }),
        }
    }

    /// `POST /oauth2/v3/token`: a channel access token for fifteen minutes. Rarely needed, so nobody keeps it.
    async fn stateless_token(&self, channel: &LoginChannel) -> Result<AccessToken, LineError> {
        #[derive(Deserialize)]
        struct Body {
            access_token: String,
        }
        const PATH: &str = "/oauth2/v3/token";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", channel.id.as_str()),
            ("client_secret", channel.secret.as_str()),
        ];
        let request = self.line.request(Method::POST, PATH, None).form(&form);
        let body: Body = self.line.call(PATH, request).await?.into_json()?;
        Ok(AccessToken::new(body.access_token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};

    const NOW: i64 = 1_788_227_400;
    const USER: &str = "U0123456789abcdef0123456789abcdef";

    fn verify(algorithm: Algorithm, secret: &str, changes: Value) -> Result<LineUserId, IdTokenError> {
        let mut claims = json!({
            "iss": ISSUER, "sub": USER, "aud": "1234567890", "exp": NOW + 3600, "iat": NOW, "nonce": "n-1", "amr": ["linesso"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let token = encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        let channel = LoginChannel::new("1234567890".to_owned(), "hunter2".to_owned());
        channel.verify_id_token(&token, "n-1", OffsetDateTime::from_unix_timestamp(NOW).unwrap())
    }

    #[test]
    fn an_id_token_is_believed_only_as_a_whole() {
        assert_eq!(verify(Algorithm::HS256, "hunter2", json!({})).unwrap().as_str(), USER);
        assert_eq!(verify(Algorithm::HS256, "hunter2", json!({ "exp": NOW - 29 })).unwrap().as_str(), USER);
        for (algorithm, secret, changes, expected) in [
            (Algorithm::HS384, "hunter2", json!({}), IdTokenError::Signature),
            (Algorithm::HS256, "hunter3", json!({}), IdTokenError::Signature),
            (Algorithm::HS256, "hunter2", json!({ "iss": "https://access.line.me.example" }), IdTokenError::Issuer),
            (Algorithm::HS256, "hunter2", json!({ "iss": null }), IdTokenError::Claims),
            (Algorithm::HS256, "hunter2", json!({ "aud": "1234567891" }), IdTokenError::Audience),
            (Algorithm::HS256, "hunter2", json!({ "exp": NOW - 30 }), IdTokenError::Expired),
            (Algorithm::HS256, "hunter2", json!({ "exp": null }), IdTokenError::Claims),
            (Algorithm::HS256, "hunter2", json!({ "nonce": "n-2" }), IdTokenError::Nonce),
            (Algorithm::HS256, "hunter2", json!({ "nonce": null }), IdTokenError::Nonce),
            (Algorithm::HS256, "hunter2", json!({ "sub": "somebody" }), IdTokenError::Subject),
        ] {
            assert_eq!(verify(algorithm, secret, changes.clone()), Err(expected), "{changes}");
        }
    }
}
