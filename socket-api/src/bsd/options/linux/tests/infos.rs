//! What `SOL_MPTCP` and `TCP_INFO` tell of a socket, by state (API reference 4.3).

use super::{Scene, Stage};
use crate::bsd::options::SOL_MPTCP;
use crate::bsd::options::linux::{
    FLAG_REMOTE_KEY_RECEIVED, FULL_INFO_SIZE, FullInfoHeader, MPTCP_FULL_INFO, MPTCP_INFO,
    MPTCP_SUBFLOW_ADDRS, MPTCP_TCPINFO, MptcpInfo, NumberedSubflow, SubflowAddrs,
    SubflowDataHeader, TcpInfo,
};
use crate::bsd::{Errno, Family, OptionProfile, SendFlags, UserMemory};
use umptcp_stack::PathManagerKind;

/// Memory of a caller that begins at address 1000.
struct Memory(Vec<u8>);

impl UserMemory for Memory {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Errno> {
        panic!("nothing is read through these pointers");
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let begin = address.checked_sub(1000).ok_or(Errno::EFAULT)?;
        let begin = usize::try_from(begin).map_err(|_| Errno::EFAULT)?;
        let place = self.0.get_mut(begin..begin + bytes.len());
        place.ok_or(Errno::EFAULT)?.copy_from_slice(bytes);
        Ok(())
    }
}

fn scene(stage: Stage) -> Scene {
    Scene::new(OptionProfile::Full, Family::V4, stage)
}

impl Scene {
    fn mptcp_info(&mut self) -> MptcpInfo {
        let mut value = [0xee; 200];
        let len = self.get(SOL_MPTCP, MPTCP_INFO, &mut value);
        assert_eq!(len, Ok(MptcpInfo::SIZE));
        MptcpInfo::from_bytes(&value)
    }

    fn tcp_info(&mut self) -> TcpInfo {
        let mut value = [0xee; 300];
        let len = self.get(libc::IPPROTO_TCP, libc::TCP_INFO, &mut value);
        assert_eq!(len, Ok(TcpInfo::SIZE));
        TcpInfo::from_bytes(&value)
    }

    /// The elements of one of the two arrays.
    fn array(&mut self, name: i32, size: usize) -> Vec<Vec<u8>> {
        let mut value = SubflowDataHeader {
            size_subflow_data: 16,
            size_user: u32::try_from(size).unwrap(),
            ..SubflowDataHeader::default()
        }
        .to_bytes()
        .to_vec();
        value.resize(16 + 10 * size, 0);
        let len = self.get(SOL_MPTCP, name, &mut value).expect("an array");
        let header = SubflowDataHeader::from_bytes(&value);
        assert_eq!(header.size_kernel, header.size_user);
        let elements: Vec<_> = value[16..len].chunks(size).map(<[u8]>::to_vec).collect();
        assert_eq!(
            elements.len(),
            usize::try_from(header.num_subflows).unwrap()
        );
        elements
    }

    fn addresses(&mut self) -> Vec<SubflowAddrs> {
        let elements = self.array(MPTCP_SUBFLOW_ADDRS, SubflowAddrs::SIZE);
        let read = elements.iter().map(|one| SubflowAddrs::from_bytes(one));
        read.collect::<Result<_, _>>().expect("addresses")
    }

    /// `MPTCP_FULL_INFO` with a header of these numbers, and arrays at 1000 and 5000.
    fn full(&mut self, len: usize, numbers: [u32; 6]) -> (Result<usize, Errno>, Vec<u8>, Vec<u8>) {
        let [
            tcp_kernel,
            tcp_user,
            subflow_kernel,
            subflow_user,
            count,
            room,
        ] = numbers;
        let mut value = FullInfoHeader {
            size_tcpinfo_kernel: tcp_kernel,
            size_tcpinfo_user: tcp_user,
            size_sfinfo_kernel: subflow_kernel,
            size_sfinfo_user: subflow_user,
            num_subflows: count,
            size_arrays_user: room,
            subflow_info: 1000,
            tcp_info: 5000,
        }
        .to_bytes()
        .to_vec();
        value.resize(len, 0);
        let mut memory = Memory(vec![0xee; 10_000]);
        let mut net = self.pair.net(0);
        let result = self.socket.getsockopt(
            &mut net,
            SOL_MPTCP,
            MPTCP_FULL_INFO,
            &mut value,
            &mut memory,
        );
        (result, value, memory.0)
    }

