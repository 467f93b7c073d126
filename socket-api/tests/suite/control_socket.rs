//! A stack that another process looks at and rules, by its control socket.

use crate::hosts::{Hosts, client_address, exchange, server_address, soon};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use umptcp::control_socket::{
    Answered, ControlClient, ControlServer, Notice, Request, SocketState,
};
use umptcp::smapp::{
    Answer, Command, Commands, Control as _, Controller, CreateSubflow, Errno, Event, EventMask,
    Query, Reply, Token,
};
use umptcp::{ConnectionConfig, MptcpStream, PathManagerKind};

/// A path that no other test has, in a folder that is removed with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("umptcp-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a client does, on a thread of its own, as it waits.
async fn on_thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    soon(tokio::task::spawn_blocking(act))
        .await
        .expect("the thread ended well")
}

fn connect(path: &Path) -> ControlClient {
    ControlClient::connect(path).expect("connected to the control socket")
}

/// A connection that opens no subflow by itself, and the control socket of the client's stack.
async fn ruled(hosts: &Hosts, place: &Place) -> (MptcpStream, MptcpStream, ControlServer) {
    let config = ConnectionConfig {
        path_manager: PathManagerKind::Passive,
        ..ConnectionConfig::default()
    };
    let listener = hosts.listen();
    let connect = hosts.client.connect_with(None, hosts.address(), config);
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
    exchange(&mut client, &mut server).await;
    let control = hosts.client.serve_control(place.socket()).unwrap();
    (client, server, control)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_sees_and_rules_connections() {
    let (hosts, place) = (Hosts::start(2), Place::new());
    let (stream, _server, control) = ruled(&hosts, &place).await;
    let path = control.path().to_owned();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = Token(stream.info().token.unwrap());
    on_thread(move || {
        let mut client = connect(&path);
        let Ok(Answered::Sockets(sockets)) = client.request(Request::Sockets) else {
            panic!("no sockets");
        };
        assert_eq!(sockets.len(), 1);
        assert_eq!(sockets[0].state, SocketState::Estab);
        let info = sockets[0].info.as_ref().unwrap();
        assert_eq!(
            (info.token, info.bytes_sent, info.bytes_received),
            (Some(token.0), 4, 4)
        );
        assert_eq!(sockets[0].subflows[0].flags, "Mmec");

        client.monitor(EventMask::ALL, false).unwrap();
        let wanted = CreateSubflow::new(token, (server_address(1), crate::hosts::PORT).into());
        let command = Command::CreateSubflow(wanted.from(client_address(1)));
        let reply = client.execute(umptcp_stack::Instant::ZERO, &command);
        assert!(matches!(reply, Ok(Reply::Subflow { .. })), "{reply:?}");
        loop {
            let notice = client.next_notice(Some(Duration::from_secs(30))).unwrap();
            if let Some(Notice::Event(happened)) = notice
                && let Event::SubflowEstablished(subflow) = happened.event
            {
                assert_eq!(subflow.local.ip(), client_address(1));
                break;
            }
            assert!(notice.is_some(), "no event came");
        }
        let unknown = Query::Connection(Token(token.0.wrapping_add(1)));
        assert_eq!(client.query(&unknown), Err(Errno::EINVAL));
        let known = client.query(&Query::Connections);
        assert_eq!(known, Ok(Answer::Connections(vec![token])));
        let Ok(Answered::Counters(counters)) = client.request(Request::Counters) else {
            panic!("no counters");
        };
        assert!(counters.contains(&("MPJoinSynTx".to_owned(), 1)));
    })
    .await;
    assert_eq!(stream.subflows().len(), 2);
    let path = control.path().to_owned();
    drop(control);
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_and_harms_nobody() {
    let (hosts, place) = (Hosts::start(1), Place::new());
    let (_stream, _server, control) = ruled(&hosts, &place).await;
    let path = control.path().to_owned();
    on_thread(move || {
        let mut raw = BufReader::new(UnixStream::connect(&path).unwrap());
        let mut line = String::new();
        raw.read_line(&mut line).unwrap();
        assert!(line.starts_with(r#"{"hello":"#), "{line}");
        for (nonsense, errno) in [
            ("fly", 74),
            ("{}", 74),
            (r#"{"id":9,"request":"fly"}"#, 74),
            (r#"{"missed":1}"#, 71),
            ("\u{1}\u{2}", 74),
        ] {
            writeln!(raw.get_mut(), "{nonsense}").unwrap();
            line.clear();
            raw.read_line(&mut line).unwrap();
            assert!(line.contains(&format!(r#""errno":{errno}"#)), "{line}");
        }
        // A line without an end is not kept for ever.
        let endless = vec![b'x'; 1 << 20];
        let _ = raw.get_mut().write_all(&endless);
        line.clear();
        // An error is as good: the connection is closed on what was not read.
        assert_eq!(raw.read_to_string(&mut line).unwrap_or(0), 0, "{line}");
        connect(&path).request(Request::Sockets).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_left_behind_is_replaced_and_one_in_use_is_not() {
    let (hosts, place) = (Hosts::start(1), Place::new());
    let path = place.socket();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let control = hosts.client.serve_control(&path).unwrap();
    let taken = hosts.server.serve_control(&path).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    drop(control);
    std::fs::write(&path, "somebody's file").unwrap();
    let taken = hosts.server.serve_control(&path).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's file");
    let nobody = ControlClient::connect(&place.0.join("nowhere")).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::NotFound);
}

/// Opens a second subflow as soon as a connection is established, or a little later.
#[derive(Debug)]
struct SecondSubflow {
    wanted: Option<(Token, umptcp_stack::Instant)>,
}

impl Controller for SecondSubflow {
    fn events(&self) -> EventMask {
        EventMask::ESTABLISHED
    }

    fn handle_event(&mut self, now: umptcp_stack::Instant, event: &Event, _: &mut Commands<'_>) {
        if let Event::Established(connection) = event {
            self.wanted = Some((connection.token, now));
        }
    }

    fn poll_timeout(&self) -> Option<umptcp_stack::Instant> {
        self.wanted.map(|(_, at)| at)
    }

    fn handle_timeout(&mut self, now: umptcp_stack::Instant, commands: &mut Commands<'_>) {
        let Some((token, _)) = self.wanted.take() else {
            return;
        };
        let remote = (server_address(1), crate::hosts::PORT).into();
        let subflow = CreateSubflow::new(token, remote).from(client_address(1));
        if commands.create_subflow(subflow) == Err(Errno::EAGAIN) {
            self.wanted = Some((token, now + Duration::from_millis(5)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_in_another_process_rules_a_stack() {
    let (hosts, place) = (Hosts::start(2), Place::new());
    let (stream, _server, control) = ruled(&hosts, &place).await;
    let path = control.path().to_owned();
    // The connection is older than the controller, which hears of it all the same.
    let controller = tokio::task::spawn_blocking(move || {
        connect(&path).host(&mut SecondSubflow { wanted: None })
    });
    crate::hosts::subflow_over(&stream, 1).await;
    drop(control);
    soon(controller).await.unwrap().unwrap();
}
