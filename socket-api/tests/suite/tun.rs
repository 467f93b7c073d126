//! A stack over TUN devices talks to the kernel's TCP, in a network namespace of the test.

use crate::hosts::{Pattern, soon};
use crate::namespace::in_network_namespace;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use umptcp::{ConnectionConfig, ConnectionProtocol, Network, Stack, TunDevice};

const KERNEL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const STACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

/// Brings the link up and waits until the stack knows.
async fn set_up(network: &Network, stack: &Stack) {
    network.set_up("ump0").await.unwrap();
    soon(stack.interface_up(stack.interfaces()[0]))
        .await
        .unwrap();
}

/// A stack whose only link goes to the kernel; the link is still down.
async fn stack_beside_kernel() -> (Network, Stack) {
    let network = Network::connect().await.unwrap();
    let device = TunDevice::open("ump0", 1500).unwrap();
    network.add_address("ump0", KERNEL, 24).await.unwrap();
    let stack = Stack::builder().interface(device, [STACK]).start().unwrap();
    (network, stack)
}

async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await.unwrap();
}

#[test]
fn the_kernel_answers_a_connect() {
    in_network_namespace(|| async {
        let (network, stack) = stack_beside_kernel().await;
        set_up(&network, &stack).await;
        let listener = TcpListener::bind((KERNEL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { echo(listener.accept().await.unwrap().0).await });
        let mut stream = soon(stack.connect(address)).await.unwrap();
        assert_eq!(stream.info().protocol, ConnectionProtocol::Tcp);
        let mut data = vec![0; 300_000];
        Pattern::new().fill(&mut data);
        let mut received = Vec::new();
        let (mut read, mut write) = {
            let (read, write) = stream.into_split();
            (read, write)
        };
        soon(async {
            let send = async {
                write.write_all(&data).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let receive = async { read.read_to_end(&mut received).await.unwrap() };
            tokio::join!(send, receive)
        })
        .await;
        assert!(received == data, "{} bytes", received.len());
        stream = read.reunite(write).unwrap();
        soon(stream.flushed()).await.unwrap();

        let nobody = SocketAddr::from((KERNEL, 1));
        let error = soon(stack.connect(nobody)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    });
}

#[test]
fn the_kernel_connects_to_a_listener() {
    in_network_namespace(|| async {
        let (network, stack) = stack_beside_kernel().await;
        set_up(&network, &stack).await;
        let local = SocketAddr::from((STACK, 80));
        let listener = stack.listen(local, ConnectionConfig::default()).unwrap();
        let (client, server) =
            soon(async { tokio::join!(TcpStream::connect(local), listener.accept()) }).await;
        let (mut client, (mut server, peer)) = (client.unwrap(), server.unwrap());
        assert_eq!(peer, client.local_addr().unwrap());
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        soon(server.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "hello");
        server.write_all(b"good bye").await.unwrap();
        drop(server);
        text.clear();
        soon(client.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "good bye");
    });
}

#[test]
fn a_link_that_goes_down_and_comes_up_again_continues_its_connections() {
    in_network_namespace(|| async {
        let (network, stack) = stack_beside_kernel().await;
        set_up(&network, &stack).await;
        let listener = TcpListener::bind((KERNEL, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { echo(listener.accept().await.unwrap().0).await });
        let mut stream = soon(stack.connect(address)).await.unwrap();
        let mut buffer = [0; 4];
        for _ in 0..3 {
            stream.write_all(b"ping").await.unwrap();
            soon(stream.read_exact(&mut buffer)).await.unwrap();
            network.set_down("ump0").await.unwrap();
            stream.write_all(b"down").await.unwrap();
            network.set_up("ump0").await.unwrap();
            soon(stream.read_exact(&mut buffer)).await.unwrap();
            assert_eq!(&buffer, b"down");
        }
    });
}

#[test]
fn a_stopped_stack_gives_its_devices_back() {
    in_network_namespace(|| async {
        for _ in 0..3 {
            let (_network, stack) = stack_beside_kernel().await;
            soon(stack.stop()).await;
        }
    });
}

/// Removes a link under the feet of whoever uses it.
async fn delete_link(name: &str) {
    let (connection, handle, _) = rtnetlink::new_connection().unwrap();
    let connection = tokio::spawn(connection);
    let message = rtnetlink::LinkUnspec::new_with_name(name).build();
    let request = handle.link().del_with_message(message);
    request.execute().await.unwrap();
    connection.abort();
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = stat.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds on the CPU"))
}

#[test]
fn a_link_that_is_down_or_gone_costs_no_time() {
    in_network_namespace(|| async {
        let (network, stack) = stack_beside_kernel().await;
        let measure = async |what: &str| {
            let before = cpu_time();
            // Long enough that a driver that spins stands out.
            tokio::time::sleep(Duration::from_millis(400)).await;
            let used = cpu_time() - before;
            assert!(used < Duration::from_millis(100), "{what}: {used:?}");
        };
        // It fails at once or waits, depending on who notices first that the link is down.
        let nobody = SocketAddr::from((KERNEL, 9));
        let connecting = tokio::spawn({
            let stack = stack.clone();
            async move { stack.connect(nobody).await.map(drop) }
        });
        measure("down from the start").await;
        connecting.abort();
        network.set_up("ump0").await.unwrap();
        soon(stack.interface_up(stack.interfaces()[0]))
            .await
            .unwrap();
        let error = soon(stack.connect(nobody)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");

        let device = TunDevice::open("ump1", 1500).unwrap();
        let stack = Stack::builder()
            .interface(device, [[198, 51, 100, 2].into()])
            .start()
            .unwrap();
        network.set_up("ump1").await.unwrap();
        network
            .add_address("ump1", [198, 51, 100, 1].into(), 24)
            .await
            .unwrap();
        let listener = TcpListener::bind("198.51.100.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = soon(stack.connect(address)).await.unwrap();
        network.set_down("ump1").await.unwrap();
        stream.write_all(b"nowhere to go").await.unwrap();
        measure("taken down").await;
        delete_link("ump1").await;
        stream.write_all(b"even less").await.unwrap();
        measure("deleted").await;
    });
}
