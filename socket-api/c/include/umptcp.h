/* umptcp: Multipath TCP sockets in user space.
 *
 * Made from the Rust sources by cbindgen: change those instead.
 * Every function returns -1 and sets errno where it fails, and gives EFAULT for bad pointers. */

#ifndef UMPTCP_H
#define UMPTCP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define UMP_ALIGNED(bytes) __attribute__((aligned(bytes)))

/**
 * `IPPROTO_MPTCP`, for `ump_socket`.
 */
#define UMP_IPPROTO_MPTCP 262

/**
 * `SOL_MPTCP`: the level of `UMP_MPTCP_INFO` and the three after it.
 */
#define UMP_SOL_MPTCP 284

/**
 * Out: `ump_mptcp_info`, as much of it as fits.
 */
#define UMP_MPTCP_INFO 1

/**
 * Out: `ump_subflow_data`, then a `struct tcp_info` for each subflow.
 */
#define UMP_MPTCP_TCPINFO 2

/**
 * Out: `ump_subflow_data`, then an `ump_subflow_addrs` for each subflow.
 */
#define UMP_MPTCP_SUBFLOW_ADDRS 3

/**
 * In and out: `ump_full_info`.
 */
#define UMP_MPTCP_FULL_INFO 4

/**
 * Level `IPPROTO_TCP`, out: an `int`, 1 unless it is plain TCP or fell back to it.
 */
#define UMP_TCP_IS_MPTCP 43

/**
 * Level `IPPROTO_TCP`, as the other options of subflows. Out: `ump_sub_ids`.
 */
#define UMP_GET_SUB_IDS 66

/**
 * In: `ump_close_sub_id`.
 */
#define UMP_CLOSE_SUB_ID 67

/**
 * In: the id in an `ump_sub_tuple`; out: all of it, and two socket addresses behind it.
 */
#define UMP_GET_SUB_TUPLE 68

/**
 * In: `ump_sub_tuple` and two socket addresses behind it, source and destination; out: the id.
 */
#define UMP_OPEN_SUB_TUPLE 69

/**
 * In: the id in the first byte; out: `struct tcp_info`.
 */
#define UMP_GET_SUB_INFO 70

/**
 * In: `ump_sub_getsockopt`; out: what its pointers point to.
 */
#define UMP_SUB_GETSOCKOPT 71

/**
 * `setsockopt`: `ump_sub_setsockopt`.
 */
#define UMP_SUB_SETSOCKOPT 72

/**
 * `setsockopt`: `ump_sub_prio` (draft-samar).
 */
#define UMP_SET_SUB_PRIO 73

/**
 * Get and set, an `int`: whether `ump_recvmsg` tells what happens to subflows.
 */
#define UMP_EVENTS 76

/**
 * Type of ancillary data, an `ump_sub_event`: a subflow is established.
 */
#define UMP_EV_INIT_SUB 1

/**
 * Type of ancillary data, an `ump_sub_event`: a subflow has ended.
 */
#define UMP_EV_DEL_SUB 2

/**
 * Type of ancillary data, an `ump_sub_event`: a subflow is a backup now, or no longer.
 */
#define UMP_EV_SUB_PRIO 3

/**
 * Type of ancillary data, an `ump_address_event`: an address of ours has come, or gone.
 */
#define UMP_EV_LOCAL_ADDR 4

/**
 * Type of ancillary data, an `ump_address_event`: the peer has announced an address, or withdrawn one.
 */
#define UMP_EV_REMOTE_ADDR 5

/**
 * Type of ancillary data, without any: what came before was lost.
 */
#define UMP_EV_OVERFLOW 6

/**
 * Flag of a status: not the initial subflow.
 */
#define UMP_SUB_SLAVE 1

/**
 * Flag of a status: both sides have proven their keys.
 */
#define UMP_SUB_FULLY_ESTABLISHED 2

/**
 * Flag of a status: the handshake of TCP is complete.
 */
#define UMP_SUB_ATTACHED 4

/**
 * Flag of a status: a backup.
 */
#define UMP_SUB_LOW_PRIO 8

