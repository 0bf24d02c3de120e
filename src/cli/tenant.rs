//! `boards tenant`.

use super::{
    Failure,
    args::{JoinPolicyArg, TenantCreateArgs},
    print,
};
use crate::{app::open_store, config::Config, store::JoinPolicy};

pub(super) async fn create(config: Config, arguments: &TenantCreateArgs) -> Result<(), Failure> {
    if uuid::Uuid::try_parse(&arguments.slug).is_ok() {
        return Err(Failure::new("a slug that reads as a UUID could be taken for a tenant's id"));
    }
    let policy = match arguments.join {
        JoinPolicyArg::Open => JoinPolicy::Open,
        JoinPolicyArg::Domain => JoinPolicy::Domain,
        JoinPolicyArg::Invite => JoinPolicy::Invite,
    };
    let store = open_store(&config).await?;
    let tenant = store
        .system()
        .create_tenant(&arguments.slug, arguments.name.trim(), policy, &arguments.domains)
        .await?;
    print(&format!("{}  {}", tenant.id, tenant.slug))?;
    Ok(store.close().await?)
}

pub(super) async fn list(config: Config) -> Result<(), Failure> {
    let store = open_store(&config).await?;
    for tenant in store.system().tenants().await? {
        let domains = tenant.join_domains.join(",");
        let policy = tenant.join_policy.as_str();
        print(&format!("{}  {}  {policy}  {domains}  {}", tenant.id, tenant.slug, tenant.name))?;
    }
    Ok(store.close().await?)
}
