//! The controllers of SMAPP, and those for the use cases of draft-hesmans-mptcp-socket, each on a
//! running stack: a client that opens no subflow by itself sends to a server over two links.
//!
//! ```console
//! $ cargo run -p umptcp --example smapp -- smart-backup
//! ```
//!
//! Others: `full-mesh`, `smart-streaming`, `refresh`, `refreshing-subflows`,
//! `delayed-establishment`. Without an argument all run, one after the other.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use umptcp::smapp::controllers::{
    DelayedEstablishment, DelayedEstablishmentConfig, FullMesh, Refresh, RefreshingSubflows,
    ReplacementConfig, SmartBackup, SmartBackupConfig, SmartStreaming, SmartStreamingConfig,
};
use umptcp::smapp::{Answer, Command, Controller, Query, SubflowState, Token};
use umptcp::{
    ConnectionConfig, Device, MemoryDevice, MptcpStream, PathManagerKind, Stack, Transmit,
};

/// Whatever goes wrong ends the example.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SERVER: &str = "10.0.0.2:7";
/// The client's addresses on the two links.
const FIRST: &str = "10.0.0.1";
const SECOND: &str = "10.0.1.1";
/// What a path must have failed by.
const PATIENCE: Duration = Duration::from_secs(20);

/// One end of a link that can go silent: packets vanish, and neither end is told.
#[derive(Debug)]
struct Fragile {
    device: MemoryDevice,
    silent: Arc<AtomicBool>,
}

impl Device for Fragile {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let received = self.device.poll_recv(cx, buffer);
            let vanishes = self.silent.load(Ordering::Relaxed);
            if !vanishes || !matches!(received, Poll::Ready(Ok(_))) {
                return received;
            }
        }
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        if self.silent.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.device.send(packet)
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.device.poll_link(cx)
    }
}

/// Both hosts, and the connection that the controller rules.
struct Scene {
    client: Stack,
    server: Stack,
    /// The first link has gone silent.
    silent: Arc<AtomicBool>,
    stream: MptcpStream,
    first: IpAddr,
    second: IpAddr,
}

impl Scene {
    /// Connects, with a controller on the client's side; the server sends everything back.
    async fn with(controller: Box<dyn Controller>) -> Outcome<Self> {
        let silent = Arc::new(AtomicBool::new(false));
        let (device, server_0) = MemoryDevice::pair(1500);
        let client_0 = Fragile {
            device,
            silent: Arc::clone(&silent),
        };
        let (client_1, server_1) = MemoryDevice::pair(1500);
        let server = Stack::builder()
            .interface(server_0, ["10.0.0.2".parse()?])
            .interface(server_1, ["10.0.1.2".parse()?])
            .start()?;
        let client = Stack::builder()
            .interface(client_0, [FIRST.parse()?])
            .interface(client_1, [SECOND.parse()?])
            .start()?;
        client.add_controller(controller);
        let address: SocketAddr = SERVER.parse()?;
        let listener = server.listen(address, ConnectionConfig::default())?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        let passive = ConnectionConfig {
            path_manager: PathManagerKind::Passive,
            ..ConnectionConfig::default()
        };
        let stream = client.connect_with(None, address, passive).await?;
        Ok(Self {
            client,
            server,
            silent,
            stream,
            first: FIRST.parse()?,
            second: SECOND.parse()?,
        })
    }

    /// Sends bytes there and waits until they have come back.
    async fn exchange(&mut self, len: usize) -> Outcome<()> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let bytes = vec![7; len];
        let mut back = vec![0; len];
        let (written, read) = tokio::join!(writer.write_all(&bytes), reader.read_exact(&mut back));
        written?;
        read?;
        if back != bytes {
            return Err("the bytes came back changed".into());
        }
        Ok(())
    }

    /// The established subflows, as controllers see them.
    fn subflows(&self) -> Outcome<Vec<SubflowState>> {
        match self.client.query(&Query::Subflows(token(&self.client)?))? {
            Answer::Subflows(mut subflows) => {
                subflows.retain(|subflow| subflow.established);
                Ok(subflows)
            }
            other => Err(format!("no answer to that: {other:?}").into()),
        }
    }

    /// Goes on exchanging bytes until the subflows are as they should be.
    async fn until(
        &mut self,
        what: &str,
        condition: impl Fn(&[SubflowState]) -> bool,
    ) -> Outcome<()> {
        let exchanging = async {
            while !condition(&self.subflows()?) {
                self.exchange(20_000).await?;
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        match timeout(PATIENCE, exchanging).await {
            Ok(result) => result,
            Err(_) => Err(format!("never: {what}").into()),
        }
    }
}

/// The token of the only connection.
fn token(stack: &Stack) -> Outcome<Token> {
    match stack.query(&Query::Connections)? {
        Answer::Connections(tokens) => Ok(*tokens.first().ok_or("there is no connection")?),
        other => Err(format!("no answer to that: {other:?}").into()),
    }
}

async fn echo(mut stream: MptcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
    }
}

fn uses(subflows: &[SubflowState], address: IpAddr) -> bool {
    let mut subflows = subflows.iter();
    subflows.any(|subflow| subflow.local.ip() == address)
}