/**
 * Flag of a status: the proof of the keys is on its way.
 */
#define UMP_SUB_PRE_ESTABLISHED 16

/**
 * `how` of `ump_close_sub_id` beside `SHUT_WR` and `SHUT_RDWR`: reset the subflow.
 */
#define UMP_SUB_RST 3

/**
 * Flag of `ump_mptcp_info`: fallen back to TCP.
 */
#define UMP_INFO_FLAG_FALLBACK 1

/**
 * Flag of `ump_mptcp_info`: the peer's key is known.
 */
#define UMP_INFO_FLAG_REMOTE_KEY_RECEIVED 2

/**
 * A stack: a host with interfaces, addresses and connections of its own.
 */
typedef struct ump_stack ump_stack;

/**
 * One subflow among `ump_sub_ids`.
 */
typedef struct ump_sub_status {
  /**
   * Its id: 1 is the initial subflow.
   */
  uint8_t id;
  /**
   * `UMP_SUB_SLAVE` and the others.
   */
  uint8_t flags;
} ump_sub_status;

/**
 * Value of `UMP_SET_SUB_PRIO`.
 */
typedef struct ump_sub_prio {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * 1 for a backup, 0 for a regular subflow.
   */
  uint8_t low_prio;
} ump_sub_prio;

/**
 * What `UMP_GET_SUB_IDS` begins with; `sub_count` times `ump_sub_status` follow.
 */
typedef struct ump_sub_ids {
  /**
   * Subflows that are not closed.
   */
  uint8_t sub_count;
  /**
   * 0.
   */
  uint8_t pad;
} ump_sub_ids;

/**
 * Value of `UMP_CLOSE_SUB_ID`.
 */
typedef struct ump_close_sub_id {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * 0.
   */
  uint8_t pad[3];
  /**
   * `SHUT_WR` or `SHUT_RDWR`: in order. `UMP_SUB_RST`: at once.
   */
  int32_t how;
} ump_close_sub_id;

/**
 * What the values of `UMP_GET_SUB_TUPLE` and `UMP_OPEN_SUB_TUPLE` begin with; two `sockaddr_in` or
 * two `sockaddr_in6` follow, source and destination.
 */
typedef struct ump_sub_tuple {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * Not 0: a backup.
   */
  uint8_t prio;
  /**
   * 0.
   */
  uint16_t pad;
  /**
   * Interface, counted from 1; 0 for any.
   */
  int32_t if_idx;
} ump_sub_tuple;

/**
 * Value of `UMP_SUB_GETSOCKOPT`: an option of one subflow.
 */
typedef struct ump_sub_getsockopt {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * Level of the option.
   */
  int32_t level;
  /**
   * The option.
   */
  int32_t optname;
  /**
   * Where its value goes.
   */
  char *optval;
  /**
   * Room there; then its length.
   */
  uint32_t *optlen;
} ump_sub_getsockopt;

/**
 * Value of `UMP_SUB_SETSOCKOPT`: an option of one subflow.
 */
typedef struct ump_sub_setsockopt {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * Level of the option.
   */
  int32_t level;
  /**
   * The option.
   */
  int32_t optname;
  /**
   * Its value.
   */
  char *optval;
  /**
   * Length of that.
   */
  uint32_t optlen;
} ump_sub_setsockopt;

/**
 * What has happened to a subflow.
 */
typedef struct ump_sub_event {
  /**
   * Which.
   */
  uint8_t id;
  /**
   * 1 if the peer did it.
   */
  uint8_t by_peer;
  /**
   * 1 for a backup.
   */
  uint8_t low_prio;
  /**
   * Reason of a reset (RFC 8684 §3.6), or 255.
   */
  uint8_t reason;
  /**
   * An errno, or 0.
   */
  int32_t error;
} ump_sub_event;

/**
 * What an address event begins with; a `sockaddr_in` or a `sockaddr_in6` follows, unless the peer has
 * withdrawn it.
 */
typedef struct ump_address_event {
  /**
   * The id of the address.
   */
  uint8_t id;
  /**
   * 1 if it has gone.
   */
  uint8_t removed;
  /**
   * 0.
   */
  uint16_t pad;
} ump_address_event;