    fn subflows(&self) -> usize {
        let id = self.socket.connection().expect("a connection");
        let subflows = self.pair.hosts[0].endpoint.subflows(id);
        subflows.iter().filter(|one| one.closed.is_none()).count()
    }

    /// Makes the initial subflow end.
    fn lose_initial_subflow(&mut self) {
        let id = self.socket.connection().expect("a connection");
        let net = self.pair.net(0);
        let initial = "10.0.0.1".parse().unwrap();
        net.endpoint.disallow_local(net.now, id, initial).unwrap();
        self.pair.run_for(std::time::Duration::from_secs(5));
    }
}

#[test]
fn mptcp_info_tells_of_the_connection() {
    let mut scene = scene(Stage::Connected);
    for _ in 0..2 {
        let mut net = scene.pair.net(0);
        let sent = scene
            .socket
            .send(&mut net, &[7; 1000], SendFlags::default());
        assert_eq!(sent, Ok(1000));
        scene.pair.settle();
    }
    let open = scene.subflows();
    assert!(open >= 2);
    let info = scene.mptcp_info();
    assert_eq!(usize::from(info.subflows_total), open);
    assert_eq!(usize::from(info.subflows), open - 1);
    assert_eq!(info.flags, FLAG_REMOTE_KEY_RECEIVED);
    assert_eq!((info.bytes_sent, info.bytes_acked), (2000, 2000));
    assert_eq!((info.bytes_received, info.bytes_retransmitted), (0, 0));
    assert_eq!(info.write_seq, info.snd_una);
    assert_ne!((info.write_seq, info.rcv_nxt), (0, 0));
    assert_eq!(info.csum_enabled, 0);
    // Nothing but the path manager of the kernel has limits.
    assert_eq!((info.subflows_max, info.add_addr_accepted_max), (0, 0));
    let (id, hosts) = (scene.socket.connection().unwrap(), &scene.pair.hosts);
    let known = hosts[0].endpoint.connection_info(id).unwrap();
    assert_eq!(Some(info.token), known.token);

    scene.pair.run_for(std::time::Duration::from_secs(2));
    let later = scene.mptcp_info();
    assert!(later.last_data_sent >= 2000);
    assert!(later.last_ack_received <= later.last_data_sent);
    // Nothing has come: since the beginning.
    assert!(later.last_data_received >= later.last_data_sent);
}

#[test]
fn limits_are_those_of_the_path_manager_that_follows_endpoints() {
    let mut scene = scene(Stage::New);
    assert_eq!(scene.mptcp_info(), MptcpInfo::default());
    scene.socket.config_mut().path_manager = PathManagerKind::Endpoints;
    let info = scene.mptcp_info();
    // The default of Linux, and the same there on a socket without a connection.
    assert_eq!(info.subflows_max, 2);
    let rest = MptcpInfo {
        subflows_max: 0,
        ..info
    };
    assert_eq!(rest, MptcpInfo::default());
    assert_eq!(
        Scene::mptcp_info(&mut self::scene(Stage::Listening)),
        MptcpInfo::default()
    );
}

