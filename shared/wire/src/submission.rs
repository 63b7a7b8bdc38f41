//! What a `POST /` asks for: the both-or-neither rule of `process-id` and `assign`, once.

use crate::ApiError;
use crate::query::{QueryError, id, pairs};
use rota_schedule::{Exclude, MessageId, ProcessId, Refusal};

/// A request to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// The body is an item to schedule.
    Item,
    /// An item that lies elsewhere is to be assigned; the body does not matter.
    Assign {
        /// To which process.
        process: ProcessId,
        /// Which item.
        message: MessageId,
        /// It is a transaction of the base layer: its confirmations count.
        base_layer: bool,
        /// What the evaluating unit is to leave out.
        exclude: Exclude,
    },
}

impl Submission {
    /// Reads the query of a POST.
    ///
    /// # Errors
    /// A malformed id, an unusable `exclude`, or one of `process-id` and `assign` without the other.
    pub fn from_query(raw: Option<&str>) -> Result<Self, ApiError> {
        let (mut process, mut message) = (None, None);
        let (mut base_layer, mut exclude) = (false, Exclude::default());
        for (name, value) in pairs(raw) {
            match name.as_ref() {
                "process-id" | "proc-id" => process = Some(id("process-id", &value)?),
                "assign" => message = Some(id("assign", &value)?),
                "base-layer" => base_layer = true,
                "exclude" => exclude = Exclude::from_list(&value).map_err(Refusal::from)?,
                _ => {}
            }
        }
        match (process, message) {
            (None, None) => Ok(Self::Item),
            (Some(process), Some(message)) => {
                Ok(Self::Assign { process, message, base_layer, exclude })
            }
            (Some(_), None) => {
                Err(QueryError::Incomplete { given: "process-id", missing: "assign" }.into())
            }
            (None, Some(_)) => {
                Err(QueryError::Incomplete { given: "assign", missing: "process-id" }.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY";

    #[test]
    fn both_or_neither() {
        assert_eq!(Submission::from_query(None).unwrap(), Submission::Item);
        for raw in [
            format!("process-id={ID}"),
            format!("assign={ID}"),
            format!("process-id={ID}&assign=short"),
            "process-id=".to_owned(),
        ] {
            assert!(Submission::from_query(Some(&raw)).is_err(), "{raw}");
        }
        let raw = format!("process-id={ID}&assign={ID}&base-layer&exclude=Data,Tags");
        let Submission::Assign { base_layer, exclude, .. } =
            Submission::from_query(Some(&raw)).unwrap()
        else {
            panic!("not an assignment")
        };
        assert!(base_layer);
        assert_eq!(exclude.names().collect::<Vec<_>>(), ["Data", "Tags"]);
    }

    #[test]
    fn names_to_exclude_are_bounded() {
        for list in [",", "a,,b", &"x,".repeat(20), &"y".repeat(200)] {
            let raw = format!("process-id={ID}&assign={ID}&exclude={list}");
            assert!(Submission::from_query(Some(&raw)).is_err(), "{list}");
        }
    }
}
