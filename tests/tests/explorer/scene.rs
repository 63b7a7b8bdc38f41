//! A scheduler with something to look at, and the explorer open on it.

use crate::ROTA;
use crate::page::Page;
use rota_ans104::{Item, WalletKind};
use rota_schedule::ProcessId;
use rota_testkit::{Site, message, pushed, signers, spawn};

/// A scheduler with one process.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) process: ProcessId,
}

impl Scene {
    /// A scheduler that signs fast, and a process with a name and no message.
    pub(crate) async fn new() -> Self {
        Self::of(WalletKind::Ed25519).await
    }

    /// A scheduler with a wallet of this kind, and a process with a name and no message.
    pub(crate) async fn of(kind: WalletKind) -> Self {
        let site = Site::with(ROTA, kind, &[]).await;
        let item = spawn().tag("Name", "A process").data("return 1").sign();
        site.client.post(&item).await.ok();
        Self { site, process: item.id().into() }
    }

    /// The same with `count` messages.
    pub(crate) async fn with(count: usize) -> Self {
        let scene = Self::new().await;
        for number in 0..count {
            scene
                .post(&message(scene.process).tag("Action", &format!("Act-{number}")).sign())
                .await;
        }
        scene
    }

    /// Places an item.
    pub(crate) async fn post(&self, item: &Item) {
        self.site.client.post(item).await.ok();
    }

    /// Places a message of every signature scheme, a pushed one and an assigned one; gives their ids.
    pub(crate) async fn of_every_kind(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for signer in signers() {
            let item = message(self.process).tag("Action", "Signed").sign_as(&*signer);
            self.post(&item).await;
            ids.push(item.id().to_string());
        }
        let pushed = pushed(self.process, &self.process.to_string()).anchor([0xfe; 32]).sign();
        self.post(&pushed).await;
        ids.push(pushed.id().to_string());
        let elsewhere = message(ProcessId::new([8; 32])).tag("Action", "Remote").sign();
        self.site.gateway.hold(&elsewhere);
        let process = self.process.to_string();
        let assigned = self
            .site
            .client
            .assign(&process, &elsewhere.id().to_string(), "&exclude=Data,Tags")
            .await;
        ids.push(assigned.ok()["id"].as_str().unwrap().to_owned());
        ids
    }

    /// The URL of a place of the explorer, as in `process/…`.
    pub(crate) fn url(&self, place: &str) -> String {
        format!("{}/explorer#/{place}", self.site.process.url)
    }

    /// The explorer, at a place.
    pub(crate) async fn open(&self, place: &str) -> Page {
        Page::open(&self.url(place)).await
    }

    /// The explorer, on the process.
    pub(crate) async fn open_process(&self) -> Page {
        self.open(&format!("process/{}", self.process)).await
    }
}