/**
 * `struct mptcp_info` of Linux 6.18. `optlen` says afterwards how much of it is filled in.
 */
typedef struct ump_mptcp_info {
  /**
   * Subflows without the initial one.
   */
  uint8_t mptcpi_extra_subflows;
  /**
   * ADD_ADDRs sent.
   */
  uint8_t mptcpi_add_addr_signal;
  /**
   * ADD_ADDRs accepted.
   */
  uint8_t mptcpi_add_addr_accepted;
  /**
   * Most extra subflows.
   */
  uint8_t mptcpi_limit_extra_subflows;
  /**
   * Endpoints that are announced.
   */
  uint8_t mptcpi_endp_signal_max;
  /**
   * Most ADD_ADDRs accepted.
   */
  uint8_t mptcpi_limit_add_addr_accepted;
  /**
   * `UMP_INFO_FLAG_FALLBACK` and the other.
   */
  uint32_t mptcpi_flags;
  /**
   * Our token.
   */
  uint32_t mptcpi_token;
  /**
   * The next data sequence number to be written.
   */
  uint64_t mptcpi_write_seq;
  /**
   * The first that is not acknowledged.
   */
  uint64_t mptcpi_snd_una;
  /**
   * The next that is expected.
   */
  uint64_t mptcpi_rcv_nxt;
  /**
   * Local addresses in use.
   */
  uint8_t mptcpi_local_addr_used;
  /**
   * Endpoints that subflows are opened from.
   */
  uint8_t mptcpi_endp_subflow_max;
  /**
   * There are checksums.
   */
  uint8_t mptcpi_csum_enabled;
  /**
   * Timeouts of the data level in a row.
   */
  uint32_t mptcpi_retransmits;
  /**
   * Bytes sent again.
   */
  uint64_t mptcpi_bytes_retrans;
  /**
   * Bytes sent, each once.
   */
  uint64_t mptcpi_bytes_sent;
  /**
   * Bytes received.
   */
  uint64_t mptcpi_bytes_received;
  /**
   * Bytes acknowledged.
   */
  uint64_t mptcpi_bytes_acked;
  /**
   * Subflows with the initial one.
   */
  uint8_t mptcpi_subflows_total;
  /**
   * As Linux 6.18.
   */
  uint8_t mptcpi_endp_laminar_max;
  /**
   * As Linux 6.18.
   */
  uint8_t mptcpi_endp_fullmesh_max;
  /**
   * 0.
   */
  uint8_t reserved;
  /**
   * Milliseconds since data was sent.
   */
  uint32_t mptcpi_last_data_sent;
  /**
   * Milliseconds since data was received.
   */
  uint32_t mptcpi_last_data_recv;
  /**
   * Milliseconds since an acknowledgment was received.
   */
  uint32_t mptcpi_last_ack_recv;
} ump_mptcp_info;

/**
 * `struct mptcp_subflow_data` of Linux: what two of the options begin with.
 */
typedef struct UMP_ALIGNED(8) ump_subflow_data {
  /**
   * In: size of this struct.
   */
  uint32_t size_subflow_data;
  /**
   * In: 0. Out: how many subflows there are.
   */
  uint32_t num_subflows;
  /**
   * In: 0. Out: size of an element as the stack knows it.
   */
  uint32_t size_kernel;
  /**
   * In: size of an element as the caller knows it. Out: the smaller of the two.
   */
  uint32_t size_user;
} ump_subflow_data;

/**
 * `struct mptcp_subflow_addrs` of Linux: two `sockaddr_storage`.
 */
typedef struct UMP_ALIGNED(8) ump_subflow_addrs {
  /**
   * Our address: `sockaddr_in` or `sockaddr_in6`.
   */
  uint8_t local[128];
  /**
   * The peer's.
   */
  uint8_t remote[128];
} ump_subflow_addrs;

/**
 * `struct mptcp_subflow_info` of Linux.
 */
typedef struct ump_subflow_info {
  /**
   * Counts up from 1 and is never used again.
   */
  uint32_t id;
  /**
   * Its addresses.
   */
  struct ump_subflow_addrs addrs;
} ump_subflow_info;

