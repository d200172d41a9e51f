//! A link is made, replaced and ended: the app is told of each, in this order, whatever comes in between.

use anyhow::ensure;
use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::stand::{random_key, random_user};

use crate::{case::Case, trouble::Trouble};

/// The table changes as a login and an unlink change it, so that nobody but the callback's function calls.
pub async fn a_link_from_its_beginning_to_its_end(case: &Case<'_>) -> anyhow::Result<()> {
    let (stand, app) = (case.stand, &case.stand.app);
    let [user, other] = [random_user(), random_user()];
    let [earlier, member] = [(); 2].map(|()| format!("member-{}", random_key()));
    case.canaries.plant([&user, &other]);
    let told = |member: &str| -> Vec<String> {
        let mut ids = Vec::new();
        let received = app.received().into_iter().filter(|callback| callback.is_taken);
        let of_member = received.map(|callback| callback.json()).filter(|callback| callback["memberId"] == member);
        // What the app knows by its id already it has not been told twice.
        let new = of_member.filter(|callback| {
            let is_new = !ids.contains(&callback["eventId"]);
            ids.push(callback["eventId"].clone());
            is_new
        });
        new.map(|callback| callback["type"].as_str().unwrap_or_default().to_owned()).collect()
    };
    // What earlier stories have left is told first.
    stand.map_the_links(true).await?;
    stand.link(&earlier, &random_user()).await?;
    case.until("the app knows the earlier link", async || Ok(told(&earlier) == ["linked"])).await?;
    case.begin().await?;
    stand.link(&member, &user).await?;
    stand.link(&member, &other).await?;
    let delete = stand.dynamodb.delete_item().table_name(stand.aws.output("LinksTableName"));
    delete.key("id", AttributeValue::S(format!("member#{member}"))).send().await?;
    // What the app refuses it is not told again.
    let is_refused = matches!(case.trouble_at(), Some(("POST /", Trouble::Refused)));
    let expected = if is_refused { 2 } else { 3 };
    case.until("the app knows each change", async || Ok(told(&member).len() >= expected)).await?;
    stand.map_the_links(false).await?;
    let (told, mut changes) = (told(&member), ["linked", "replaced", "unlinked"].iter());
    ensure!(told.len() == expected && told.iter().all(|one| changes.any(|change| change == one)), "told: {told:?}");
    Ok(())
}
