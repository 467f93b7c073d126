/* The table that packetdrill_interface_init fills, as the tool has it: one pointer for what tells
 * hosts apart, then one for each function, in this order. Every function takes that pointer first,
 * and fails with -1 and errno. */

#ifndef INTERFACE_H
#define INTERFACE_H

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

typedef void *user_t;
typedef struct sockaddr sockaddr_t;

struct packetdrill_interface {
    user_t userdata;
    void (*free)(user_t);
    int (*socket)(user_t, int domain, int type, int protocol);
    int (*bind)(user_t, int fd, const sockaddr_t *, socklen_t);
    int (*listen)(user_t, int fd, int backlog);
    int (*accept)(user_t, int fd, sockaddr_t *, socklen_t *);
    int (*connect)(user_t, int fd, const sockaddr_t *, socklen_t);
    ssize_t (*read)(user_t, int fd, void *, size_t);
    ssize_t (*readv)(user_t, int fd, const struct iovec *, int);
    ssize_t (*recv)(user_t, int fd, void *, size_t, int flags);
    ssize_t (*recvfrom)(user_t, int fd, void *, size_t, int flags, sockaddr_t *, socklen_t *);
    ssize_t (*recvmsg)(user_t, int fd, struct msghdr *, int flags);
    ssize_t (*write)(user_t, int fd, const void *, size_t);
    ssize_t (*writev)(user_t, int fd, const struct iovec *, int);
    ssize_t (*send)(user_t, int fd, const void *, size_t, int flags);
    ssize_t (*sendto)(user_t, int fd, const void *, size_t, int flags, const sockaddr_t *,
                      socklen_t);
    ssize_t (*sendmsg)(user_t, int fd, const struct msghdr *, int flags);
    int (*fcntl)(user_t, int fd, int command, ...);
    int (*ioctl)(user_t, int fd, unsigned long request, ...);
    int (*close)(user_t, int fd);
    int (*shutdown)(user_t, int fd, int how);
    int (*getsockopt)(user_t, int fd, int level, int name, void *, socklen_t *);
    int (*setsockopt)(user_t, int fd, int level, int name, const void *, socklen_t);
    int (*poll)(user_t, struct pollfd *, nfds_t, int timeout);
    /* A packet for the stack, from its IP header on. */
    int (*netdev_send)(user_t, const void *, size_t);
    /* The next packet of the stack, its length, and when it left in microseconds; length 0 if there
     * is none. */
    int (*netdev_receive)(user_t, void *, size_t *, long long *micros);
    int (*usleep)(user_t, useconds_t);
    int (*gettimeofday)(user_t, struct timeval *, struct timezone *);
    int (*epoll_create)(user_t, int size);
    int (*epoll_ctl)(user_t, int set, int operation, int fd, struct epoll_event *);
    int (*epoll_wait)(user_t, int set, struct epoll_event *, int most, int timeout);
    int (*pipe)(user_t, int ends[2]);
    ssize_t (*splice)(user_t, int from, loff_t *, int to, loff_t *, size_t, unsigned int flags);
};

typedef void (*packetdrill_interface_init_t)(const char *flags, struct packetdrill_interface *);

#endif