/**
 * `struct mptcp_full_info` of Linux.
 */
typedef struct ump_full_info {
  /**
   * In: 0. Out: size of a `struct tcp_info` as the stack knows it.
   */
  uint32_t size_tcpinfo_kernel;
  /**
   * In: as the caller knows it. Out: the smaller of the two.
   */
  uint32_t size_tcpinfo_user;
  /**
   * In: 0. Out: size of an `ump_subflow_info` as the stack knows it.
   */
  uint32_t size_sfinfo_kernel;
  /**
   * In: as the caller knows it. Out: the smaller of the two.
   */
  uint32_t size_sfinfo_user;
  /**
   * In: 0. Out: how many subflows there are.
   */
  uint32_t num_subflows;
  /**
   * Elements that both arrays have room for.
   */
  uint32_t size_arrays_user;
  /**
   * Address of an array of `ump_subflow_info`.
   */
  uint64_t subflow_info;
  /**
   * Address of an array of `struct tcp_info`.
   */
  uint64_t tcp_info;
  /**
   * As `UMP_MPTCP_INFO` has it.
   */
  struct ump_mptcp_info mptcp_info;
} ump_full_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts a stack, with a thread of its own, over devices that a text describes.
 *
 * Interfaces are separated by `;`, and what is said of one by `,`: first the device, then addresses of
 * the stack, then options. The device is the name of a TUN device to create, which takes the
 * capability CAP_NET_ADMIN, or `fd=` and the number of an open TUN descriptor (without packet
 * information) or of a local socket that keeps packets apart; the library makes a copy of that. An
 * address with a prefix, `10.0.0.2/24`, has the kernel bring a created device up and route the
 * prefix there. Options: `mtu=1500` and, for created devices, `host=10.0.0.1/24`, an address of the
 * kernel's end.
 *
 * A part of its own may say `privileged=1` (ports below 1024), `version=0` or `version=1` (what
 * connections offer), `profile=linux` or `profile=multipath-tcp.org` (meaning of option numbers).
 *
 * Returns NULL and sets errno: EFAULT, EINVAL for a text that cannot be read, EPERM, ENOENT without
 * /dev/net/tun, EBUSY for a device that exists, EBADF.
 */
struct ump_stack *ump_stack_new(const char *config);

/**
 * Starts two stacks that are joined by links within the process: the first interface of one is joined
 * with the first of the other, and so on. The texts are as for `ump_stack_new`, without devices:
 * "10.0.0.1;10.0.1.1". Needs no privileges.
 *
 * Returns 0, or -1 with errno: EFAULT, EINVAL.
 */
int ump_stack_new_pair(const char *first_config,
                       const char *second_config,
                       struct ump_stack **first,
                       struct ump_stack **second);

/**
 * Ends a stack and its thread at once: its descriptors hang up, what was not sent is lost, peers are told
 * nothing. The descriptors remain to be closed.
 *
 * Returns 0, or -1 with errno: EFAULT for NULL, EINVAL for what is no stack, or no longer.
 */
int ump_stack_free(struct ump_stack *stack);

/**
 * Disables (0) or enables an interface, counted from 0: what was in flight there moves to other paths.
 *
 * Returns 0, or -1 with errno: EFAULT, EINVAL, ENXIO.
 */
int ump_stack_set_interface_up(struct ump_stack *stack,
                               unsigned int interface,
                               int up);

/**
 * As `socket`, on a stack. The result is a real descriptor, for `read`, `write`, `poll`, `epoll`,
 * `sendfile`, `dup`, `fcntl` and `close`; other calls that are about sockets have to be those of this
 * header. It is not writable before it is connected. O_NONBLOCK of the descriptor is what counts.
 *
 * `domain` is AF_INET or AF_INET6, `type` SOCK_STREAM with SOCK_NONBLOCK and SOCK_CLOEXEC, `protocol`
 * UMP_IPPROTO_MPTCP, IPPROTO_TCP or 0.
 */
