//! Credits: what each user has, in a row that can be locked and never goes below zero, and what is set
//! aside for generations that have not ended. `credit_transactions` says how it came to that.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, TABLES).await?;
        sql::run(manager, BALANCES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, WITHOUT).await
    }
}

/// In ten-thousandths of a credit, which both databases add exactly; at most what
/// `credit_transactions.balance_after` holds. A reservation has no foreign key to its generation: it must
/// outlive one that goes with its board, so that it can be given back.
const TABLES: &str = "
CREATE TABLE credit_balances (
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id {uuid} NOT NULL,
  balance bigint NOT NULL CHECK (balance BETWEEN 0 AND 9999999999),
  updated_at {now},
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
;
CREATE TABLE credit_reservations (
  generation_id {uuid} NOT NULL PRIMARY KEY,
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id {uuid} NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  created_at {now},
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
;
CREATE INDEX credit_reservations_of_user ON credit_reservations (tenant_id, user_id)
;
CREATE INDEX credit_transactions_of_user ON credit_transactions (tenant_id, user_id, created_at)
";

/// What a database that was taken over says of its users, by the last transaction of each.
const BALANCES: &str = "
INSERT INTO credit_balances (tenant_id, user_id, balance, updated_at)
SELECT tenant_id, user_id, balance, created_at FROM (
  SELECT t.tenant_id, t.user_id, t.created_at,
         CAST(round(CASE WHEN t.balance_after > 0 THEN t.balance_after ELSE 0 END * 10000) AS bigint) AS balance,
         row_number() OVER (PARTITION BY t.tenant_id, t.user_id ORDER BY t.created_at DESC, t.id DESC) AS place
    FROM credit_transactions t
    JOIN users u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
) AS latest WHERE place = 1
";

const WITHOUT: &str = "
DROP INDEX credit_transactions_of_user
;
DROP TABLE credit_reservations
;
DROP TABLE credit_balances
";