#[test]
fn as_much_of_mptcp_info_is_written_as_there_is_room_for() {
    let mut scene = scene(Stage::Connected);
    let whole = scene.mptcp_info().to_bytes();
    for len in 0..=120 {
        let mut value = vec![0xee; len];
        let written = scene.get(SOL_MPTCP, MPTCP_INFO, &mut value);
        let expected = len.min(MptcpInfo::SIZE);
        assert_eq!(written, Ok(expected));
        assert_eq!(value[..expected], whole[..expected]);
        assert!(value[expected..].iter().all(|byte| *byte == 0xee));
    }
}

#[test]
fn arrays_list_the_open_subflows() {
    let mut scene = scene(Stage::Connected);
    scene.pair.settle();
    let open = scene.subflows();
    let addresses = scene.addresses();
    assert_eq!(addresses.len(), open);
    assert_eq!(addresses[0].local, scene.socket.local_name().as_given());
    assert_eq!(addresses[0].remote, super::server_of(Family::V4));
    let infos = scene.array(MPTCP_TCPINFO, TcpInfo::SIZE);
    assert_eq!(infos.len(), open);
    assert_eq!(infos[0], scene.tcp_info().to_bytes());

    let (len, value, memory) = scene.full(FULL_INFO_SIZE, [0, 280, 0, 264, 0, 10]);
    assert_eq!(len, Ok(FULL_INFO_SIZE));
    assert_eq!(value[40..], scene.mptcp_info().to_bytes());
    for index in 0..open {
        let subflow = NumberedSubflow::from_bytes(&memory[index * 264..]).unwrap();
        assert_eq!(subflow.addresses, addresses[index]);
        assert_eq!(memory[4000 + index * 280..][..280], infos[index]);
        assert_eq!(subflow.id == 1, index == 0);
    }
    assert_eq!(memory[open * 264], 0xee, "no more than there are");

    // The initial one goes: it is not listed, its number is not used again, and yet it is what
    // TCP_INFO and the names tell of.
    let name = scene.socket.local_name();
    let before = scene.tcp_info();
    assert_eq!(before.state, 1);
    scene.lose_initial_subflow();
    assert_eq!(
        scene.mptcp_info().subflows_total,
        scene.mptcp_info().subflows
    );
    let after = scene.tcp_info();
    assert_eq!(
        (after.state, after.advertised_mss),
        (7, before.advertised_mss)
    );
    assert_eq!(scene.socket.local_name(), name);
    assert_eq!(scene.addresses().len(), scene.subflows());
    assert!(
        !scene
            .addresses()
            .iter()
            .any(|one| one.local == name.as_given())
    );
    let (_, _, memory) = scene.full(FULL_INFO_SIZE, [0, 280, 0, 264, 0, 10]);
    let first = NumberedSubflow::from_bytes(&memory).unwrap();
    assert!(first.id > 1, "{}", first.id);
}