int ump_socket(struct ump_stack *stack,
               int domain,
               int type,
               int protocol);

/**
 * As `bind`.
 */
int ump_bind(int fd, const struct sockaddr *address, socklen_t len);

/**
 * As `listen`. The descriptor is readable while a connection waits; do not read from it.
 */
int ump_listen(int fd, int backlog);

/**
 * As `accept`; `address` may be NULL.
 */
int ump_accept(int fd, struct sockaddr *address, socklen_t *len);

/**
 * As `accept4`: `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC.
 */
int ump_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/**
 * As `connect`. When it fails the descriptor hangs up; if it is called again after that, another file
 * takes the place of the number, which event loops have to be told of anew.
 */
int ump_connect(int fd,
                const struct sockaddr *address,
                socklen_t len);

/**
 * As `getsockname`.
 */
int ump_getsockname(int fd, struct sockaddr *address, socklen_t *len);

/**
 * As `getpeername`.
 */
int ump_getpeername(int fd, struct sockaddr *address, socklen_t *len);

/**
 * As `getsockopt`.
 */
int ump_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/**
 * As `setsockopt`.
 */
int ump_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

/**
 * As `shutdown`. That of the C library works as well, but does not check.
 */
int ump_shutdown(int fd, int how);

/**
 * As `close`, of any descriptor. That of the C library works as well.
 */
int ump_close(int fd);

/**
 * As `ioctl`. SIOCINQ, SIOCOUTQ and SIOCOUTQNSD count what the descriptor and the stack hold.
 */
int ump_ioctl(int fd, unsigned long request, void *argument);

/**
 * As `read` of a TCP socket: where that of the C library sees only an end, this tells the error.
 */
ssize_t ump_read(int fd, void *buffer, size_t len);

/**
 * As `write` of a TCP socket: where that of the C library gives EPIPE, this first tells the error.
 */
ssize_t ump_write(int fd, const void *buffer, size_t len);

/**
 * As `recv`.
 */
ssize_t ump_recv(int fd, void *buffer, size_t len, int flags);

/**
 * As `send`.
 */
ssize_t ump_send(int fd, const void *buffer, size_t len, int flags);

/**
 * As `recvmsg`, with ancillary data of level IPPROTO_TCP: what has happened to subflows, if UMP_EVENTS is
 * set (types UMP_EV_INIT_SUB and so on), and TCP_CM_INQ, if TCP_INQ is. With MSG_ERRQUEUE the former
 * comes without data, or EAGAIN.
 */
ssize_t ump_recvmsg(int fd,
                    struct msghdr *message,
                    int flags);

/**
 * As `sendmsg`.
 */
ssize_t ump_sendmsg(int fd, const struct msghdr *message, int flags);

/**
 * Fills `statuses` with up to `room` subflows, and returns how many there are, or -1 with errno:
 * EOPNOTSUPP if it is plain TCP, ENOTCONN, EFAULT.
 */
int ump_subflows(int fd, struct ump_sub_status *statuses, size_t room);

/**
 * Opens a subflow. `local` may have port 0 and the wildcard as its address, `remote` port 0 for the
 * port of the connection; `interface` counts from 1 and is 0 for any. Returns its id without waiting
 * for the handshake, or -1 with errno as UMP_OPEN_SUB_TUPLE.
 */
int ump_open_subflow(int fd,
                     const struct sockaddr *local,
                     socklen_t local_len,
                     const struct sockaddr *remote,
                     socklen_t remote_len,
                     int interface,
                     int backup);

/**
 * Ends a subflow; what it has not delivered goes to the others. `how` is SHUT_RDWR, or UMP_SUB_RST to
 * reset it.
 */
int ump_close_subflow(int fd,
                      int id,
                      int how);

/**
 * Makes a subflow a backup, or (0) a regular one, and tells the peer.
 */
int ump_set_backup(int fd, int id, int backup);

/**
 * Tells the addresses of a subflow, and their length.
 */
int ump_subflow_addresses(int fd,
                          int id,
                          struct sockaddr_storage *local,
                          struct sockaddr_storage *remote,
                          socklen_t *len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UMPTCP_H */
