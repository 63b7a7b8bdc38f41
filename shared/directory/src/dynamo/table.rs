//! The table itself.

use super::DynamoDirectory;
use super::error::unavailable;
use super::item::{PK, SK};
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use rota_schedule::{DirectoryError, DirectoryResult};
use std::time::Duration;

/// How long a new table may take until it can be used.
const READY_MAX: Duration = Duration::from_secs(60);

impl DynamoDirectory {
    /// Makes the table if it is not there: string keys `pk` (partition) and `sk` (sort), paid by request;
    /// and waits until it can be used.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`].
    pub async fn create_table(&self) -> DirectoryResult<()> {
        let mut request = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, key) in [(PK, KeyType::Hash), (SK, KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build();
            let key = KeySchemaElement::builder().attribute_name(name).key_type(key).build();
            request = request
                .attribute_definitions(attribute.map_err(failed)?)
                .key_schema(key.map_err(failed)?);
        }
        match request.send().await {
            Err(error)
                if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => {}
            created => {
                created.map_err(unavailable)?;
            }
        }
        let ready = self.client.wait_until_table_exists().table_name(&self.table);
        ready.wait(READY_MAX).await.map_err(failed)?;
        Ok(())
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError::Unavailable(Box::new(error))
}
