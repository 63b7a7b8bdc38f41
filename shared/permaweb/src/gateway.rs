//! What rota asks Arweave gateways: the block height, whether an id exists, how deep it is settled, its
//! envelope and its bytes.
//!
//! Several hosts may be asked for one answer. A yes of any host counts; "no" needs the no of all; if one
//! could not be asked and none said yes, the answer is an error. Heights and bytes are taken on trust:
//! this module checks shapes and limits, not proofs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Client, StatusCode};
use rota_ans104::ItemId;
use serde::Deserialize;
use tokio::task::JoinSet;
use url::Url;

use crate::{
    GatewayTransaction, PermawebError, graphql,
    http::{self, Answer},
};

/// The time one request may take unless configured otherwise.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The greatest height that an assignment can carry: `Block-Height` has 12 digits (contract §2).
pub const HEIGHT_MAX: u64 = 999_999_999_999;

/// Bytes of `/info` and `/tx/{id}/status`: real ones have a few hundred.
const STATUS_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a GraphQL answer: 128 tags of 4 KiB (ANS-104), every byte escaped in JSON.
const GRAPHQL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which gateways to ask, and how long each may take.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// `GATEWAY_URL`: serves raw data, GraphQL, and the height if the Arweave node does not.
    pub gateway_url: Url,
    /// `ARWEAVE_URL`: the node that is asked for the height.
    pub arweave_url: Url,
    /// `GRAPHQL_URL`; without it, `gateway_url`. A URL without a path gets `/graphql`, as the reference has it.
    pub graphql_url: Option<Url>,
    /// `ARWEAVE_URL_LIST`: asked whether an id exists, for its status, and for raw data that the gateway
    /// does not give. Empty: the gateway and the Arweave node.
    pub arweave_url_list: Vec<Url>,
    /// One request to one host, from the connection to the last byte.
    pub timeout: Duration,
}

/// A client of Arweave gateways. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    gateway: Url,
    arweave: Url,
    graphql: Url,
    /// Whom to ask about an id, never empty.
    hosts: Vec<Url>,
    /// Whom to ask for bytes: the gateway, then the others.
    raw_hosts: Vec<Url>,
    /// Different gateways: one URL for each host and port.
    witnesses: Vec<Url>,
}

/// A height, and which host told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldHeight {
    pub(crate) host: String,
    pub(crate) height: u64,
}

impl Gateway {
    /// A client for the gateways in `config`. Asks nobody yet.
    ///
    /// # Errors
    /// [`PermawebError::BadUrl`] or [`PermawebError::Client`].
    pub fn new(config: GatewayConfig) -> Result<Self, PermawebError> {
        let gateway = http::base(config.gateway_url)?;
        let arweave = http::base(config.arweave_url)?;
        let graphql = match config.graphql_url.map(http::base).transpose()? {
            Some(url) if url.path() != "/" => url,
            Some(url) => http::join(&url, &["graphql"]),
            None => http::join(&gateway, &["graphql"]),
        };
        let listed = config.arweave_url_list.into_iter().map(http::base);
        let mut hosts = distinct(listed.collect::<Result<_, _>>()?);
        if hosts.is_empty() {
            hosts = distinct(vec![gateway.clone(), arweave.clone()]);
        }
        let raw_hosts = distinct([vec![gateway.clone()], hosts.clone()].concat());
        let all = [vec![arweave.clone(), gateway.clone()], hosts.clone()].concat();
        let witnesses = different(all);
        let client = http::client(config.timeout, |_| true).map_err(PermawebError::Client)?;
        Ok(Self(Arc::new(Inner { client, gateway, arweave, graphql, hosts, raw_hosts, witnesses })))
    }

    /// The height of the newest block: from the Arweave node, or else from the gateway.
    ///
    /// # Errors
    /// The node's error if neither gives a height of at most [`HEIGHT_MAX`].
    pub async fn height(&self) -> Result<u64, PermawebError> {
        Ok(self.told_height().await?.height)
    }

    /// As [`Self::height`], with the host that told it.
    pub(crate) async fn told_height(&self) -> Result<ToldHeight, PermawebError> {
        match self.height_at(&self.0.arweave).await {
            Ok(told) => Ok(told),
            Err(error) => self.height_at(&self.0.gateway).await.map_err(|_| error),
        }
    }

    /// What all other configured gateways say of the height. All are asked at once, and an error is no answer.
    pub(crate) async fn heights_beside(&self, host: &str) -> Vec<ToldHeight> {
        let mut asked = JoinSet::new();
        for url in self.0.witnesses.iter().filter(|url| http::host(url) != host) {
            let (gateway, url) = (self.clone(), url.clone());
            asked.spawn(async move { gateway.height_at(&url).await });
        }
        let mut told = Vec::new();
        while let Some(answer) = asked.join_next().await {
            told.extend(answer.ok().and_then(Result::ok));
        }
        told
    }

    /// How many different gateways are configured, by host and port.
    pub(crate) fn witnesses(&self) -> usize {
        self.0.witnesses.len()
    }

