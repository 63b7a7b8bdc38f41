//! A server that only asks who is there.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// How long whoever connects may take to say its password.
const TOLD_MAX: Duration = Duration::from_secs(20);
/// Asks for a password in clear (PostgreSQL, message formats: `AuthenticationCleartextPassword`).
const ASKS: &[u8] = b"R\0\0\0\x08\0\0\0\x03";

/// Asks everybody for a password in clear, takes it down and hangs up. It ends with the test's process.
pub struct AskingForPasswords {
    port: u16,
    told: Receiver<String>,
}

impl AskingForPasswords {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, told) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever hangs up first has told nothing.
                if let Ok(password) = ask(stream)
                    && sender.send(password).is_err()
                {
                    return;
                }
            }
        });
        Self { port, told }
    }

    /// Its URL for `login` (a user, and perhaps a password).
    #[must_use]
    pub fn url(&self, login: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/rota?sslmode=disable", self.port)
    }

    /// The next password that it is told.
    ///
    /// # Panics
    /// Nobody tells one in time.
    #[must_use]
    pub fn told(&self) -> String {
        self.told.recv_timeout(TOLD_MAX).unwrap()
    }
}

fn ask(mut stream: TcpStream) -> io::Result<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut start = vec![0; u32::from_be_bytes(length) as usize - length.len()];
    stream.read_exact(&mut start)?;
    stream.write_all(ASKS)?;
    let mut head = [0; 5]; // 'p' and the length
    stream.read_exact(&mut head)?;
    let mut password = Vec::new();
    BufReader::new(stream).read_until(0, &mut password)?;
    password.pop();
    String::from_utf8(password).map_err(io::Error::other)
}
