//! Paths and queries that nobody means.

use crate::prober::Prober;
use crate::site;
use bytes::Bytes;

/// Values that parameters are tried with.
fn values() -> Vec<String> {
    let fixed = [
        "",
        "0",
        "-1",
        "-0",
        "+1",
        "1e9",
        "0x1",
        "NaN",
        "null",
        "true",
        "[]",
        "{}",
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "..",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "1;DROP",
        "%0d%0aX:y",
        "'\"",
        "٣",
    ];
    let mut values: Vec<String> = fixed.map(str::to_owned).to_vec();
    values.extend(["9".repeat(1_000), "a".repeat(8_000), "%20".repeat(500)]);
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_parameters_are_4xx_or_a_right_answer() {
    let site = site().await;
    let (process, items) = site.process_of(2).await;
    let prober = Prober::start(&site.process.url);
    let names = [
        "limit",
        "from",
        "to",
        "from-nonce",
        "to-nonce",
        "process-id",
        "proc-id",
        "show-anchor",
        "x%00",
    ];
    let mut paths = Vec::new();
    for value in values() {
        for name in names {
            paths.push(format!("/{process}?{name}={value}"));
        }
        for route in [format!("/{}", items[0].id()), "/timestamp".to_owned(), "/".to_owned()] {
            paths.push(format!("{route}?process-id={value}"));
        }
        let value = value.replace('#', "");
        paths.extend([
            format!("/{value}"),
            format!("/{value}/latest"),
            format!("/processes/{value}"),
            format!("/raw/{value}"),
        ]);
    }
    for path in &paths {
        let answer = site.client.get(path).await;
        if answer.status != 200 {
            assert!(
                matches!(answer.status, 400 | 404),
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
            answer.error(answer.status);
        }
    }
    prober.finish();
    assert_eq!(site.checked(process).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_and_deep_queries_cost_nothing() {
    let site = site().await;
    let (process, _) = site.process_of(2).await;
    let prober = Prober::start(&site.process.url);
    for query in [
        "limit=1&".repeat(4_000),
        "a[b][c]=1&".repeat(3_000),
        "=&".repeat(15_000),
        "%25".repeat(10_000),
    ] {
        let answer = site.client.get(&format!("/{process}?{query}")).await;
        assert!(matches!(answer.status, 200 | 400 | 414 | 431), "{}", answer.status);
    }
    prober.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_assignments_are_4xx() {
    let site = site().await;
    let process = site.spawned().await;
    for value in values() {
        for query in [
            format!("process-id={value}&assign={process}"),
            format!("process-id={process}&assign={value}"),
            format!("process-id={process}&assign={process}&exclude={value}"),
            format!("process-id={process}&assign={process}&exclude={}", "x,".repeat(5_000)),
        ] {
            let answer = site.client.send("POST", &format!("/?{query}"), &[], Bytes::new()).await;
            assert!(
                (400..500).contains(&answer.status),
                "{query}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    assert_eq!(site.checked(process).await.len(), 1);
}
