//! The one GraphQL question asked of gateways: the envelope of a transaction by its id.
//!
//! The id travels as a variable, never spliced into the query. An answer about another id, or with a
//! field of another shape, is malformed; `errors` are never read as "not known".

use rota_ans104::{Address, ItemId, b64};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{PermawebError, error::quote, http::Answer};

const QUERY: &str = "query($id: ID!) { transactions(ids: [$id]) { edges { node { \
                     id owner { address } anchor recipient tags { name value } } } } }";

/// What a gateway's index knows about a transaction or data item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTransaction {
    /// Who signed it.
    pub signer: Address,
    /// The target, if it has one.
    pub recipient: Option<[u8; 32]>,
    /// The anchor's bytes (of a layer-1 transaction: its `last_tx`); empty if it has none.
    pub anchor: Vec<u8>,
    /// Names and values in the item's order.
    pub tags: Vec<(String, String)>,
}

/// The body of the request that asks for `id`.
pub(crate) fn question(id: &ItemId) -> Value {
    json!({ "query": QUERY, "variables": { "id": id.to_string() } })
}

/// Reads the answer to [`question`]: `None` if the index does not know `id`.
///
/// # Errors
/// `GraphQl` if the answer carries errors, `Malformed` if it is anything but an answer about `id`.
pub(crate) fn read(
    id: &ItemId,
    answer: &Answer,
) -> Result<Option<GatewayTransaction>, PermawebError> {
    let envelope: Envelope = answer.json()?;
    if let Some(error) = envelope.errors.unwrap_or_default().first() {
        let message = quote(&error.message);
        return Err(PermawebError::GraphQl { host: answer.host.clone(), message });
    }
    let data = envelope.data.ok_or_else(|| answer.malformed("no data"))?;
    let Some(Edge { node }) = data.transactions.edges.into_iter().next() else {
        return Ok(None);
    };
    if node.id != id.to_string() {
        return Err(answer.malformed("about another id"));
    }
    node.decode().map(Some).map_err(|field| answer.malformed(field))
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Data>,
    errors: Option<Vec<GraphQlError>>,
}

#[derive(Deserialize)]
struct GraphQlError {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Data {
    transactions: Connection,
}

#[derive(Deserialize)]
struct Connection {
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    node: Node,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    owner: Owner,
    anchor: Option<String>,
    recipient: Option<String>,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Owner {
    address: String,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    value: String,
}

impl Node {
    /// # Errors
    /// What is wrong with the first bad field.
    fn decode(self) -> Result<GatewayTransaction, &'static str> {
        let signer = b64::decode_32(&self.owner.address)
            .map_err(|_| "the owner's address is not 32 bytes in base64url")?;
        let recipient = match self.recipient.as_deref() {
            None | Some("") => None,
            Some(text) => {
                Some(b64::decode_32(text).map_err(|_| "recipient is not 32 bytes in base64url")?)
            }
        };
        let anchor = b64::decode(self.anchor.as_deref().unwrap_or_default())
            .map_err(|_| "anchor is not base64url")?;
        let tags = self.tags.into_iter().map(|tag| (tag.name, tag.value)).collect();
        Ok(GatewayTransaction { signer: Address::new(signer), recipient, anchor, tags })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;

    use super::*;

    fn id() -> ItemId {
        ItemId::new([7; 32])
    }

    fn read_json(body: &Value) -> Result<Option<GatewayTransaction>, PermawebError> {
        let body = Bytes::from(body.to_string());
        read(&id(), &Answer { host: "h".to_owned(), status: StatusCode::OK, body })
    }

    fn node(recipient: &Value, anchor: &Value) -> Value {
        json!({ "data": { "transactions": { "edges": [{ "node": {
            "id": id().to_string(), "owner": { "address": b64::encode(&[8; 32]) },
            "recipient": recipient, "anchor": anchor,
            "tags": [{ "name": "b", "value": "2" }, { "name": "a", "value": "1" }],
        } }] } } })
    }

    #[test]
    fn the_id_is_a_variable_and_not_in_the_query() {
        let question = question(&id());
        assert_eq!(question["variables"]["id"], id().to_string());
        assert!(!question["query"].as_str().unwrap().contains(&id().to_string()));
    }

    #[test]
    fn a_node_is_decoded_and_its_tags_keep_their_order() {
        let body = node(&json!(b64::encode(&[9; 32])), &json!(b64::encode(b"anchor")));
        let tags = vec![("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())];
        let signer = Address::new([8; 32]);
        let (recipient, anchor) = (Some([9; 32]), b"anchor".to_vec());
        let expected = GatewayTransaction { signer, recipient, anchor, tags };
        assert_eq!(read_json(&body).unwrap(), Some(expected));
    }

    #[test]
    fn absent_target_and_anchor_are_null_or_empty() {
        for absent in [json!(null), json!("")] {
            let found = read_json(&node(&absent, &absent)).unwrap().unwrap();
            assert_eq!((found.recipient, found.anchor), (None, vec![]));
        }
    }

    #[test]
    fn no_edges_mean_not_known() {
        let body = json!({ "data": { "transactions": { "edges": [] } }, "errors": [] });
        assert_eq!(read_json(&body).unwrap(), None);
    }

    #[test]
    fn errors_win_over_data_and_are_quoted_in_short() {
        let body = json!({ "data": { "transactions": { "edges": [] } },
            "errors": [{ "message": "x".repeat(10_000) }] });
        let error = read_json(&body).unwrap_err();
        assert!(matches!(&error, PermawebError::GraphQl { message, .. } if message.len() <= 200));
        let no_message = json!({ "data": null, "errors": [{}] });
        assert!(matches!(read_json(&no_message), Err(PermawebError::GraphQl { .. })));
    }

    #[test]
    fn anything_of_another_shape_is_malformed() {
        let mut other_id = node(&json!(null), &json!(null));
        other_id["data"]["transactions"]["edges"][0]["node"]["id"] = json!("x");
        let owned_by = |owner: Value| {
            let mut answer = node(&json!(null), &json!(null));
            answer["data"]["transactions"]["edges"][0]["node"]["owner"] = owner;
            answer
        };
        let bodies = [
            other_id,
            owned_by(json!(null)),
            owned_by(json!({ "address": "" })),
            owned_by(json!({ "address": "0x52908400098527886E0F7030069857D2E4169EE7" })),
            node(&json!("short"), &json!("")),
            node(&json!(""), &json!("+/+/")),
            node(&json!(5), &json!("")),
            json!({ "data": null }),
            json!({ "data": { "transactions": { "edges": {} } } }),
            json!([]),
            json!("data"),
        ];
        for body in bodies {
            let malformed = matches!(read_json(&body), Err(PermawebError::Malformed { .. }));
            assert!(malformed, "{body}");
        }
    }
}
