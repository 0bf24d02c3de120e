//! `boards tenant`: what operators do over HTTP, from a shell.

use std::io::Write;

use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    args::{
        JoinPolicyArg, TenantApproveArgs, TenantCommand, TenantCreateArgs, TenantDeleteArgs,
        TenantShowArgs, TenantUpdateArgs,
    },
    print, recorded, tenant_key,
};
use crate::{
    app::{StartError, lock_out_servers, open_files, open_platform, open_store},
    audit::AuditEvent,
    config::Config,
    domain::TenantId,
    error::Error,
    platform::{ChangeRequest, PAGE_MAX, Platform, Removed, TenantDeletion, TenantRequest},
    store::{Store, TenantFilter, TenantRecord, TenantReference, TenantStatus},
};

pub(super) async fn run(config: Config, command: &TenantCommand) -> Result<(), Failure> {
    let store = open_store(&config).await?;
    let platform = open_platform(&config, &store);
    match command {
        TenantCommand::Create(arguments) => create(&store, &platform, arguments).await?,
        TenantCommand::List(_) => list(&platform).await?,
        TenantCommand::Show(arguments) => show(&platform, arguments).await?,
        TenantCommand::Update(arguments) => update(&store, &platform, arguments).await?,
        TenantCommand::Approve(arguments) => approve(&store, &platform, arguments).await?,
        TenantCommand::Delete(arguments) => delete(&config, &store, &platform, arguments).await?,
        TenantCommand::Key { command } => tenant_key::run(&config, &store, command).await?,
    }
    Ok(store.close().await?)
}

async fn create(
    store: &Store,
    platform: &Platform,
    arguments: &TenantCreateArgs,
) -> Result<(), Failure> {
    let request = TenantRequest {
        name: arguments.name.clone(),
        slug: arguments.slug.clone(),
        join_policy: Some(policy_name(arguments.join).to_owned()),
        join_domains: arguments.domains.clone(),
        admin_email: arguments.admin.clone(),
    };
    let outcome = platform.create(request).await;
    let tenant = noted(store, "platform.tenant.create", outcome).await?.tenant;
    print(&format!("{}  {}", tenant.id, tenant.slug))
}

/// Puts an act into the audit log, however it ended.
async fn noted(
    store: &Store,
    action: &'static str,
    outcome: Result<TenantRecord, Error>,
) -> Result<TenantRecord, Failure> {
    let event = match &outcome {
        Ok(record) => AuditEvent::new(action).on("tenant", record.tenant.id),
        Err(_) => AuditEvent::new(action),
    };
    recorded(store, event, outcome).await
}

async fn list(platform: &Platform) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = platform.list(&TenantFilter::default(), after, PAGE_MAX).await?;
        for record in &page.tenants {
            print(&line(record))?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Id, slug, status, join policy, domains and name; only the name may hold spaces.
fn line(record: &TenantRecord) -> String {
    let tenant = &record.tenant;
    let domains = tenant.join_domains.join(",");
    let (status, policy) = (tenant.status.as_str(), tenant.join_policy.as_str());
    format!("{}  {}  {status}  {policy}  {domains}  {}", tenant.id, tenant.slug, tenant.name)
}

async fn show(platform: &Platform, arguments: &TenantShowArgs) -> Result<(), Failure> {
    let record = platform.tenant(&TenantReference::parse(&arguments.tenant)?).await?;
    let tenant = &record.tenant;
    let registered_by = record
        .registered_by
        .as_ref()
        .map_or_else(|| "-".to_owned(), |(provider, subject)| format!("{provider} {subject}"));
    print(&format!(
        "id             {}\n\
         slug           {}\n\
         name           {}\n\
         status         {}\n\
         join policy    {}\n\
         join domains   {}\n\
         registered by  {registered_by}\n\
         created        {}\n\
         updated        {}",
        tenant.id,
        tenant.slug,
        tenant.name,
        tenant.status.as_str(),
        tenant.join_policy.as_str(),
        tenant.join_domains.join(","),
        record.created_at.to_rfc3339(),
        record.updated_at.to_rfc3339(),
    ))
}

async fn update(
    store: &Store,
    platform: &Platform,
    arguments: &TenantUpdateArgs,
) -> Result<(), Failure> {
    let domains = match (&arguments.domains, arguments.no_domains) {
        (_, true) => Some(Vec::new()),
        (domains, false) => (!domains.is_empty()).then(|| domains.clone()),
    };
    let request = ChangeRequest {
        name: arguments.name.clone(),
        slug: arguments.slug.clone(),
        join_policy: arguments.join.map(|join| policy_name(join).to_owned()),
        join_domains: domains,
        status: None,
    };
    let reference = TenantReference::parse(&arguments.tenant)?;
    let outcome = platform.update(&reference, request).await;
    print(&line(&noted(store, "platform.tenant.update", outcome).await?))
}

async fn approve(
    store: &Store,
    platform: &Platform,
    arguments: &TenantApproveArgs,
) -> Result<(), Failure> {
    let status = Some(TenantStatus::Active.as_str().to_owned());
    let request = ChangeRequest { status, ..ChangeRequest::default() };
    let reference = TenantReference::parse(&arguments.tenant)?;
    let outcome = platform.update(&reference, request).await;
    print(&line(&noted(store, "platform.tenant.update", outcome).await?))
}

/// Closes the tenant, and deletes what it holds unless a server has the database to itself: then
/// that server does.
async fn delete(
    config: &Config,
    store: &Store,
    platform: &Platform,
    arguments: &TenantDeleteArgs,
) -> Result<(), Failure> {
    let reference = TenantReference::parse(&arguments.tenant)?;
    let outcome = platform.delete(&reference, &arguments.confirm).await;
    let tenant = noted(store, "platform.tenant.delete", outcome).await?.tenant;
    let _lock = match lock_out_servers(config) {
        Ok(lock) => lock,
        Err(StartError::InUse(_)) => {
            return print(&format!(
                "{} is closed; the running server deletes what it holds",
                tenant.slug
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let deletion = TenantDeletion::new(store.clone(), open_files(config)?);
    finish(&deletion, store, tenant.id).await?;
    print(&format!("{} is deleted", tenant.slug))
}

async fn finish(deletion: &TenantDeletion, store: &Store, id: TenantId) -> Result<(), Failure> {
    let closed = store.system().closed_tenants().await?;
    // A server may have been faster.
    let Some(tenant) = closed.into_iter().find(|tenant| tenant.id() == id) else { return Ok(()) };
    deletion.finish(&tenant, &CancellationToken::new(), show_progress).await?;
    Ok(())
}

fn show_progress(removed: Removed) {
    // Who does not read it misses nothing.
    let _ = writeln!(std::io::stderr(), "{} rows of {} deleted", removed.rows, removed.table);
}

fn policy_name(join: JoinPolicyArg) -> &'static str {
    match join {
        JoinPolicyArg::Open => "open",
        JoinPolicyArg::Domain => "domain",
        JoinPolicyArg::Invite => "invite",
    }
}
