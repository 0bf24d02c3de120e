//! `boards user`: what admins do over GraphQL, for an operator with a shell.

use uuid::Uuid;

use super::{
    Failure,
    args::{
        OneUserArgs, UserCommand, UserCreditsCommand, UserCreditsGrantArgs, UserInviteArgs,
        UserListArgs,
    },
    print, recorded,
};
use crate::{
    app::{open_credits, open_store},
    audit::AuditEvent,
    config::Config,
    domain::{EmailAddress, ListPosition, ListWindow, UserId},
    error::Error,
    store::{MemberFilter, NewInvitation, People, Store, TenantReference, User},
};

pub(super) async fn run(config: Config, command: &UserCommand) -> Result<(), Failure> {
    let store = open_store(&config).await?;
    let people = people(&store, &config, command.place().tenant.as_deref()).await?;
    match command {
        UserCommand::List(arguments) => list(&people, arguments).await?,
        UserCommand::Role(arguments) => {
            let user = find(&people, &arguments.user).await?;
            let outcome = people.set_role(user, arguments.role.into()).await;
            print(&line(&noted(&store, &people, "setTenantRole", user, outcome).await?))?;
        }
        UserCommand::Invite(arguments) => invite(&store, &people, arguments).await?,
        UserCommand::Suspend(OneUserArgs { user, .. }) => {
            let user = find(&people, user).await?;
            let outcome = people.suspend(user).await;
            print(&line(&noted(&store, &people, "suspendUser", user, outcome).await?))?;
        }
        UserCommand::Reinstate(OneUserArgs { user, .. }) => {
            let user = find(&people, user).await?;
            let outcome = people.reinstate(user).await;
            print(&line(&noted(&store, &people, "reinstateUser", user, outcome).await?))?;
        }
        UserCommand::Credits { command: UserCreditsCommand::Grant(arguments) } => {
            open_credits(&config, &store);
            grant(&store, &people, arguments).await?;
        }
    }
    Ok(store.close().await?)
}

async fn grant(
    store: &Store,
    people: &People,
    arguments: &UserCreditsGrantArgs,
) -> Result<(), Failure> {
    let user = find(people, &arguments.user).await?;
    let description = arguments.description.as_deref();
    let outcome = people.grant_credits(user, arguments.amount, description).await;
    let event = AuditEvent::new("grantCredits").in_tenant(people.tenant()).on("user", user);
    let balance = recorded(store, event, outcome).await?;
    print(&format!("{user}  {balance}"))
}

/// Puts an act into the tenant's audit log, where its admins see that none of them did it.
async fn noted(
    store: &Store,
    people: &People,
    action: &'static str,
    user: UserId,
    outcome: Result<User, Error>,
) -> Result<User, Failure> {
    let event = AuditEvent::new(action).in_tenant(people.tenant()).on("user", user);
    recorded(store, event, outcome).await
}

async fn people(store: &Store, config: &Config, slug: Option<&str>) -> Result<People, Failure> {
    let system = store.system();
    let slug = match slug {
        Some(slug) => slug,
        None if config.multi_tenant_mode => {
            return Err(Failure::new("there are many tenants: name one with --tenant"));
        }
        None => {
            // The server may not have been started yet.
            system.ensure_default_tenant(&config.default_tenant_slug).await?;
            &config.default_tenant_slug
        }
    };
    let tenant = system.tenant(&TenantReference::Slug(slug.to_owned())).await?;
    let tenant = tenant.ok_or_else(|| Failure::new(format!("there is no tenant \"{slug}\"")))?;
    Ok(system.people(tenant.id))
}

async fn list(people: &People, arguments: &UserListArgs) -> Result<(), Failure> {
    let filter = MemberFilter { text: arguments.query.clone(), ..MemberFilter::default() };
    let mut after = None;
    loop {
        let page = people.members(&filter, ListWindow::longest(after)).await?;
        for user in &page.rows {
            print(&line(user))?;
        }
        let last = page.rows.last().filter(|_| page.has_more);
        let Some(last) = last else { return Ok(()) };
        after = Some(ListPosition::new(last.created_at, last.id));
    }
}

async fn invite(store: &Store, people: &People, arguments: &UserInviteArgs) -> Result<(), Failure> {
    let wanted = chrono::Utc::now() + arguments.expires;
    let expires_at = NewInvitation::expiry(Some(wanted)).ok_or_else(|| {
        Failure::new(format!(
            "--expires: an invitation is good for at most {}d",
            NewInvitation::MAX_DAYS
        ))
    })?;
    let role = arguments.role.into();
    let new = NewInvitation { email: arguments.email.clone(), role, expires_at };
    let outcome = people.invite(new).await;
    let event = AuditEvent::new("inviteUser").in_tenant(people.tenant());
    let event = match &outcome {
        Ok(invitation) => event.on("invitation", invitation.id),
        Err(_) => event,
    };
    let invitation = recorded(store, event, outcome).await?;
    let until = invitation.expires_at.format("%Y-%m-%dT%H:%M:%SZ");
    print(&format!("{}  {}  until {until}", invitation.id, invitation.role.as_str()))
}

/// The user with that id, who need not exist, or the only one with that email.
async fn find(people: &People, user: &str) -> Result<UserId, Failure> {
    if let Ok(id) = Uuid::try_parse(user) {
        return Ok(id.into());
    }
    let email = EmailAddress::parse(user)
        .ok_or_else(|| Failure::new("a user is named by an email address or an id"))?;
    match people.members_by_email(&email).await?.as_slice() {
        [] => Err(Failure::new("no user of the tenant has this email")),
        [user] => Ok(user.id),
        _ => Err(Failure::new(
            "several users have this email: name one by the id that `boards user list` shows",
        )),
    }
}

fn line(user: &User) -> String {
    let state = if user.disabled_at.is_some() { "suspended" } else { "active" };
    let email = user.email.as_deref().unwrap_or("-");
    let name = user.display_name.as_deref().unwrap_or("-");
    format!("{}  {}  {state}  {email}  {name}", user.id, user.role.as_str())
}
