//! A connection in the hands of both applications.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use umptcp::{MptcpStream, SubflowInfo};
use umptcp_lab::payload::Pattern;
use umptcp_lab::realtime::hosts::Socket;
use umptcp_tests::flow::{LIMIT, receive, send};

/// Both ends of a connection.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) ours: MptcpStream,
    pub(crate) peer: Socket,
}

impl Ends {
    /// A word each way: joins begin once the peer was heard with data (RFC 6824 §3.1).
    pub(crate) async fn greet(&mut self) {
        const WORD: &[u8] = b"hello";
        let greeting = async {
            let mut word = [0; WORD.len()];
            self.ours.write_all(WORD).await?;
            self.peer.read_exact(&mut word).await?;
            self.peer.write_all(&word).await?;
            self.ours.read_exact(&mut word).await?;
            io::Result::Ok(word)
        };
        let greeted = timeout(LIMIT, greeting).await.expect("no greeting");
        assert_eq!(greeted.expect("greeting"), WORD);
    }

    /// Waits until so many of our subflows are usable.
    pub(crate) async fn subflows_are_up(&self, count: usize) {
        self.until("usable subflows", |ours| {
            let subflows = ours.subflows();
            let usable = |s: &&SubflowInfo| s.state.can_send() && s.fully_established;
            subflows.iter().filter(usable).count() == count
        })
        .await;
    }

    /// Waits for something that our end shows.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&MptcpStream) -> bool) {
        let waiting = async {
            while !holds(&self.ours) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.ours.subflows());
    }

    /// Sends different bytes both ways at the same time, and leaves both directions open.
    pub(crate) async fn swap(&mut self, len: usize) {
        let (there, back) = (Pattern::new(3).bytes(0, len), Pattern::new(4).bytes(0, len));
        let (mut our_reader, mut our_writer) = tokio::io::split(&mut self.ours);
        let (mut peer_reader, mut peer_writer) = tokio::io::split(&mut self.peer);
        let (mut arrived, mut came_back) = (vec![0; len], vec![0; len]);
        let swapping = async {
            tokio::try_join!(
                our_writer.write_all(&there),
                peer_reader.read_exact(&mut arrived),
                peer_writer.write_all(&back),
                our_reader.read_exact(&mut came_back),
            )
        };
        let swapped = timeout(LIMIT, swapping).await.expect("swapping has hung");
        swapped.expect("swapped");
        assert!(arrived == there && came_back == back, "not what was sent");
    }

    /// Sends different bytes both ways at the same time, and ends both directions.
    pub(crate) async fn exchange(&mut self, len: u64) {
        self.exchange_lens(len, len).await;
    }

    /// The same with another length each way.
    pub(crate) async fn exchange_lens(&mut self, to_peer: u64, to_us: u64) {
        let (there, back) = (Pattern::new(1), Pattern::new(2));
        let (mut our_reader, mut our_writer) = tokio::io::split(&mut self.ours);
        let (mut peer_reader, mut peer_writer) = tokio::io::split(&mut self.peer);
        tokio::join!(
            send(&mut our_writer, there, to_peer),
            receive(&mut peer_reader, there, to_peer),
            send(&mut peer_writer, back, to_us),
            receive(&mut our_reader, back, to_us),
        );
    }
}
