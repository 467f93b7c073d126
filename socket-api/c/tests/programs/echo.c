/* Ordinary calls on real descriptors, over two paths: read, write, poll, epoll, sendfile, writev, dup,
 * threads. */

#include "common.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { BIG = 3000000 };

static unsigned char pattern(size_t place)
{
    return (unsigned char)(place * 7 + place / 251);
}

/* Echoes one connection with blocking calls until its end. */
static void *echo(void *argument)
{
    int fd = *(int *)argument;
    char buffer[16384];
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer);
        CHECK(got >= 0);
        if (got == 0)
            break;
        write_all(fd, buffer, (size_t)got);
    }
    CHECK(close(fd) == 0);
    return NULL;
}

/* Sends a file by sendfile and a second copy by writev; the echo comes back over epoll. */
static void transfer(struct hosts hosts, int listener, struct sockaddr_in address)
{
    struct connection connection = connect_hosts(hosts, listener, address);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, echo, &connection.server) == 0);

    char path[] = "/tmp/umptcp-test-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    CHECK(unlink(path) == 0);
    unsigned char *data = malloc(BIG);
    CHECK(data != NULL);
    for (size_t place = 0; place < BIG; place++)
        data[place] = pattern(place);
    write_all(file, data, BIG);

    int fd = dup(connection.client);
    CHECK(fd >= 0);
    CHECK(close(connection.client) == 0);
    set_nonblocking(fd, 1);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll >= 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);

    off_t sent_of_file = 0;
    size_t sent_of_memory = 0, received = 0;
    int ended = 0, shut = 0;
    while (!ended) {
        CHECK(epoll_wait(epoll, &event, 1, 20000) == 1);
        while (sent_of_file < BIG) {
            ssize_t sent = sendfile(fd, file, &sent_of_file, BIG - (size_t)sent_of_file);
            if (sent < 0) {
                CHECK(errno == EAGAIN);
                break;
            }
        }
        while (sent_of_file == BIG && sent_of_memory < BIG) {
            size_t half = (BIG - sent_of_memory) / 2;
            struct iovec parts[2] = {{data + sent_of_memory, half},
                                     {data + sent_of_memory + half, BIG - sent_of_memory - half}};
            ssize_t sent = writev(fd, parts, 2);
            if (sent < 0) {
                CHECK(errno == EAGAIN);
                break;
            }
            sent_of_memory += (size_t)sent;
        }
        if (sent_of_memory == BIG && !shut) {
            CHECK(shutdown(fd, SHUT_WR) == 0);
            shut = 1;
        }
        for (;;) {
            unsigned char buffer[65536];
            ssize_t got = read(fd, buffer, sizeof buffer);
            if (got < 0) {
                CHECK(errno == EAGAIN);
                break;
            }
            if (got == 0) {
                ended = 1;
                break;
            }
            for (ssize_t place = 0; place < got; place++, received++)
                CHECK(buffer[place] == pattern(received % BIG));
        }
    }
    CHECK(received == 2 * (size_t)BIG);
    CHECK(error_of(fd) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK((ready_now(fd) & (POLLHUP | POLLRDHUP)) == (POLLHUP | POLLRDHUP));
    close(epoll);
    close(file);
    CHECK(close(fd) == 0);
    free(data);
}

/* Connecting without waiting: not writable before, writable after. */
static void nonblocking_connect(struct hosts hosts, int listener, struct sockaddr_in address)
{
    int fd = new_socket(hosts.client, SOCK_NONBLOCK);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0);
    CHECK(ready_now(fd) == 0);
    FAILS(write(fd, "x", 1), EAGAIN);
    FAILS(ump_connect(fd, ADDRESS(address)), EINPROGRESS);
    CHECK(wait_for(fd, POLLOUT) == POLLOUT);
    CHECK(error_of(fd) == 0);
    /* Linux: asked again, it says so once. */
    CHECK(ump_connect(fd, ADDRESS(address)) == 0);
    FAILS(ump_connect(fd, ADDRESS(address)), EISCONN);

    CHECK(wait_for(listener, POLLIN) == POLLIN);
    struct sockaddr_in peer, local;
    socklen_t len = sizeof peer;
    int server = ump_accept(listener, (struct sockaddr *)&peer, &len);
    CHECK(server >= 0 && len == sizeof peer);
    CHECK((fcntl(server, F_GETFL) & O_NONBLOCK) == 0);
    len = sizeof local;
    CHECK(ump_getsockname(fd, (struct sockaddr *)&local, &len) == 0);
    CHECK(memcmp(&local, &peer, sizeof peer) == 0);
    len = sizeof local;
    CHECK(ump_getpeername(fd, (struct sockaddr *)&local, &len) == 0);
    CHECK(memcmp(&local, &address, sizeof local) == 0);
    CHECK((ready_now(listener) & POLLIN) == 0);

    write_all(server, "hello", 5);
    CHECK(wait_for(fd, POLLIN) & POLLIN);
    char buffer[8];
    CHECK(ump_recv(fd, buffer, sizeof buffer, MSG_PEEK) == 5);
    int waiting = 0;
    CHECK(ump_ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 5);
    CHECK(ump_recv(fd, NULL, 2, MSG_TRUNC) == 2);
    CHECK(ump_read(fd, buffer, sizeof buffer) == 3 && memcmp(buffer, "llo", 3) == 0);
    FAILS(ump_recv(fd, buffer, sizeof buffer, 0), EAGAIN);
    FAILS(ump_recv(server, buffer, sizeof buffer, MSG_DONTWAIT), EAGAIN);
    close(fd);
    CHECK(read(server, buffer, sizeof buffer) == 0);
    close(server);
}

