//! Where clients are pointed to.

use crate::site::Site;
use crate::writer::Writer;
use axum::body::Body;
use rota_testkit::{message, spawn};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_message_goes_to_the_writer_of_its_process() {
    let site = Site::start(&[]).await;
    for (index, name) in ["w0", "w1", "w2"].into_iter().enumerate() {
        let process = site.process_of(name);
        let item = message(process).rename("Type", "type").sign();
        let target = "/?x=%20//y&&=";
        let answer = site.send("POST", target, &[], item.bytes().clone()).await;
        assert_eq!((answer.status, answer.body.len()), (307, 0));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let url = &site.writers[index].url;
        assert_eq!(answer.header("location"), Some(format!("{url}{target}").as_str()));
    }
    assert!(site.writers.iter().all(|writer| writer.arrived().is_empty()));
}

#[tokio::test]
async fn a_question_goes_to_the_owner_or_to_anybody() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1");
    let other = "A".repeat(43);
    for target in [
        format!("/?process-id={process}"),
        format!("/?proc-id={process}"),
        format!("/timestamp?process-id={process}"),
        format!("/{process}"),
        format!("/{process}/latest"),
        format!("/processes/{process}"),
        format!("/raw/{process}"),
        format!("/{other}?process-id={process}&from=3"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.send(method, &target, &[], Body::empty()).await;
            assert_eq!((answer.status, site.named(&answer)), (307, 1), "{method} {target}");
            assert!(answer.header("location").unwrap().ends_with(&target), "{target}");
        }
    }
    // Of no process that is known: by id, always the same one.
    let first = site.named(&site.get(&format!("/{other}")).await);
    for target in [format!("/{other}"), format!("/raw/{other}"), format!("/{other}/latest")] {
        assert_eq!(site.named(&site.get(&target).await), first, "{target}");
    }
    let mut used = [0; 3];
    for _ in 0..60 {
        used[site.named(&site.get(&format!("/{}", spawn().sign().id())).await)] += 1;
    }
    assert!(used.iter().all(|count| *count > 3), "{used:?}");
    for target in ["/timestamp", "/explorer", "/explorer/0/app.js", "/openapi.json"] {
        let answer = site.get(target).await;
        assert_eq!(answer.status, 307, "{target}");
        assert!(answer.header("location").unwrap().ends_with(target), "{target}");
    }
    assert!(site.get("/").await.ok()["writer"].is_string(), "nobody is to post there for ever");
}

#[tokio::test]
async fn an_unknown_process_is_an_error_in_json() {
    let site = Site::start(&[]).await;
    let process = spawn().sign().id().into();
    let id = "A".repeat(43);
    assert!(site.post(&message(process).sign()).await.error(404).contains("not known"));
    let assign = format!("/?process-id={process}&assign={id}");
    site.send("POST", &assign, &[], Body::empty()).await.error(404);
    site.get(&format!("/?process-id={process}")).await.error(404);
    site.get(&format!("/timestamp?process-id={process}")).await.error(404);
    site.get(&format!("/{id}?process-id={process}")).await.error(404);
}

#[tokio::test]
async fn questions_go_to_the_read_function_but_the_address_of_a_writer_does_not() {
    let reader = Writer::start("reader");
    let site = Site::start(&[("READ_URL", &reader.url)]).await;
    let process = site.process_of("w1");
    for target in [format!("/{process}?from=1"), "/timestamp".to_owned(), format!("/raw/{process}")]
    {
        let answer = site.get(&target).await;
        assert_eq!(answer.status, 307, "{target}");
        let there = format!("{}{target}", reader.url);
        assert_eq!(answer.header("location"), Some(there.as_str()));
    }
    // Clients keep the origin of this answer and post there.
    let target = format!("/?process-id={process}");
    let answer = site.get(&target).await;
    assert_eq!(answer.ok()["writer"], "reader");
    assert_eq!(reader.one().uri.to_string(), target);
    let answer = site.post(&message(process).sign()).await;
    assert_eq!((answer.status, site.named(&answer)), (307, 1), "it only reads");
}

#[tokio::test]
async fn a_large_body_is_told_which_writer_takes_it() {
    for mode in ["redirect", "proxy"] {
        let site = Site::start(&[("ROUTE_BODY_MAX", "10KB"), ("ROUTE_MODE", mode)]).await;
        let process = site.process_of("w2");
        let large = message(process).data(vec![0; 20_000]).sign();
        let text = site.post(&large).await.error(413);
        assert!(text.contains("10000 bytes"), "{text}");
        assert!(text.ends_with(&site.writers[2].url), "{text}");
        let text = site.post(&spawn().data(vec![0; 20_000]).sign()).await.error(413);
        assert!(site.writers.iter().any(|writer| text.ends_with(&writer.url)), "{text}");
        assert_eq!(site.directory.bound(), 1, "it was not bound");
    }
}

#[tokio::test]
async fn an_owner_is_looked_up_once_and_a_move_is_noticed() {
    let site = Site::start(&[("ROUTE_CACHE_MAX", "200ms")]).await;
    let (process, since) = (site.process_of("w0"), Instant::now());
    for _ in 0..20 {
        assert_eq!(site.named(&site.get(&format!("/{process}")).await), 0);
    }
    let (owners, lists) = site.directory.asked();
    let again = usize::try_from(since.elapsed().as_millis() / 200).unwrap();
    assert!(owners <= 1 + again && lists <= 2 + again, "{owners} {lists}, {again}");
    site.directory.set_owner(process, "w1");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(site.named(&site.get(&format!("/{process}")).await), 1);
}

#[tokio::test]
async fn browsers_may_read_where_they_are_pointed_to() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1");
    let from = [("origin", "https://app.example")];
    let answer = site.send("GET", &format!("/{process}"), &from, Body::empty()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let answer = site.send("OPTIONS", "/", &preflight, Body::empty()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
}
