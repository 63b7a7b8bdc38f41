//! The servers and the proxy of the kit do what tests of replication rely on.

use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Stop};
use rota_testkit::proxy::{Fault, FaultProxy};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_replica_follows_pauses_and_comes_back() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: false });
    let url = cluster.create_database("rota");
    assert_eq!(url, cluster.url("rota"));
    cluster.sql("rota", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let replica = cluster.replica();
    let count = || replica.sql("rota", "SELECT count(*) FROM t");
    assert_eq!(count(), "1");

    replica.pause();
    cluster.sql("rota", "INSERT INTO t VALUES (2)");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), "1", "a paused replica shows something new");
    replica.resume();
    replica.caught_up();
    assert_eq!(count(), "2");

    replica.kill();
    cluster.sql("rota", "INSERT INTO t VALUES (3)");
    replica.boot();
    replica.caught_up();
    assert_eq!(count(), "3");

    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        cluster.restart(how);
        cluster.sql("rota", "INSERT INTO t VALUES (4)");
        replica.caught_up();
    }
    assert_eq!(count(), "6");
}

#[test]
fn a_frozen_server_answers_when_it_is_thawed() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: false });
    cluster.freeze();
    thread::scope(|scope| {
        let answer = scope.spawn(|| cluster.sql("postgres", "SELECT 7"));
        thread::sleep(Duration::from_millis(300));
        assert!(!answer.is_finished());
        cluster.thaw();
        assert_eq!(answer.join().unwrap(), "7");
    });
}

#[test]
fn cpu_of_ended_sessions_and_earlier_runs_counts() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), "on");
    let before = cluster.cpu_seconds();
    cluster.sql("postgres", "SELECT sum(sqrt(n)) FROM generate_series(1, 1000000) n");
    let after = cluster.cpu_seconds();
    assert!(after > before + 0.02, "{before} {after}");
    cluster.restart(Stop::Fast);
    assert!(cluster.cpu_seconds() >= after);
}

#[test]
#[ignore = "the victim of the next test"]
fn starts_a_frozen_server_and_waits_for_its_death() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: false });
    let replica = cluster.replica();
    let directories = [
        cluster.sql("postgres", "SHOW data_directory"),
        replica.sql("postgres", "SHOW data_directory"),
    ];
    std::fs::write(std::env::var("TELL").unwrap(), directories.join("\n") + "\n").unwrap();
    replica.freeze();
    thread::sleep(Duration::from_secs(600));
}

#[test]
fn servers_end_with_a_test_process_that_is_killed() {
    let told = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "starts_a_frozen_server_and_waits_for_its_death", "--ignored"])
        .env("TELL", told.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let wait = |done: &dyn Fn(&str) -> bool| {
        while !done(&std::fs::read_to_string(told.path()).unwrap()) {
            assert!(Instant::now() < until);
            thread::sleep(Duration::from_millis(10));
        }
    };
    wait(&|text| text.ends_with('\n'));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait(&|text| text.lines().all(|directory| !Path::new(directory).exists()));
}

/// Sends a byte and reads the echo; what arrived at the echo server is counted there.
fn echoed(proxy: &FaultProxy) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", proxy.port())) else {
        return false;
    };
    let _ = stream.write_all(b"x"); // an error shows in what is read
    matches!(stream.read(&mut [0; 1]), Ok(1))
}

#[test]
fn a_proxy_loses_what_it_is_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (arrived, arrivals) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let arrived = arrived.clone();
            thread::spawn(move || {
                let mut byte = [0; 1];
                while let Ok(1) = stream.read(&mut byte) {
                    arrived.send(byte[0]).unwrap();
                    let _ = stream.write_all(&byte);
                }
            });
        }
    });
    let proxy = FaultProxy::start(port);
    let url = proxy.url("postgres://u@127.0.0.1:5432/d?x=y");
    assert_eq!(url, format!("postgres://u@127.0.0.1:{}/d?x=y", proxy.port()));
    let arrived = || arrivals.recv_timeout(Duration::from_millis(200)).is_ok();
    let cases = [
        (Fault::None, true, true),
        (Fault::CutAnswers, false, true),
        (Fault::CutRequestsAfter(0), false, false),
        (Fault::CutRequestsAfter(2), true, true),
        (Fault::Refuse, false, false),
    ];
    for (fault, answers, arrives) in cases {
        proxy.set(fault);
        assert_eq!((echoed(&proxy), arrived()), (answers, arrives), "{fault:?}");
    }
    proxy.set(Fault::Delay(Duration::from_millis(50)));
    let began = Instant::now();
    assert!(echoed(&proxy) && began.elapsed() >= Duration::from_millis(50));
    proxy.set(Fault::Stall);
    thread::scope(|scope| {
        let stalled = scope.spawn(|| echoed(&proxy));
        thread::sleep(Duration::from_millis(100));
        assert!(!stalled.is_finished());
        proxy.heal();
        assert!(stalled.join().unwrap());
    });
}