#[test]
fn full_info_follows_the_rules_of_linux() {
    let mut scene = scene(Stage::Connected);
    scene.pair.settle();
    let open = u32::try_from(scene.subflows()).unwrap();
    // Length and six numbers in; length and six numbers out, measured on Linux 6.18.
    for (len, asked, out, told) in [
        (
            136,
            [0, 280, 0, 264, 0, 2],
            136,
            [280, 280, 264, 264, open, 2],
        ),
        (136, [0, 0, 0, 4, 0, 2], 136, [280, 0, 264, 4, open, 2]),
        (
            136,
            [0, 1000, 0, 1000, 0, 2],
            136,
            [280, 280, 264, 264, open, 2],
        ),
        (
            300,
            [0, 280, 0, 264, 0, 2],
            136,
            [280, 280, 264, 264, open, 2],
        ),
        (
            60,
            [0, 280, 0, 264, 0, 0],
            60,
            [280, 280, 264, 264, open, 0],
        ),
        (
            40,
            [0, 280, 0, 264, 0, 1],
            40,
            [280, 280, 264, 264, open, 1],
        ),
    ] {
        let (result, value, memory) = scene.full(len, asked);
        assert_eq!(result, Ok(out), "{asked:?}");
        let header = FullInfoHeader::from_bytes(&value);
        let numbers = [
            header.size_tcpinfo_kernel,
            header.size_tcpinfo_user,
            header.size_sfinfo_kernel,
            header.size_sfinfo_user,
            header.num_subflows,
            header.size_arrays_user,
        ];
        assert_eq!(numbers, told, "{asked:?}");
        assert_eq!((header.subflow_info, header.tcp_info), (1000, 5000));
        let [_, tcp, _, subflow, _, room] = told.map(|n| usize::try_from(n).unwrap());
        let elements = room.min(usize::try_from(open).unwrap());
        let untouched = |from: usize, to: usize| memory[from..to].iter().all(|b| *b == 0xee);
        assert!(untouched(elements * subflow, 4000), "{asked:?}");
        assert!(untouched(4000 + elements * tcp, 10_000), "{asked:?}");
    }
    for (len, asked) in [
        (0, [0; 6]),
        (39, [0; 6]),
        (136, [1, 0, 0, 0, 0, 0]),
        (136, [0, 0, 1, 0, 0, 0]),
        (136, [0, 0, 0, 0, 1, 0]),
        (136, [0, 1 << 31, 0, 0, 0, 0]),
        (136, [0, 0, 0, 1 << 31, 0, 0]),
    ] {
        assert_eq!(
            scene.full(len, asked).0,
            Err(Errno::EINVAL),
            "{len} {asked:?}"
        );
    }
}

#[test]
fn arrays_that_cannot_be_written_are_a_fault_if_something_is_to_be_written() {
    let mut scene = scene(Stage::Connected);
    for (numbers, expected) in [
        ([280, 264, 1], Err(Errno::EFAULT)),
        ([280, 264, 0], Ok(FULL_INFO_SIZE)),
        ([0, 0, 1], Ok(FULL_INFO_SIZE)),
    ] {
        let [size_tcpinfo_user, size_sfinfo_user, size_arrays_user] = numbers;
        let header = FullInfoHeader {
            size_tcpinfo_user,
            size_sfinfo_user,
            size_arrays_user,
            ..FullInfoHeader::default()
        };
        let mut value = header.to_bytes().to_vec();
        value.resize(FULL_INFO_SIZE, 0);
        assert_eq!(scene.get(SOL_MPTCP, MPTCP_FULL_INFO, &mut value), expected);
    }
}

#[test]
fn a_socket_without_a_connection_has_its_future_subflow_once_it_is_bound() {
    for (stage, bound, state) in [
        (Stage::New, false, 7),
        (Stage::New, true, 7),
        (Stage::Listening, true, 10),
    ] {
        let mut scene = scene(stage);
        if stage == Stage::New && bound {
            let local = crate::bsd::SockAddr::plain("10.0.0.1:5000".parse().unwrap());
            scene.socket.bind(&mut scene.pair.net(0), local).unwrap();
        }
        let info = scene.tcp_info();
        assert_eq!(info.state, state);
        let most = if stage == Stage::Listening { 5 } else { 0 };
        assert_eq!((info.unacked, info.sacked), (0, most));
        let name = scene.socket.local_name().as_given();
        let future = SubflowAddrs {
            local: name,
            remote: "0.0.0.0:0".parse().unwrap(),
        };
        let expected = if bound { vec![future] } else { vec![] };
        assert_eq!(scene.addresses(), expected, "{stage:?} {bound}");
        let (len, _, memory) = scene.full(FULL_INFO_SIZE, [0, 280, 0, 4, 0, 2]);
        assert_eq!(len, Ok(FULL_INFO_SIZE));
        let id = if bound { 1 } else { 0xeeee_eeee_u32 };
        assert_eq!(memory[..4], id.to_ne_bytes());
        assert_eq!(memory[4..8], [0xee; 4]);
        assert_eq!(scene.get(SOL_MPTCP, 5, &mut [0; 8]), Err(Errno::EOPNOTSUPP));
    }
}
