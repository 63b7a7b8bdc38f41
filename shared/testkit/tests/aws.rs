//! The stand-in for AWS starts, answers and ends with whoever started it.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

use rota_testkit::aws::Aws;
use std::net::TcpStream;

#[test]
fn it_answers_while_it_lives() {
    let aws = Aws::start();
    let port = aws.port();
    assert_ne!(aws.fresh_bucket(), aws.fresh_bucket());
    drop(aws);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
