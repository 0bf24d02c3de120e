//! Putting generations onto the queue: the row, its lineage and its job in one transaction.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, prelude::Decimal};
use serde_json::{Value, json};

use crate::{
    domain::{ArtifactType, GenerationId, GenerationStatus, JsonObject, folded_prompts},
    error::{Error, Result},
    store::{
        AuthorizedBoard, Generation, LineageEntry, NewGeneration, credits,
        entity::{
            generation_inputs,
            generations::{self, Entity},
            jobs,
        },
        is_foreign_key_violation, now,
    },
};

impl AuthorizedBoard {
    /// Writes a generation and its job in one transaction and wakes a worker.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the board or an input was deleted meanwhile,
    /// [`Error::InsufficientCredits`] where it costs more than the user has.
    pub async fn queue_generation(&self, new: NewGeneration) -> Result<Generation> {
        let id = GenerationId::new();
        let now = now();
        let mut output_metadata = JsonObject::new();
        if !new.metadata.is_empty() {
            output_metadata.insert("metadata".to_owned(), Value::Object(new.metadata));
        }
        let row = generations::ActiveModel {
            output_metadata: Set(Value::Object(output_metadata)),
            status: Set(GenerationStatus::Pending.as_str().to_owned()),
            ..self.new_row(
                id,
                new.generator_name,
                new.artifact_type,
                new.input_params,
                &new.inputs,
                now,
            )?
        };
        let job = jobs::ActiveModel {
            generation_id: Set(id.0),
            tenant_id: Set(self.scope.tenant().0),
            user_id: Set(self.scope.user()?.0),
            provider: Set(new.provider),
            submission: Set(String::new()),
            attempts: Set(0),
            worker_id: Set(None),
            lease_until: Set(None),
            not_before: Set(None),
            created_at: Set(now),
        };
        let transaction = self.scope.store().begin().await?;
        let row = self.insert_generation(&transaction, row, &new.inputs).await?;
        jobs::Entity::insert(job).exec_without_returning(&transaction).await?;
        let whose = (self.scope.tenant(), self.scope.user()?, id);
        credits::reserve(self.scope.store(), &transaction, whose, new.cost_usd).await?;
        transaction.commit().await?;
        self.scope.store().events().job_queued();
        self.scope.publish_generation(self.board.id, id);
        row.try_into()
    }

    pub(in crate::store) fn new_row(
        &self,
        id: GenerationId,
        generator_name: String,
        artifact_type: ArtifactType,
        input_params: JsonObject,
        inputs: &[LineageEntry],
        now: DateTime<Utc>,
    ) -> Result<generations::ActiveModel> {
        let input_artifacts = inputs
            .iter()
            .map(|input| {
                json!({
                    "generation_id": input.generation,
                    "role": input.role,
                    "artifact_type": input.artifact_type,
                })
            })
            .collect();
        Ok(generations::ActiveModel {
            id: Set(id.0),
            tenant_id: Set(self.scope.tenant().0),
            board_id: Set(self.board.id.0),
            user_id: Set(self.scope.user()?.0),
            generator_name: Set(generator_name),
            artifact_type: Set(artifact_type.as_str().to_owned()),
            prompt_folded: Set(Some(folded_prompts(&input_params))),
            input_params: Set(Value::Object(input_params)),
            storage_url: Set(None),
            thumbnail_url: Set(None),
            additional_files: Set(json!([])),
            input_artifacts: Set(Value::Array(input_artifacts)),
            external_job_id: Set(None),
            progress: Set(Decimal::ZERO),
            error_message: Set(None),
            started_at: Set(None),
            completed_at: Set(None),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        })
    }

    /// Inserts a generation and its lineage.
    pub(in crate::store) async fn insert_generation(
        &self,
        connection: &impl ConnectionTrait,
        row: generations::ActiveModel,
        inputs: &[LineageEntry],
    ) -> Result<generations::Model> {
        let row =
            Entity::insert(row).exec_with_returning(connection).await.map_err(gone("Board"))?;
        if !inputs.is_empty() {
            let edges = (0..).zip(inputs).map(|(position, input)| generation_inputs::ActiveModel {
                generation_id: Set(row.id),
                position: Set(position),
                tenant_id: Set(row.tenant_id),
                input_id: Set(input.generation.0),
                role: Set(input.role.clone()),
            });
            generation_inputs::Entity::insert_many(edges)
                .exec_without_returning(connection)
                .await
                .map_err(gone("Generation"))?;
        }
        Ok(row)
    }
}

/// A foreign key that no longer holds means that the target was deleted since it was checked.
fn gone(noun: &'static str) -> impl Fn(sea_orm::DbErr) -> Error {
    move |error| {
        if is_foreign_key_violation(&error) { Error::NotFound(noun) } else { error.into() }
    }
}