    /// How many blocks confirm the transaction `id`, or `None` if it is not known or still pending.
    ///
    /// # Errors
    /// If a host could not be asked and none knows the id.
    pub async fn confirmations(&self, id: &ItemId) -> Result<Option<u64>, PermawebError> {
        let path = ["tx", &id.to_string(), "status"];
        let known = self.first_known(&self.0.hosts, &path, STATUS_BYTES_MAX, read_status).await?;
        Ok(known.flatten())
    }

    /// Whether any host has `id`. All are asked at once, so this takes one time-out at most.
    ///
    /// # Errors
    /// If a host could not be asked, or answered other than 2xx and 404, and none said yes.
    pub async fn exists(&self, id: &ItemId) -> Result<bool, PermawebError> {
        let mut asked = JoinSet::new();
        for host in &self.0.hosts {
            let request = self.0.client.head(http::join(host, &[&id.to_string()]));
            asked.spawn(http::ask(request, http::host(host), 0));
        }
        let mut failure = None;
        while let Some(answer) = asked.join_next().await {
            match answer.map_err(PermawebError::Interrupted).flatten() {
                Ok(_) => return Ok(true),
                Err(error) => note(&mut failure, error),
            }
        }
        failure.map_or(Ok(false), Err)
    }

    /// What the GraphQL index knows about `id`; `None` if it answers that it does not know it.
    ///
    /// # Errors
    /// If the index could not be asked, answered with errors, or answered something else.
    pub async fn transaction(
        &self,
        id: &ItemId,
    ) -> Result<Option<GatewayTransaction>, PermawebError> {
        let url = &self.0.graphql;
        let request = self.0.client.post(url.clone()).json(&graphql::question(id));
        let answer = http::ask(request, http::host(url), GRAPHQL_BYTES_MAX).await?;
        graphql::read(id, &answer)
    }

    /// The data of `id`, at most `max_bytes`: from the gateway, or else from the other hosts in order.
    ///
    /// # Errors
    /// [`PermawebError::NotFound`] if all hosts answered that they do not have it, else the first failure.
    pub async fn raw(&self, id: &ItemId, max_bytes: usize) -> Result<Bytes, PermawebError> {
        let id = id.to_string();
        let path = ["raw", id.as_str()];
        let found = self.first_known(&self.0.raw_hosts, &path, max_bytes, read_raw).await?;
        found.ok_or(PermawebError::NotFound { id })
    }

    async fn height_at(&self, base: &Url) -> Result<ToldHeight, PermawebError> {
        let request = self.0.client.get(http::join(base, &["info"]));
        let answer = http::ask(request, http::host(base), STATUS_BYTES_MAX).await?;
        let Info { height } = answer.json()?;
        if height > HEIGHT_MAX {
            return Err(answer.malformed("height has more than 12 digits"));
        }
        Ok(ToldHeight { host: answer.host, height })
    }

    /// Asks `hosts` in order, until `read` accepts an answer. `None` if every host says 404.
    async fn first_known<T>(
        &self,
        hosts: &[Url],
        path: &[&str],
        limit: usize,
        read: impl Fn(&Answer) -> Result<T, PermawebError>,
    ) -> Result<Option<T>, PermawebError> {
        let mut failure = None;
        for host in hosts {
            let request = self.0.client.get(http::join(host, path));
            let answer = http::ask(request, http::host(host), limit).await;
            match answer.and_then(|answer| read(&answer)) {
                Ok(known) => return Ok(Some(known)),
                Err(error) => note(&mut failure, error),
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

/// Keeps the first failure; a 404 is not one, but a host's "no".
fn note(failure: &mut Option<PermawebError>, error: PermawebError) {
    if !matches!(error, PermawebError::Status { status: 404, .. }) {
        failure.get_or_insert(error);
    }
}

/// The URLs without repetitions, in order.
fn distinct(mut urls: Vec<Url>) -> Vec<Url> {
    let mut seen = std::collections::HashSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

/// The first URL of each host and port.
fn different(mut urls: Vec<Url>) -> Vec<Url> {
    let mut seen = std::collections::HashSet::new();
    urls.retain(|url| seen.insert(http::host(url)));
    urls
}

#[derive(Deserialize)]
struct Info {
    height: u64,
}

#[derive(Deserialize)]
struct Status {
    number_of_confirmations: u64,
}

/// Reads `/tx/{id}/status`: 202, and "Pending" under any status, mean known but in no block.
fn read_status(answer: &Answer) -> Result<Option<u64>, PermawebError> {
    if answer.status == StatusCode::ACCEPTED || answer.body.trim_ascii() == b"Pending" {
        return Ok(None);
    }
    answer.json::<Status>().map(|status| Some(status.number_of_confirmations))
}

/// Reads `/raw/{id}`: only a 200 carries the data (202 says that it is still on its way).
fn read_raw(answer: &Answer) -> Result<Bytes, PermawebError> {
    match answer.status {
        StatusCode::OK => Ok(answer.body.clone()),
        status => Err(PermawebError::Status { host: answer.host.clone(), status: status.as_u16() }),
    }
}
