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

/*
 `IPPROTO_MPTCP`, for `ump_socket`.
 */
#define UMP_IPPROTO_MPTCP 262

/*
 `SOL_MPTCP`: the level of `UMP_MPTCP_INFO` and the three after it.
 */
#define UMP_SOL_MPTCP 284

/*
 Out: `ump_mptcp_info`, as much of it as fits.
 */
#define UMP_MPTCP_INFO 1

/*
 Out: `ump_subflow_data`, then a `struct tcp_info` for each subflow.
 */
#define UMP_MPTCP_TCPINFO 2

/*
 Out: `ump_subflow_data`, then an `ump_subflow_addrs` for each subflow.
 */
#define UMP_MPTCP_SUBFLOW_ADDRS 3

/*
 In and out: `ump_full_info`.
 */
#define UMP_MPTCP_FULL_INFO 4

/*
 Level `IPPROTO_TCP`, out: an `int`, 1 unless it is plain TCP or fell back to it.
 */
#define UMP_TCP_IS_MPTCP 43

/*
 Level `IPPROTO_TCP`, as the other options of subflows. Out: `ump_sub_ids`.
 */
#define UMP_GET_SUB_IDS 66

/*
 In: `ump_close_sub_id`.
 */
#define UMP_CLOSE_SUB_ID 67

/*
 In: the id in an `ump_sub_tuple`; out: all of it, and two socket addresses behind it.
 */
#define UMP_GET_SUB_TUPLE 68

/*
 In: `ump_sub_tuple` and two socket addresses behind it, source and destination; out: the id.
 */
#define UMP_OPEN_SUB_TUPLE 69

/*
 In: the id in the first byte; out: `struct tcp_info`.
 */
#define UMP_GET_SUB_INFO 70

/*
 In: `ump_sub_getsockopt`; out: what its pointers point to.
 */
#define UMP_SUB_GETSOCKOPT 71

/*
 `setsockopt`: `ump_sub_setsockopt`.
 */
#define UMP_SUB_SETSOCKOPT 72

/*
 `setsockopt`: `ump_sub_prio` (draft-samar).
 */
#define UMP_SET_SUB_PRIO 73

/*
 Flag of a status: not the initial subflow.
 */
#define UMP_SUB_SLAVE 1

/*
 Flag of a status: both sides have proven their keys.
 */
#define UMP_SUB_FULLY_ESTABLISHED 2

/*
 Flag of a status: the handshake of TCP is complete.
 */
#define UMP_SUB_ATTACHED 4

/*
 Flag of a status: a backup.
 */
#define UMP_SUB_LOW_PRIO 8

/*
 Flag of a status: the proof of the keys is on its way.
 */
#define UMP_SUB_PRE_ESTABLISHED 16

/*
 `how` of `ump_close_sub_id` beside `SHUT_WR` and `SHUT_RDWR`: reset the subflow.
 */
#define UMP_SUB_RST 3

/*
 Flag of `ump_mptcp_info`: fallen back to TCP.
 */
#define UMP_INFO_FLAG_FALLBACK 1

/*
 Flag of `ump_mptcp_info`: the peer's key is known.
 */
#define UMP_INFO_FLAG_REMOTE_KEY_RECEIVED 2

/*
 A stack: a host with interfaces, addresses and connections of its own.
 */
typedef struct ump_stack ump_stack;

/*
 One subflow among `ump_sub_ids`.
 */
typedef struct ump_sub_status {
  /*
   Its id: 1 is the initial subflow.
   */
  uint8_t id;
  /*
   `UMP_SUB_SLAVE` and the others.
   */
  uint8_t flags;
} ump_sub_status;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Starts a stack, with a thread of its own, over devices that a text describes.

 Interfaces are separated by `;`, and what is said of one by `,`: first the device, then addresses of
 the stack, then options. The device is the name of a TUN device to create, which takes the
 capability CAP_NET_ADMIN, or `fd=` and the number of an open TUN descriptor (without packet
 information) or of a local socket that keeps packets apart; the library makes a copy of that. An
 address with a prefix, `10.0.0.2/24`, has the kernel bring a created device up and route the
 prefix there. Options: `mtu=1500` and, for created devices, `host=10.0.0.1/24`, an address of the
 kernel's end.

 A part of its own may say `privileged=1` (ports below 1024), `version=0` or `version=1` (what
 connections offer), `profile=linux` or `profile=multipath-tcp.org` (meaning of option numbers).

 Returns NULL and sets errno: EFAULT, EINVAL for a text that cannot be read, EPERM, ENOENT without
 /dev/net/tun, EBUSY for a device that exists, EBADF.
 */
struct ump_stack *ump_stack_new(const char *config);

/*
 Starts two stacks that are joined by links within the process: the first interface of one is joined
 with the first of the other, and so on. The texts are as for `ump_stack_new`, without devices:
 "10.0.0.1;10.0.1.1". Needs no privileges.

 Returns 0, or -1 with errno: EFAULT, EINVAL.
 */
