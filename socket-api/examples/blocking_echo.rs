//! An echo server and a client for it without async, over two paths, the first of which is cut in
//! the middle.
//!
//! ```console
//! $ cargo run -p umptcp --example blocking_echo
//! ```

mod two_paths;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;
use two_paths::{Outcome, TwoPaths, wait_for_both_paths};
use umptcp::ConnectionConfig;
use umptcp::blocking::{MptcpListener, MptcpStream, Stack};

const ADDRESS: &str = "10.0.0.2:7";
const BLOCK: usize = 100_000;
const BLOCKS: u8 = 40;

fn main() -> Outcome<()> {
    let hosts = TwoPaths::new();
    let server = Stack::start(hosts.server)?;
    let client = Stack::start(hosts.client)?;

    let listener = server.listen(ADDRESS.parse()?, ConnectionConfig::default())?;
    thread::spawn(move || serve(&listener));

    let mut stream = client.connect_timeout(ADDRESS, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    wait_for_both_paths(|| stream.subflows())?;

    // One thread writes, this one reads what comes back.
    let writer = stream.try_clone()?;
    let writing = thread::spawn(move || write_blocks(&writer));
    let mut block = vec![0; BLOCK];
    for number in 0..BLOCKS {
        stream.read_exact(&mut block)?;
        if block.iter().any(|byte| *byte != number) {
            return Err(format!("block {number} came back changed").into());
        }
        if number == BLOCKS / 2 {
            hosts.links[0].set_up(false);
            println!("the first path is cut");
        }
    }
    writing
        .join()
        .map_err(|_| "the writing thread has panicked")??;
    if stream.read(&mut block)? != 0 {
        return Err("there is something behind the end".into());
    }
    println!(
        "{} bytes came back over {} and {} packets",
        usize::from(BLOCKS) * BLOCK,
        hosts.links[0].packets_carried(),
        hosts.links[1].packets_carried(),
    );
    Ok(())
}

fn write_blocks(mut stream: &MptcpStream) -> std::io::Result<()> {
    for number in 0..BLOCKS {
        stream.write_all(&vec![number; BLOCK])?;
    }
    stream.shutdown(Shutdown::Write)
}

fn serve(listener: &MptcpListener) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            return;
        };
        thread::spawn(move || {
            if let Err(error) = echo(&stream) {
                eprintln!("the echo ends: {error}");
            }
        });
    }
}

fn echo(stream: &MptcpStream) -> std::io::Result<()> {
    std::io::copy(&mut &*stream, &mut &*stream)?;
    stream.shutdown(Shutdown::Write)
}
