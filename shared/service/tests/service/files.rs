//! A server that runs out of open files goes on when there are some again.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use rota_service::{LogFormat, Server, ServerLimits, logs};
use tokio::net::TcpStream;

use crate::child::{self, Child};
use crate::client::Client;

/// Fewer than the test opens; more than a process with a runtime needs.
const FILES_MAX: usize = 40;

#[tokio::test]
#[ignore = "the second process of this module's test"]
async fn child() {
    if !child::is_child() {
        return;
    }
    logs::init(LogFormat::Json, "info").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, ServerLimits::default()).unwrap();
    tracing::info!(port = server.local_addr().port(), "listening");
    let app = Router::new().route("/", get(async || "hello"));
    server.run(app, std::future::pending()).await.unwrap();
}

#[tokio::test]
async fn too_many_open_files_are_waited_out() {
    let mut child = Child::start("files::child", &format!("ulimit -n {FILES_MAX}"));
    let line = child.line();
    let port = line.split_once(r#""port":"#).unwrap().1;
    let port: u16 = port.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));

    let mut open = Vec::new();
    for _ in 0..FILES_MAX {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    let line = child.line();
    assert!(line.contains("cannot accept connections"), "{line}");
    drop(open);
    assert_eq!(Client::connect(address).await.get("/").await.text(), "hello");
}