int ump_stack_new_pair(const char *first_config,
                       const char *second_config,
                       struct ump_stack **first,
                       struct ump_stack **second);

/*
 Ends a stack and its thread at once: its descriptors hang up, what was not sent is lost, peers are told
 nothing. The descriptors remain to be closed.

 Returns 0, or -1 with errno: EFAULT for NULL, EINVAL for what is no stack, or no longer.
 */
int ump_stack_free(struct ump_stack *stack);

/*
 Disables (0) or enables an interface, counted from 0: what was in flight there moves to other paths.

 Returns 0, or -1 with errno: EFAULT, EINVAL, ENXIO.
 */
int ump_stack_set_interface_up(struct ump_stack *stack,
                               unsigned int interface,
                               int up);

/*
 As `socket`, on a stack. The result is a real descriptor, for `read`, `write`, `poll`, `epoll`,
 `sendfile`, `dup`, `fcntl` and `close`; other calls that are about sockets have to be those of this
 header. It is not writable before it is connected. O_NONBLOCK of the descriptor is what counts.

 `domain` is AF_INET or AF_INET6, `type` SOCK_STREAM with SOCK_NONBLOCK and SOCK_CLOEXEC, `protocol`
 UMP_IPPROTO_MPTCP, IPPROTO_TCP or 0.
 */
int ump_socket(struct ump_stack *stack, int domain, int type, int protocol);

/*
 As `bind`.
 */
int ump_bind(int fd, const struct sockaddr *address, socklen_t len);

/*
 As `listen`. The descriptor is readable while a connection waits; do not read from it.
 */
int ump_listen(int fd, int backlog);

/*
 As `accept`; `address` may be NULL.
 */
int ump_accept(int fd, struct sockaddr *address, socklen_t *len);

/*
 As `accept4`: `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC.
 */
int ump_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/*
 As `connect`. When it fails the descriptor hangs up; if it is called again after that, another file
 takes the place of the number, which event loops have to be told of anew.
 */
int ump_connect(int fd, const struct sockaddr *address, socklen_t len);

/*
 As `getsockname`.
 */
int ump_getsockname(int fd, struct sockaddr *address, socklen_t *len);

/*
 As `getpeername`.
 */
int ump_getpeername(int fd, struct sockaddr *address, socklen_t *len);

/*
 As `getsockopt`.
 */
int ump_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/*
 As `setsockopt`.
 */
int ump_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

/*
 As `shutdown`. That of the C library works as well, but does not check.
 */
int ump_shutdown(int fd, int how);

/*
 As `close`, of any descriptor. That of the C library works as well.
 */
int ump_close(int fd);

/*
 As `ioctl`. SIOCINQ, SIOCOUTQ and SIOCOUTQNSD count what the descriptor and the stack hold.
 */
int ump_ioctl(int fd, unsigned long request, void *argument);

/*
 As `read` of a TCP socket: where that of the C library sees only an end, this tells the error.
 */
intptr_t ump_read(int fd, void *buffer, uintptr_t len);

/*
 As `write` of a TCP socket: where that of the C library gives EPIPE, this first tells the error.
 */
intptr_t ump_write(int fd, const void *buffer, uintptr_t len);

/*
 As `recv`.
 */
intptr_t ump_recv(int fd, void *buffer, uintptr_t len, int flags);

/*
 As `send`.
 */
intptr_t ump_send(int fd, const void *buffer, uintptr_t len, int flags);

/*
 As `recvmsg`, with ancillary data of the stack's (TCP_CM_INQ).
 */
intptr_t ump_recvmsg(int fd, struct msghdr *message, int flags);

/*
 As `sendmsg`.
 */
intptr_t ump_sendmsg(int fd, const struct msghdr *message, int flags);

/*
 Fills `statuses` with up to `room` subflows, and returns how many there are, or -1 with errno:
 EOPNOTSUPP if it is plain TCP, ENOTCONN, EFAULT.
 */
int ump_subflows(int fd, struct ump_sub_status *statuses, uintptr_t room);

/*
 Opens a subflow. `local` may have port 0 and the wildcard as its address, `remote` port 0 for the
 port of the connection; `interface` counts from 1 and is 0 for any. Returns its id without waiting
 for the handshake, or -1 with errno as UMP_OPEN_SUB_TUPLE.
 */
int ump_open_subflow(int fd,
                     const struct sockaddr *local,
                     socklen_t local_len,
                     const struct sockaddr *remote,
                     socklen_t remote_len,
                     int interface,
                     int backup);

/*
 Ends a subflow; what it has not delivered goes to the others. `how` is SHUT_RDWR, or UMP_SUB_RST to
 reset it.
 */
int ump_close_subflow(int fd, int id, int how);

/*
 Makes a subflow a backup, or (0) a regular one, and tells the peer.
 */
int ump_set_backup(int fd, int id, int backup);

/*
 Tells the addresses of a subflow, and their length.
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
