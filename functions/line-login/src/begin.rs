//! The way to LINE: `GET /login` says what will happen, and the button of its page, `POST /login`, begins it.

use std::sync::Arc;

use lambda_http::{Body, Response};
use shared::{
    customer::{
        link_token::{LinkToken, LinkTokenError, Replace},
        login_secret::LoginSecret,
        used_token::TokenClaim,
    },
    ids::LineUserId,
};
use url::form_urlencoded;

use crate::{
    Answer, Ended, LineLogin, Visit, not_ready,
    pages::{self, LoginPage, Who},
    set_cookie,
    state::{BrowserSecret, Login},
    unavailable,
};

/// What the app's link asks for, once it is believed.
struct Wish {
    token: LinkToken,
    return_url: Option<String>,
    /// The member's LINE user now, which another one may take the place of.
    former_user: Option<LineUserId>,
}

impl Wish {
    /// Whether the app wants the link kept that stands.
    fn is_forbidden(&self) -> bool {
        self.former_user.is_some() && self.token.replace == Replace::Never
    }

    fn ended(&self, page: LoginPage) -> Ended {
        Ended { page, return_url: self.return_url.clone() }
    }
}

impl LineLogin {
    /// `GET /login`. Nothing is written: whatever opens the app's link before the customer does, takes nothing away.
    pub(crate) async fn offer(&self, visit: &Visit) -> Answer {
        let mut wish = self.wish(visit).await?;
        let (former_user, claim) = tokio::join!(self.former_user(&wish), self.claim_of(visit, &wish));
        wish.former_user = former_user?;
        self.offer_to(visit, wish, claim?)
    }

    async fn claim_of(&self, visit: &Visit, wish: &Wish) -> Result<TokenClaim, Ended> {
        let holder = visit.browser.as_ref().map(|browser| browser.holder(&wish.token.jti, wish.token.member.as_str()));
        let claim = self.used_tokens.look(&wish.token.jti, holder.as_deref()).await;
        claim.map_err(|error| wish.ended(unavailable(error)))
    }

    fn offer_to(&self, visit: &Visit, wish: Wish, claim: TokenClaim) -> Answer {
        match claim {
            TokenClaim::Ours if wish.is_forbidden() => Err(wish.ended(LoginPage::AlreadyLinked)),
            TokenClaim::Ours => Ok(self.offer_page(visit, &wish)),
            TokenClaim::Spent(linked) => self.done(linked, wish.return_url.as_deref(), visit.language),
            TokenClaim::Foreign => Err(belongs_to_another(&wish)),
        }
    }

    /// `POST /login`: the button. It is pressed where the page was shown: the cookie is sent with no form of another
    /// site (`SameSite=Lax`), and `shown` belongs to this browser, this link token and what the page said of them.
    pub(crate) async fn begin(&self, visit: &Visit) -> Answer {
        let mut wish = self.wish(visit).await?;
        wish.former_user = self.former_user(&wish).await?;
        let Some(browser) = &visit.browser else {
            tracing::warn!(member.id = %wish.token.member, "the browser keeps no cookies");
            return Err(wish.ended(LoginPage::OtherBrowser));
        };
        let is_shown = visit.parameter("shown") == browser.shown(&wish.token, wish.former_user.as_ref());
        if !is_shown || wish.is_forbidden() {
            let claim = self.claim_of(visit, &wish).await?;
            return self.offer_to(visit, wish, claim);
        }
        let holder = browser.holder(&wish.token.jti, wish.token.member.as_str());
        let claim = self.used_tokens.claim(&wish.token.jti, &holder, wish.token.expires_at).await;
        match claim.map_err(|error| wish.ended(unavailable(error)))? {
            TokenClaim::Ours => {}
            TokenClaim::Spent(linked) => return self.done(linked, wish.return_url.as_deref(), visit.language),
            TokenClaim::Foreign => return Err(belongs_to_another(&wish)),
        }
        let secret = self.secret.get().await.map_err(|error| wish.ended(unavailable(error)))?;
        // A browser that never saw the answer to its last login would not see this one's either.
        let in_browser = browser.awaits_line() || wants_no_auto_login(visit);
        let address = self.authorization(&secret, browser, wish, &visit.callback_url, in_browser);
        let mut response = pages::go_on(visit.language, &address, in_browser);
        set_cookie(&mut response, &browser.sent_to_line());
        Ok(response)
    }

