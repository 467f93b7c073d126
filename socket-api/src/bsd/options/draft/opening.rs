//! Which subflows there are; opening and closing them.
//!
//! The module owns the first five options of the draft.

use super::layout::{
    ATTACHED, FULLY_ESTABLISHED, How, IDS_HEADER, LOW_PRIO, PRE_ESTABLISHED, SLAVE, STATUS_LEN,
};
use crate::bsd::errors::ToErrno;
use crate::bsd::options::value::{int_of, write_truncated};
use crate::bsd::{Errno, Net, SockAddr, Socket};
use umptcp_stack::{
    ConnectionId, OpenSubflow, ResetReason, SubflowId, SubflowInfo, SubflowSource, TcpState,
};

impl Socket {
    /// Its connection, and the subflows that are not closed with their numbers.
    pub(super) fn numbered(
        &mut self,
        net: &Net<'_>,
    ) -> Result<(ConnectionId, Vec<(u8, SubflowInfo)>), Errno> {
        let id = self.multipath_connection(net)?.id;
        let mut open = net.endpoint.subflows(id);
        let live: Vec<SubflowId> = open
            .iter()
            .filter(|subflow| subflow.closed.is_none())
            .map(|subflow| subflow.id)
            .collect();
        open.retain(is_open);
        let numbers = &mut self.families.numbers;
        let numbered = open
            .into_iter()
            .filter_map(|subflow| Some((numbers.of(subflow.id, &live)?, subflow)))
            .collect();
        Ok((id, numbered))
    }

    /// The open subflow with this number.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub(super) fn subflow_numbered(
        &mut self,
        net: &Net<'_>,
        number: u8,
    ) -> Result<(ConnectionId, SubflowInfo), Errno> {
        let (id, subflows) = self.numbered(net)?;
        let mut subflows = subflows.into_iter();
        let found = subflows.find(|(known, _)| *known == number);
        let (_, subflow) = found.ok_or(Errno::EINVAL)?;
        Ok((id, subflow))
    }

    pub(super) fn get_sub_ids(&mut self, net: &Net<'_>, value: &mut [u8]) -> Result<usize, Errno> {
        let layout = net.system.draft_layout;
        let (_, subflows) = self.numbered(net)?;
        let len = IDS_HEADER + subflows.len() * STATUS_LEN;
        let room = value.get_mut(..len).ok_or(Errno::EINVAL)?;
        let mut bytes = vec![u8::try_from(subflows.len()).unwrap_or(u8::MAX), 0];
        for (number, subflow) in subflows {
            bytes.extend([number, layout.flags(flags_of(&subflow))]);
        }
        Ok(write_truncated(room, &bytes))
    }

    pub(super) fn close_sub_id(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<usize, Errno> {
        // First of all whether there is anything to close: the draft says so of every option.
        self.multipath_connection(net)?;
        let (number, how) = net.system.draft_layout.read_close(value)?;
        let (id, subflow) = self.subflow_numbered(net, number)?;
        let closed = match how {
            How::InOrder => net.endpoint.close_subflow(net.now, id, subflow.id),
            How::Reset => {
                let reason = ResetReason::Unspecified;
                net.endpoint.reset_subflow(net.now, id, subflow.id, reason)
            }
        };
        closed.map_err(ToErrno::to_errno)?;
        Ok(value.len())
    }

    pub(super) fn get_sub_tuple(
        &mut self,
        net: &Net<'_>,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.multipath_connection(net)?;
        let number = *value.first().ok_or(Errno::EINVAL)?;
        let (_, subflow) = self.subflow_numbered(net, number)?;
        let mut bytes = vec![0; net.system.draft_layout.get_header()];
        bytes[0] = number;
        if let [_, prio, _, _, index @ ..] = bytes.as_mut_slice() {
            *prio = u8::from(subflow.backup);
            let number = int_of(subflow.interface.index() + 1);
            write_truncated(index, &number.to_ne_bytes());
        }
        bytes.extend(SockAddr::plain(subflow.local).to_bytes());
        bytes.extend(SockAddr::plain(subflow.remote).to_bytes());
        let room = value.get_mut(..bytes.len()).ok_or(Errno::EINVAL)?;
        Ok(write_truncated(room, &bytes))
    }

    pub(super) fn open_sub_tuple(
        &mut self,
        net: &mut Net<'_>,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        let id = self.multipath_connection(net)?.id;
        let wanted = net.system.draft_layout.read_opening(value)?;
        let (local, remote) = (wanted.source.for_stack(), wanted.destination.for_stack());
        if (1..1024).contains(&local.port()) && !net.system.privileged {
            return Err(Errno::EACCES);
        }
        let backup_by_list = |net: &Net<'_>| {
            let lists = &net.endpoint.connection_config(id)?.path_lists;
            lists.is_backup(local.ip(), remote.ip())
        };
        let opening = OpenSubflow {
            local: SubflowSource::Address(local),
            interface: net.system.interface_numbered(wanted.interface)?,
            remote: Some(remote),
            backup: wanted.backup || backup_by_list(net).unwrap_or(false),
            options: None,
        };
        let subflow = net
            .endpoint
            .open_subflow_with(net.now, id, opening)
            .map_err(ToErrno::to_errno)?;
        let (_, subflows) = self.numbered(net)?;
        let mut subflows = subflows.into_iter();
        let number = subflows.find(|(_, known)| known.id == subflow);
        if let (Some((number, _)), Some(first)) = (number, value.first_mut()) {
            *first = number;
        }
        Ok(value.len())
    }

    pub(super) fn get_sub_info(&mut self, net: &Net<'_>, value: &mut [u8]) -> Result<usize, Errno> {
        self.multipath_connection(net)?;
        let number = *value.first().ok_or(Errno::EINVAL)?;
        let (_, subflow) = self.subflow_numbered(net, number)?;
        let info = self.tcp_info_of(net, &subflow).to_bytes();
        Ok(write_truncated(value, &info))
    }
}

/// It can carry what we send, or will. One whose FIN is on its way is closed for the application.
fn is_open(subflow: &SubflowInfo) -> bool {
    let ending = matches!(
        subflow.state,
        TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::Closing
            | TcpState::LastAck
            | TcpState::TimeWait
            | TcpState::Closed
    );
    subflow.closed.is_none() && !ending
}

fn flags_of(subflow: &SubflowInfo) -> u8 {
    let attached = !matches!(
        subflow.state,
        TcpState::Closed | TcpState::Listen | TcpState::SynSent | TcpState::SynReceived
    );
    let mut flags = 0;
    if subflow.id.index() != 0 {
        flags |= SLAVE;
    }
    if subflow.fully_established {
        flags |= FULLY_ESTABLISHED;
    }
    if attached {
        flags |= ATTACHED;
    }
    if subflow.backup {
        flags |= LOW_PRIO;
    }
    if attached && !subflow.fully_established {
        flags |= PRE_ESTABLISHED;
    }
    flags
}