/// A subflow that the other side resets is there again.
async fn full_mesh() -> Outcome<String> {
    let mut scene = Scene::with(Box::new(FullMesh::default())).await?;
    let second = scene.second;
    scene
        .until("a second subflow", |subflows| uses(subflows, second))
        .await?;
    let subflows = scene.subflows()?;
    let lost = subflows
        .iter()
        .find(|subflow| subflow.local.ip() == second)
        .ok_or("it is gone")?;
    let (id, local, remote) = (lost.id, lost.remote, lost.local);
    scene.server.execute(&Command::DestroySubflow {
        token: token(&scene.server)?,
        local,
        remote,
    })?;
    let again = |subflows: &[SubflowState]| {
        let mut subflows = subflows.iter();
        subflows.any(|subflow| subflow.local.ip() == second && subflow.id > id)
    };
    scene.until("it is opened again", again).await?;
    Ok("a subflow that was reset is open again".into())
}

/// The first link goes silent; nothing tells but the retransmission timeouts.
async fn smart_backup() -> Outcome<String> {
    let config = SmartBackupConfig {
        rto_over: Duration::from_millis(500),
        backup: None,
    };
    let mut scene = Scene::with(Box::new(SmartBackup::new(config))).await?;
    scene.exchange(100_000).await?;
    if scene.subflows()?.len() != 1 {
        return Err("the backup was opened before it was needed".into());
    }
    scene.silent.store(true, Ordering::Relaxed);
    timeout(PATIENCE, scene.exchange(100_000)).await??;
    let (first, second) = (scene.first, scene.second);
    let switched = |subflows: &[SubflowState]| uses(subflows, second) && !uses(subflows, first);
    scene.until("the bad path is left", switched).await?;
    Ok("the bad path was left for the backup".into())
}

/// The first link goes silent in the middle of a stream of blocks.
async fn smart_streaming() -> Outcome<String> {
    const BLOCK: usize = 64 << 10;
    let period = Duration::from_millis(200);
    let config = SmartStreamingConfig {
        period,
        check_after: period / 2,
        ..SmartStreamingConfig::default()
    };
    let mut scene = Scene::with(Box::new(SmartStreaming::new(config))).await?;
    for block in 0..10 {
        if block == 3 {
            scene.silent.store(true, Ordering::Relaxed);
        }
        let (come, ()) = tokio::join!(timeout(PATIENCE, scene.exchange(BLOCK)), sleep(period));
        come??;
    }
    if !uses(&scene.subflows()?, scene.second) {
        return Err("the second subflow was not opened".into());
    }
    Ok("ten blocks arrived over two paths".into())
}

/// Three subflows over the first link, of which the worst is replaced.
async fn replacement(controller: fn(ReplacementConfig) -> Box<dyn Controller>) -> Outcome<String> {
    let config = ReplacementConfig {
        subflows: 3,
        interval: Duration::from_millis(100),
    };
    let mut scene = Scene::with(controller(config)).await?;
    scene
        .until("three subflows", |subflows| subflows.len() == 3)
        .await?;
    let ports = |subflows: &[SubflowState]| -> BTreeSet<u16> {
        subflows
            .iter()
            .map(|subflow| subflow.local.port())
            .collect()
    };
    let before = ports(&scene.subflows()?);
    let replaced = |subflows: &[SubflowState]| {
        subflows.len() == 3 && ports(subflows).intersection(&before).count() < 2
    };
    scene.until("two other subflows", replaced).await?;
    Ok("subflows were replaced by others".into())
}

/// Nothing but the first subflow for what is short.
async fn delayed_establishment() -> Outcome<String> {
    let config = DelayedEstablishmentConfig {
        // Time plays no part here.
        time: Duration::from_secs(3600),
        ..DelayedEstablishmentConfig::default()
    };
    let mut scene = Scene::with(Box::new(DelayedEstablishment::new(config))).await?;
    scene.exchange(10_000).await?;
    // Longer than from one look to the next.
    sleep(config.look_every * 4).await;
    if scene.subflows()?.len() != 1 {
        return Err("the second subflow was opened for a short transfer".into());
    }
    let second = scene.second;
    scene
        .until("a second subflow", |subflows| uses(subflows, second))
        .await?;
    Ok("the second subflow was opened for a long transfer only".into())
}

async fn run(name: &str) -> Outcome<()> {
    let said = match name {
        "full-mesh" => full_mesh().await,
        "smart-backup" => smart_backup().await,
        "smart-streaming" => smart_streaming().await,
        "refresh" => replacement(|config| Box::new(Refresh::new(config))).await,
        "refreshing-subflows" => {
            replacement(|config| Box::new(RefreshingSubflows::new(config))).await
        }
        "delayed-establishment" => delayed_establishment().await,
        other => return Err(format!("there is no controller {other}").into()),
    }?;
    println!("{name}: {said}");
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let all = [
        "full-mesh",
        "smart-backup",
        "smart-streaming",
        "refresh",
        "refreshing-subflows",
        "delayed-establishment",
    ];
    match std::env::args().nth(1) {
        Some(name) => run(&name).await,
        None => {
            for name in all {
                run(name).await?;
            }
            Ok(())
        }
    }
}