    fn offer_page(&self, visit: &Visit, wish: &Wish) -> Response<Body> {
        let browser = visit.browser.clone().unwrap_or_else(BrowserSecret::random);
        let shown = browser.shown(&wish.token, wish.former_user.as_ref());
        let mut fields = vec![("token", visit.parameter("token")), ("shown", &shown)];
        fields.extend(wants_no_auto_login(visit).then_some(("disable_auto_login", "true")));
        let who = Who { name: wish.token.name.as_deref(), member: &wish.token.member };
        let mut response = pages::offer(visit.language, who, wish.former_user.is_some(), &fields);
        set_cookie(&mut response, &browser);
        response
    }

    /// What the app's link asks for, as far as the app may. No table was asked: it has no LINE user of the member yet.
    async fn wish(&self, visit: &Visit) -> Result<Wish, Ended> {
        let token = self.link_token(visit.parameter("token")).await?;
        let return_url = match &token.return_url {
            None => None,
            Some(address) => Some(String::from(self.return_urls.allow(address).ok_or_else(|| {
                let error = "the link token: return_url is not allowed by LoginReturnUrls";
                tracing::warn!(member.id = %token.member, error, "link token refused");
                LoginPage::WrongLink
            })?)),
        };
        Ok(Wish { token, return_url, former_user: None })
    }

    async fn former_user(&self, wish: &Wish) -> Result<Option<LineUserId>, Ended> {
        let former_user = self.links.line_user_of(&wish.token.member).await;
        former_user.map_err(|error| wish.ended(unavailable(error)))
    }

    /// The link token; after a rotation the secret is read again.
    async fn link_token(&self, token: &str) -> Result<LinkToken, LoginPage> {
        let now = self.clock.now();
        let verify = |secret: &Arc<LoginSecret>| match secret.link_token_keys.verify(token, now) {
            Err(LinkTokenError::Signature) => None,
            result => Some(result),
        };
        let verified = self.secret.first(verify).await.map_err(not_ready)?;
        verified.unwrap_or(Err(LinkTokenError::Signature)).map_err(|error| {
            tracing::warn!(%error, "link token refused");
            match error {
                LinkTokenError::Expired => LoginPage::TooLate,
                LinkTokenError::NotAToken
                | LinkTokenError::Algorithm
                | LinkTokenError::Signature
                | LinkTokenError::Claim(_) => LoginPage::WrongLink,
            }
        })
    }

    /// The address of LINE's screen. `in_browser`: without auto login, by which LINE may come back to another browser.
    fn authorization(
        &self,
        secret: &LoginSecret,
        browser: &BrowserSecret,
        wish: Wish,
        callback_url: &str,
        in_browser: bool,
    ) -> String {
        let member = wish.token.member.clone();
        let login = Login::begin(browser, wish.token, wish.return_url, wish.former_user.as_ref(), self.clock.now());
        let (state, nonce, challenge) =
            (login.seal(&secret.sealing_key), login.nonce(browser), login.code_challenge(browser));
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", secret.channel.id()),
            ("redirect_uri", callback_url),
            ("state", &state),
            ("scope", "openid profile"),
            ("nonce", &nonce),
            ("bot_prompt", &self.bot_prompt),
            // LINE may skip its screens for a returning user. Then somebody else's link, once clicked, would move the
            // user's LINE account to another member unasked; and nobody would be offered the official account.
            ("prompt", "consent"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if in_browser {
            // The first is LINE's advice; the second is the older one, for iOS alone.
            parameters.extend([("disable_auto_login", "true"), ("disable_ios_auto_login", "true")]);
        }
        // LINE documents %20 between scopes; a form's + is another thing in some servers' eyes.
        let parameters = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        tracing::info!(
            member.id = %member,
            http.method = "GET",
            http.endpoint = "/oauth2/v2.1/authorize",
            bot_prompt = self.bot_prompt,
            disable_auto_login = in_browser,
            "authorization requested"
        );
        format!("{}/oauth2/v2.1/authorize?{}", self.authorize_base, parameters.replace('+', "%20"))
    }
}

fn wants_no_auto_login(visit: &Visit) -> bool {
    visit.parameter("disable_auto_login") == "true"
}

fn belongs_to_another(wish: &Wish) -> Ended {
    let error = "the link token belongs to another browser";
    tracing::warn!(member.id = %wish.token.member, error, "link token refused");
    wish.ended(LoginPage::Used)
}
