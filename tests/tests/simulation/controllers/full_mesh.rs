//! A mesh that is whole again after a subflow was lost: soon after a reset, later where the network
//! says that it knows no way.

use super::*;
use umptcp::smapp::controllers::FullMesh;
use umptcp_lab::world::Undelivered;
use umptcp_stack::wire::icmp::IcmpErrorKind;
use umptcp_stack::{NetworkError, PathEndpoint, PathEndpointFlags, ResetReason};
