//! A phone with Wi-Fi (the first link) and cellular (the second): what the service types of Apple's
//! multipath sockets do with them. It needs no privileges: the links are in this process.
//!
//! ```console
//! $ cargo run -p umptcp --example apple_services
//! ```

mod option_hosts;

use option_hosts::{
    Outcome, SERVER, check, connect, eventually, listen, socket, start, wait_connected,
};
use umptcp::bsd::options::apple::{
    Action, CifFlags, Cost, Endpoints, Interface, MultipathService, Quality, SAE_ANY, ServiceType,
    run_service, set_multipath_service, set_service_type,
};
use umptcp::bsd::{Errno, IPPROTO_MPTCP, SockAddr};
use umptcp::{PathManagerKind, Stack, StackSocket};

#[tokio::main]
async fn main() -> Outcome<()> {
    let [phone, server] = start()?;
    for host in [&phone, &server] {
        host.with_net(|net| {
            net.system.defaults.path_manager = PathManagerKind::Passive;
            Ok(())
        })?;
    }
    let listener = listen(&server, IPPROTO_MPTCP)?;
    let refused =
        set_multipath_service(&socket(&phone, IPPROTO_MPTCP)?, MultipathService::Handover);
    check(
        "without the entitlement there is no service",
        refused.is_err(),
    )?;
    phone.with_net(|net| {
        net.system.apple.entitled = true;
        Ok(())
    })?;
    wifi_is(&phone, Quality::Good)?;

    let plain = socket(&phone, IPPROTO_MPTCP)?;
    set_multipath_service(&plain, MultipathService::None)?;
    let _accepted = connect(&plain, &listener).await?;
    check("no service is plain TCP", run_service(&plain).is_err())?;

    let socket = socket(&phone, IPPROTO_MPTCP)?;
    set_multipath_service(&socket, MultipathService::Handover)?;
    let endpoints = Endpoints {
        source_interface: 1,
        source: None,
        destination: SockAddr::plain(SERVER.parse()?),
    };
    let begun =
        socket.with(|socket, net| socket.connectx(net, &endpoints, SAE_ANY, 0, b"hello"))?;
    check("connectx takes data along", begun.sent == 5)?;
    let accepted = wait_connected(&socket, &listener).await?;
    eventually("which arrives", || {
        accepted.with(|socket, net| socket.bytes_to_read(net)) == Ok(5)
    })
    .await?;
    check(
        "handover: while Wi-Fi is good, cellular stays silent",
        run_service(&socket)?.is_empty(),
    )?;

    wifi_is(&phone, Quality::Bad)?;
    let actions = run_service(&socket)?;
    println!("Wi-Fi is bad: {actions:?}");
    check(
        "a cellular subflow is opened",
        matches!(actions[..], [Action::Open(_)]),
    )?;
    eventually("and is there", || count(&socket) == 2).await?;
    eventually("kept in readiness while Wi-Fi still delivers", || {
        run_service(&socket).is_ok() && is_active(&socket, 1) && !is_active(&socket, 2)
    })
    .await?;

    wifi_is(&phone, Quality::Good)?;
    println!("Wi-Fi is good: {:?}", run_service(&socket)?);
    eventually("the cellular subflow is let go", || count(&socket) == 1).await?;

    set_service_type(&socket, ServiceType::Interactive)?;
    let opened = run_service(&socket)?;
    // Not sooner than three seconds after the last attempt.
    println!("interactive: {opened:?}");
    eventually(
        "interactive: cellular is there at once, and is a spare",
        || run_service(&socket).is_ok() && count(&socket) == 2 && !is_active(&socket, 3),
    )
    .await?;
    let aggregate = set_service_type(&socket, ServiceType::Aggregate);
    check("aggregate is for developers", aggregate.is_err())?;
    phone.with_net(|net| {
        net.system.apple.allow_aggregate = true;
        Ok(())
    })?;
    set_service_type(&socket, ServiceType::Aggregate)?;
    eventually("who may use both at once", || {
        run_service(&socket).is_ok() && is_active(&socket, 1) && is_active(&socket, 3)
    })
    .await?;
    socket.with(|socket, net| socket.disconnectx(net, SAE_ANY, 3))?;
    eventually("disconnectx ends one of them", || count(&socket) == 1).await
}

/// Says what Wi-Fi and cellular are like.
fn wifi_is(phone: &Stack, quality: Quality) -> Outcome<()> {
    let [wifi, cell] = *phone.interfaces() else {
        return Err("there are two links".into());
    };
    let interface = |id, cost| Interface {
        id,
        cost,
        quality,
        up: true,
    };
    phone.with_net(|net| {
        let interfaces = [interface(wifi, Cost::Cheap), interface(cell, Cost::Costly)];
        net.system.apple.interfaces = interfaces.into();
        Ok(())
    })?;
    Ok(())
}

fn count(socket: &StackSocket) -> usize {
    let ids: Result<Vec<u32>, Errno> = socket.with(|socket, net| socket.connection_ids(net));
    ids.map_or(0, |ids| ids.len())
}

/// Data goes over this subflow now.
fn is_active(socket: &StackSocket, id: u32) -> bool {
    let info = socket.with(|socket, net| socket.conninfo(net, id));
    info.is_ok_and(|info| {
        info.flags
            .contains(CifFlags::CONNECTED | CifFlags::MP_ACTIVE)
    })
}