/* Many connections wait; the listener is readable until the last is accepted, each time with an edge. */
static void accept_many(struct hosts hosts, int listener, struct sockaddr_in address)
{
    enum { MANY = 10 };
    int clients[MANY], servers[MANY];
    for (int i = 0; i < MANY; i++) {
        clients[i] = new_socket(hosts.client, 0);
        CHECK(ump_connect(clients[i], ADDRESS(address)) == 0);
    }
    set_nonblocking(listener, 1);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    for (int i = 0; i < MANY; i++) {
        CHECK(epoll_wait(epoll, &event, 1, 20000) == 1);
        servers[i] = ump_accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        CHECK(servers[i] >= 0);
        CHECK(fcntl(servers[i], F_GETFL) & O_NONBLOCK);
    }
    FAILS(ump_accept(listener, NULL, NULL), EAGAIN);
    CHECK((ready_now(listener) & POLLIN) == 0);
    close(epoll);
    set_nonblocking(listener, 0);
    for (int i = 0; i < MANY; i++) {
        close(clients[i]);
        close(servers[i]);
    }
}

/* What goes through messages, and how much is on its way. */
static void messages(struct hosts hosts, int listener, struct sockaddr_in address)
{
    struct connection connection = connect_hosts(hosts, listener, address);
    char first[] = "ab", second[] = "cde", got[16];
    struct iovec parts[2] = {{first, 2}, {second, 3}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    CHECK(ump_sendmsg(connection.client, &message, MSG_MORE | MSG_NOSIGNAL) == 5);
    CHECK(ump_send(connection.client, "f", 1, MSG_OOB) == 1);
    struct iovec room = {got, sizeof got};
    struct msghdr received = {.msg_iov = &room, .msg_iovlen = 1};
    CHECK(ump_recv(connection.server, got, 6, MSG_PEEK | MSG_WAITALL) == 6);
    CHECK(ump_recvmsg(connection.server, &received, 0) == 6);
    CHECK(memcmp(got, "abcdef", 6) == 0);
    CHECK(received.msg_controllen == 0 && received.msg_flags == 0);

    int one = 1;
    CHECK(ump_setsockopt(connection.server, IPPROTO_TCP, 36 /* TCP_INQ */, &one, sizeof one) == 0);
    write_all(connection.client, "12345678", 8);
    CHECK(ump_recv(connection.server, got, 8, MSG_PEEK | MSG_WAITALL) == 8);
    char control[64];
    received.msg_control = control;
    received.msg_controllen = sizeof control;
    room.iov_len = 5;
    CHECK(ump_recvmsg(connection.server, &received, 0) == 5);
    struct cmsghdr *header = CMSG_FIRSTHDR(&received);
    CHECK(header != NULL && header->cmsg_level == IPPROTO_TCP && header->cmsg_type == 36);
    CHECK(header->cmsg_len == CMSG_LEN(sizeof(int)));
    int left = -1;
    memcpy(&left, CMSG_DATA(header), sizeof left);
    CHECK(left == 3);
    received.msg_controllen = 4;
    room.iov_len = 1;
    CHECK(ump_recvmsg(connection.server, &received, 0) == 1);
    CHECK(received.msg_controllen == 0 && (received.msg_flags & MSG_CTRUNC));

    int queued = -1;
    double limit = seconds() + 20;
    do {
        CHECK(ump_ioctl(connection.client, 0x5411 /* SIOCOUTQ */, &queued) == 0);
        CHECK(seconds() < limit);
    } while (queued != 0);
    CHECK(ump_ioctl(connection.client, 0x894B /* SIOCOUTQNSD */, &queued) == 0 && queued == 0);
    /* Everything that nobody reads is somewhere. */
    set_nonblocking(connection.client, 1);
    static char block[65536];
    int written = 0;
    double quiet = seconds() + 0.5;
    while (seconds() < quiet && written < 30000000) {
        ssize_t more = write(connection.client, block, sizeof block);
        if (more > 0) {
            written += (int)more;
            quiet = seconds() + 0.5;
        }
    }
    int unread = 0;
    CHECK(ump_ioctl(connection.client, 0x5411, &queued) == 0);
    CHECK(ump_ioctl(connection.server, FIONREAD, &unread) == 0);
    CHECK(queued > 0 && unread > 0 && written > queued);
    close(connection.client);
    close(connection.server);
}

/* Two paths carry the connection, and one of them may go. */
static void loses_a_path(struct hosts hosts, int listener, struct sockaddr_in address)
{
    struct connection connection = connect_hosts(hosts, listener, address);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, echo, &connection.server) == 0);
    char data[4096] = {0}, back[4096];
    for (int round = 0; round < 200; round++) {
        if (round == 50)
            CHECK(ump_stack_set_interface_up(hosts.client, 0, 0) == 0);
        if (round == 150)
            CHECK(ump_stack_set_interface_up(hosts.client, 0, 1) == 0);
        data[0] = (char)round;
        write_all(connection.client, data, sizeof data);
        read_all(connection.client, back, sizeof back);
        CHECK(memcmp(data, back, sizeof data) == 0);
        /* The second path needs a moment before the first may go. */
        if (round < 50)
            usleep(10000);
    }
    FAILS(ump_stack_set_interface_up(hosts.client, 2, 0), ENXIO);
    close(connection.client);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    limit_time();
    struct hosts hosts = start_hosts();
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    nonblocking_connect(hosts, listener, address);
    accept_many(hosts, listener, address);
    transfer(hosts, listener, address);
    messages(hosts, listener, address);
    loses_a_path(hosts, listener, address);
    close(listener);
    stop_hosts(hosts);
    return 0;
}
