//! The controllers of SMAPP, and those for the use cases of draft-hesmans-mptcp-socket, each on a
//! running stack: a client that opens no subflow by itself sends to a server over two links.
//!
//! ```console
//! $ cargo run -p umptcp --example smapp -- smart-backup
//! ```
//!
//! Others: `full-mesh`, `smart-streaming`, `refresh`, `refreshing-subflows`,
//! `delayed-establishment`. Without an argument all run, one after the other.

#[expect(dead_code, reason = "it looks at subflows by queries")]
mod two_paths;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use two_paths::{Outcome, TwoPaths};
use umptcp::smapp::controllers::{
    DelayedEstablishment, DelayedEstablishmentConfig, FullMesh, Refresh, RefreshingSubflows,
    ReplacementConfig, SmartBackup, SmartBackupConfig, SmartStreaming, SmartStreamingConfig,
};
use umptcp::smapp::{Answer, Command, Controller, Query, SubflowState, Token};
use umptcp::{ConnectionConfig, LinkSwitch, MptcpStream, PathManagerKind, Stack};

const SERVER: &str = "10.0.0.2:7";
/// The client's addresses on the two links.
const FIRST: &str = "10.0.0.1";
const SECOND: &str = "10.0.1.1";
/// What a path must have failed by.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both hosts, and the connection that the controller rules.
struct Scene {
    client: Stack,
    server: Stack,
    links: [LinkSwitch; 2],
    stream: MptcpStream,
    first: IpAddr,
    second: IpAddr,
}

impl Scene {
    /// Connects, with a controller on the client's side; the server sends everything back.
    async fn with(controller: Box<dyn Controller>) -> Outcome<Self> {
        let hosts = TwoPaths::new();
        let server = hosts.server.start()?;
        let client = hosts.client.start()?;
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
            links: hosts.links,
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

async fn echo(mut stream: MptcpStream) -> std::io::Result<()> {
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
    scene.links[0].set_up(false);
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
            scene.links[0].set_up(false);
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
