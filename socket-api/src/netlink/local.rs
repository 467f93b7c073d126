//! When an IPv6 address is the kernel's own.
//!
//! The module owns the waiting for that. It changes nothing.

use super::to_io;
use futures::StreamExt as _;
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::{Handle, RouteMessageBuilder};
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Far more than the kernel needs, on a machine however busy.
const LIMIT: Duration = Duration::from_secs(10);

/// Waits until packets to `address` are for the kernel itself.
///
/// It agrees to a new IPv6 address before that: the route that makes it local comes from a work
/// queue (`addrconf_dad_work`), also where no duplicate is looked for. A packet that is faster is
/// dropped, or answered with "unreachable" by a kernel that forwards.
pub(super) async fn until_local(handle: &Handle, address: Ipv6Addr) -> io::Result<()> {
    let waiting = async {
        while !is_local(handle, address).await? {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    timeout(LIMIT, waiting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn is_local(handle: &Handle, address: Ipv6Addr) -> io::Result<bool> {
    let question = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(address, 128)
        .build();
    let mut answers = Box::pin(handle.route().get(question).execute());
    match answers.next().await {
        Some(Ok(route)) => Ok(route.header.kind == RouteType::Local),
        None => Ok(false),
        Some(Err(error)) => match to_io(error) {
            // No route at all yet.
            error
                if matches!(
                    error.kind(),
                    io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable
                ) =>
            {
                Ok(false)
            }
            error => Err(error),
        },
    }
}
