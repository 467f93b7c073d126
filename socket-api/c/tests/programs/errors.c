/* Every errno that can be reached, and that bad pointers and descriptors are errors and nothing worse. */

#include "common.h"
#include <sys/mman.h>

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void bad_stacks(struct hosts hosts)
{
    CHECK(ump_stack_new(NULL) == NULL && errno == EFAULT);
    CHECK(ump_stack_new((const char *)8) == NULL && errno == EFAULT);
    const char *const texts[] = {"",          ";",          "tun0",          "tun0,10.0.0.300",
                                 "fd=x,1.1.1.1", "tun0,10.0.0.1,x=1", "fd=5,10.0.0.1/24", "version=1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        errno = 0;
        CHECK(ump_stack_new(texts[i]) == NULL && errno == EINVAL);
    }
    CHECK(ump_stack_new("fd=9999,10.0.0.1") == NULL && errno == EBADF);
    int file = open("/dev/null", O_RDWR);
    char text[64];
    snprintf(text, sizeof text, "fd=%d,10.0.0.1", file);
    CHECK(ump_stack_new(text) == NULL && errno == EPERM);
    close(file);
    ump_stack *one, *other;
    FAILS(ump_stack_new_pair(NULL, "10.0.0.1", &one, &other), EFAULT);
    FAILS(ump_stack_new_pair("10.0.0.2", "10.0.0.1", NULL, &other), EFAULT);
    FAILS(ump_stack_new_pair("10.0.0.2", "10.0.0.1", &one, NULL), EFAULT);
    FAILS(ump_stack_new_pair("10.0.0.2;10.0.1.2", "10.0.0.1", &one, &other), EINVAL);
    FAILS(ump_stack_free(NULL), EFAULT);
    FAILS(ump_stack_free((ump_stack *)12345), EINVAL);
    FAILS(ump_stack_set_interface_up(NULL, 0, 1), EFAULT);
    FAILS(ump_stack_set_interface_up((ump_stack *)12345, 0, 1), EINVAL);

    FAILS(ump_socket(NULL, AF_INET, SOCK_STREAM, UMP_IPPROTO_MPTCP), EFAULT);
    FAILS(ump_socket((ump_stack *)12345, AF_INET, SOCK_STREAM, 0), EINVAL);
    FAILS(ump_socket(hosts.client, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(ump_socket(hosts.client, AF_INET, SOCK_DGRAM, UMP_IPPROTO_MPTCP), EPROTONOSUPPORT);
    FAILS(ump_socket(hosts.client, AF_INET, SOCK_SEQPACKET, UMP_IPPROTO_MPTCP), ESOCKTNOSUPPORT);
    FAILS(ump_socket(hosts.client, AF_INET, 99, 0), EINVAL);
    FAILS(ump_socket(hosts.client, AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
}

/* All calls on a descriptor that is none of ours. */
static void all_fail(int fd, int number)
{
    struct sockaddr_in address = at(SERVER, 80);
    struct sockaddr_storage one, other;
    socklen_t len = sizeof address;
    int value = 1;
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ump_sub_status status;
    FAILS(ump_bind(fd, ADDRESS(address)), number);
    FAILS(ump_listen(fd, 1), number);
    FAILS(ump_accept(fd, NULL, NULL), number);
    FAILS(ump_accept4(fd, NULL, NULL, SOCK_NONBLOCK), number);
    FAILS(ump_connect(fd, ADDRESS(address)), number);
    FAILS(ump_getsockname(fd, (struct sockaddr *)&address, &len), number);
    FAILS(ump_getpeername(fd, (struct sockaddr *)&address, &len), number);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len), number);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value), number);
    FAILS(ump_shutdown(fd, SHUT_RDWR), number);
    FAILS(ump_read(fd, &byte, 1), number);
    FAILS(ump_write(fd, &byte, 1), number);
    FAILS(ump_recv(fd, &byte, 1, 0), number);
    FAILS(ump_send(fd, &byte, 1, 0), number);
    FAILS(ump_recvmsg(fd, &message, 0), number);
    FAILS(ump_sendmsg(fd, &message, 0), number);
    FAILS(ump_ioctl(fd, 0x5411, &value), number);
    FAILS(ump_subflows(fd, &status, 1), number);
    FAILS(ump_open_subflow(fd, ADDRESS(address), ADDRESS(address), 0, 0), number);
    FAILS(ump_close_subflow(fd, 1, SHUT_RDWR), number);
    FAILS(ump_set_backup(fd, 1, 1), number);
    FAILS(ump_subflow_addresses(fd, 1, &one, &other, &len), number);
}

static void bad_descriptors(void)
{
    all_fail(-1, EBADF);
    all_fail(9999, EBADF);
    FAILS(ump_close(-1), EBADF);
    FAILS(ump_close(9999), EBADF);
    int file = open("/dev/null", O_RDWR);
    all_fail(file, ENOTSOCK);
    CHECK(ump_close(file) == 0);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    all_fail(other, ENOTSOCK);
    CHECK(close(other) == 0);
}

static void bad_pointers(struct hosts hosts, int listener, struct sockaddr_in address)
{
    void *const nowhere = (void *)16;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    socklen_t len = sizeof address;
    int value = 1;
    int fd = new_socket(hosts.client, 0);
    FAILS(ump_bind(fd, NULL, len), EFAULT);
    FAILS(ump_bind(fd, nowhere, len), EFAULT);
    FAILS(ump_bind(fd, ADDRESS(address) - 1), EINVAL);
    FAILS(ump_bind(fd, (const struct sockaddr *)&address, 0), EINVAL);
    FAILS(ump_bind(fd, (const struct sockaddr *)&address, (socklen_t)-1), EINVAL);
    FAILS(ump_connect(fd, NULL, len), EFAULT);
    FAILS(ump_connect(fd, nowhere, len), EFAULT);
    FAILS(ump_connect(fd, (const struct sockaddr *)&address, 3), EINVAL);
    FAILS(ump_getsockname(fd, NULL, &len), EFAULT);
    FAILS(ump_getsockname(fd, (struct sockaddr *)&address, NULL), EFAULT);
    FAILS(ump_getsockname(fd, page, &len), EFAULT);
    FAILS(ump_getsockname(fd, nowhere, nowhere), EFAULT);
    socklen_t negative = (socklen_t)-1;
    struct sockaddr_in unused;
    FAILS(ump_getsockname(fd, (struct sockaddr *)&unused, &negative), EINVAL);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &negative), EINVAL);
    len = sizeof value;
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &len), EFAULT);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_TYPE, page, &len), EFAULT);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, NULL), EFAULT);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, nowhere), EFAULT);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, len), EFAULT);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nowhere, len), EFAULT);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 2), EINVAL);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1), EINVAL);
    FAILS(ump_accept(listener, (struct sockaddr *)&unused, NULL), EFAULT);
    FAILS(ump_accept(listener, (struct sockaddr *)&unused, nowhere), EFAULT);
    FAILS(ump_ioctl(fd, 0x5411, NULL), EFAULT);
    FAILS(ump_ioctl(fd, 0x5411, page), EFAULT);
    FAILS(ump_ioctl(fd, 0xFFFF, &value), ENOTTY);
    close(fd);

    struct connection connection = connect_hosts(hosts, listener, address);
    write_all(connection.server, "abc", 3);
    wait_for(connection.client, POLLIN);
    FAILS(ump_recv(connection.client, NULL, 3, 0), EFAULT);
    FAILS(ump_recv(connection.client, nowhere, 3, 0), EFAULT);
    FAILS(ump_send(connection.client, NULL, 3, 0), EFAULT);
    FAILS(ump_send(connection.client, nowhere, 3, 0), EFAULT);
    FAILS(ump_recvmsg(connection.client, NULL, 0), EFAULT);
    FAILS(ump_sendmsg(connection.client, NULL, 0), EFAULT);
    FAILS(ump_recvmsg(connection.client, nowhere, 0), EFAULT);
    struct msghdr message = {.msg_iov = nowhere, .msg_iovlen = 1};
    FAILS(ump_recvmsg(connection.client, &message, 0), EFAULT);
    FAILS(ump_sendmsg(connection.client, &message, 0), EFAULT);
    message.msg_iovlen = 100000;
    FAILS(ump_sendmsg(connection.client, &message, 0), EMSGSIZE);
    FAILS(ump_recv(connection.client, &value, 1, MSG_OOB), EINVAL);
    FAILS(ump_recv(connection.client, &value, 1, MSG_ERRQUEUE), EAGAIN);
    close(connection.client);
    close(connection.server);
    munmap(page, 4096);
}

static void states(struct hosts hosts, int listener, struct sockaddr_in address)
{
    char byte = 0;
    int fd = new_socket(hosts.client, SOCK_NONBLOCK);
    socklen_t len = sizeof address;
    struct sockaddr_in name;
    FAILS(ump_getpeername(fd, (struct sockaddr *)&name, &len), ENOTCONN);
    FAILS(ump_recv(fd, &byte, 1, 0), ENOTCONN);
    FAILS(ump_shutdown(fd, SHUT_WR), ENOTCONN);
    FAILS(ump_shutdown(fd, 7), EINVAL);
    FAILS(ump_accept(fd, NULL, NULL), EINVAL);
    FAILS(ump_accept4(listener, NULL, NULL, 1), EINVAL);
    signals = 0;
    signal(SIGPIPE, count_signal);
    FAILS(ump_send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
    CHECK(signals == 0);
    FAILS(ump_write(fd, &byte, 1), EPIPE);
    CHECK(signals == 1);

    struct sockaddr_in6 other_family = {.sin6_family = AF_INET6};
    FAILS(ump_bind(fd, ADDRESS(other_family)), EAFNOSUPPORT);
    struct sockaddr_in local = at("10.9.9.9", 0);
    FAILS(ump_bind(fd, ADDRESS(local)), EADDRNOTAVAIL);
    local = at(CLIENT, 80);
    FAILS(ump_bind(fd, ADDRESS(local)), EACCES);
    local = at(CLIENT, 8000);
    CHECK(ump_bind(fd, ADDRESS(local)) == 0);
    FAILS(ump_bind(fd, ADDRESS(local)), EINVAL);
    int second = new_socket(hosts.client, 0);
    FAILS(ump_bind(second, ADDRESS(local)), EADDRINUSE);
    CHECK(close(fd) == 0);
    /* Closed by whatever call, it has no port any more. */
    CHECK(ump_bind(second, ADDRESS(local)) == 0);
    CHECK(ump_listen(second, 5) == 0);
    FAILS(ump_connect(second, ADDRESS(address)), EOPNOTSUPP);
    FAILS(ump_recv(second, &byte, 1, 0), ENOTCONN);
    int waiting;
    FAILS(ump_ioctl(second, 0x541B, &waiting), EINVAL);
    CHECK(ump_close(second) == 0);
    int third = new_socket(hosts.client, 0);
    CHECK(ump_bind(third, ADDRESS(local)) == 0);
    close(third);

    int value = 1;
    len = sizeof value;
    fd = new_socket(hosts.client, 0);
    FAILS(ump_getsockopt(fd, SOL_SOCKET, 9999, &value, &len), ENOPROTOOPT);
    FAILS(ump_getsockopt(fd, 9999, 1, &value, &len), ENOPROTOOPT);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &value, len), EOPNOTSUPP);
    FAILS(ump_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "none", 5), ENODEV);
    CHECK(ump_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "ump1", 5) == 0);
    struct sockaddr_in unreachable = at("10.0.0.77", 1);
    struct sockaddr_in6 no_route = {.sin6_family = AF_INET6, .sin6_port = 1};
    no_route.sin6_addr.s6_addr[0] = 0xfd;
    int six = ump_socket(hosts.client, AF_INET6, SOCK_STREAM, 0);
    FAILS(ump_connect(six, ADDRESS(no_route)), ENETUNREACH);
    close(six);
    close(fd);

    /* Time limits: of accept, of connect, of plain read. */
    struct timeval limit = {0, 50000};
    CHECK(ump_setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    double start = seconds();
    FAILS(ump_accept(listener, NULL, NULL), EAGAIN);
    CHECK(seconds() - start >= 0.05);
    limit.tv_usec = 0;
    CHECK(ump_setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    limit.tv_usec = 50000;
    fd = new_socket(hosts.client, 0);
    CHECK(ump_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    CHECK(ump_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    FAILS(ump_connect(fd, ADDRESS(unreachable)), EINPROGRESS);
    set_nonblocking(fd, 1);
    FAILS(ump_connect(fd, ADDRESS(unreachable)), EALREADY);
    set_nonblocking(fd, 0);
    FAILS(read(fd, &byte, 1), EAGAIN);
    /* A signal interrupts what waits. */
    struct sigaction action = {.sa_handler = count_signal};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    limit.tv_usec = 0;
    CHECK(ump_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
    alarm(1);
    FAILS(ump_connect(fd, ADDRESS(unreachable)), EINTR);
    alarm(1);
    FAILS(ump_accept(listener, NULL, NULL), EINTR);
    close(fd);
    signal(SIGALRM, SIG_DFL);
    limit_time();
}

static void refused(struct hosts hosts, int listener, struct sockaddr_in address)
{
    struct sockaddr_in nobody = at(SERVER, 9);
    char byte;
    /* Waiting, and again on the same number. */
    int fd = new_socket(hosts.client, 0);
    for (int i = 0; i < 3; i++)
        FAILS(ump_connect(fd, ADDRESS(nobody)), ECONNREFUSED);
    CHECK(ump_connect(fd, ADDRESS(address)) == 0);
    int server = ump_accept(listener, NULL, NULL);
    write_all(fd, "again", 5);
    char got[5];
    read_all(server, got, 5);
    CHECK(memcmp(got, "again", 5) == 0);
    close(fd);
    close(server);

    /* Not waiting: ready for everything, told once. */
    fd = new_socket(hosts.client, SOCK_NONBLOCK);
    FAILS(ump_connect(fd, ADDRESS(nobody)), EINPROGRESS);
    short ready = wait_for(fd, POLLOUT);
    CHECK(ready & POLLHUP);
    double limit = seconds() + 20;
    while (!(ready_now(fd) & POLLOUT))
        CHECK(seconds() < limit);
    CHECK(error_of(fd) == ECONNREFUSED);
    CHECK(error_of(fd) == 0);
    CHECK(read(fd, &byte, 1) == 0);
    FAILS(send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
    FAILS(ump_recv(fd, &byte, 1, 0), ENOTCONN);
    FAILS(ump_connect(fd, ADDRESS(address)), EINPROGRESS);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(wait_for(fd, POLLOUT) == POLLOUT);
    CHECK(error_of(fd) == 0);
    server = ump_accept(listener, NULL, NULL);
    close(fd);
    close(server);

    /* connect, asked again, tells as well. */
    fd = new_socket(hosts.client, SOCK_NONBLOCK);
    FAILS(ump_connect(fd, ADDRESS(nobody)), EINPROGRESS);
    wait_for(fd, POLLOUT);
    FAILS(ump_connect(fd, ADDRESS(nobody)), ECONNREFUSED);
    close(fd);
}

static void resets(struct hosts hosts, int listener, struct sockaddr_in address)
{
    char buffer[64];
    struct linger linger = {1, 0};
    /* By recv. */
    struct connection connection = connect_hosts(hosts, listener, address);
    write_all(connection.client, "last words", 10);
    read_all(connection.server, buffer, 10);
    CHECK(ump_setsockopt(connection.server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(close(connection.server) == 0);
    FAILS(ump_recv(connection.client, buffer, sizeof buffer, 0), ECONNRESET);
    CHECK(ump_recv(connection.client, buffer, sizeof buffer, 0) == 0);
    CHECK(wait_for(connection.client, 0) & POLLHUP);
    FAILS(ump_send(connection.client, buffer, 1, MSG_NOSIGNAL), EPIPE);
    close(connection.client);

    /* By SO_ERROR, with plain calls before it. Closing with something unread is a reset as well. */
    connection = connect_hosts(hosts, listener, address);
    write_all(connection.client, "never read", 10);
    CHECK(wait_for(connection.server, POLLIN) & POLLIN);
    CHECK(close(connection.server) == 0);
    CHECK(wait_for(connection.client, 0) & POLLHUP);
    CHECK(read(connection.client, buffer, sizeof buffer) == 0);
    FAILS(send(connection.client, buffer, 1, MSG_NOSIGNAL), EPIPE);
    CHECK(error_of(connection.client) == ECONNRESET);
    CHECK(error_of(connection.client) == 0);
    close(connection.client);

    /* By send, and without a signal. */
    connection = connect_hosts(hosts, listener, address);
    CHECK(ump_setsockopt(connection.server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(close(connection.server) == 0);
    CHECK(wait_for(connection.client, 0) & POLLHUP);
    signals = 0;
    signal(SIGPIPE, count_signal);
    FAILS(ump_send(connection.client, buffer, 1, 0), ECONNRESET);
    CHECK(signals == 0);
    FAILS(ump_send(connection.client, buffer, 1, 0), EPIPE);
    CHECK(signals == 1);
    signal(SIGPIPE, SIG_IGN);
    close(connection.client);
}

static void halves(struct hosts hosts, int listener, struct sockaddr_in address)
{
    char buffer[16];
    struct connection connection = connect_hosts(hosts, listener, address);
    write_all(connection.client, "question", 8);
    CHECK(ump_shutdown(connection.client, SHUT_WR) == 0);
    FAILS(send(connection.client, "x", 1, MSG_NOSIGNAL), EPIPE);
    read_all(connection.server, buffer, 8);
    CHECK(ump_read(connection.server, buffer, sizeof buffer) == 0);
    CHECK((ready_now(connection.server) & (POLLRDHUP | POLLHUP)) == POLLRDHUP);
    write_all(connection.server, "answer", 6);
    CHECK(close(connection.server) == 0);
    read_all(connection.client, buffer, 6);
    CHECK(read(connection.client, buffer, sizeof buffer) == 0);
    CHECK(error_of(connection.client) == 0);
    close(connection.client);

    connection = connect_hosts(hosts, listener, address);
    CHECK(ump_shutdown(connection.client, SHUT_RD) == 0);
    CHECK(read(connection.client, buffer, sizeof buffer) == 0);
    write_all(connection.client, "still", 5);
    read_all(connection.server, buffer, 5);
    close(connection.client);
    close(connection.server);

    /* Written and closed at once: everything arrives. */
    connection = connect_hosts(hosts, listener, address);
    static char big[200000];
    memset(big, 'b', sizeof big);
    set_nonblocking(connection.client, 1);
    ssize_t sent = write(connection.client, big, sizeof big);
    CHECK(sent > 0);
    CHECK(close(connection.client) == 0);
    ssize_t total = 0, got;
    while ((got = read(connection.server, big, sizeof big)) > 0)
        total += got;
    CHECK(got == 0 && total == sent);
    CHECK(error_of(connection.server) == 0);
    close(connection.server);
}

static void listeners_end(struct hosts hosts)
{
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    CHECK(ump_shutdown(listener, SHUT_RDWR) == 0);
    CHECK(wait_for(listener, POLLIN) & POLLIN);
    FAILS(ump_accept(listener, NULL, NULL), EINVAL);
    /* It may listen again. */
    CHECK(ump_listen(listener, 1) == 0);
    struct connection connection = connect_hosts(hosts, listener, address);
    close(connection.client);
    close(connection.server);
    close(listener);
    int fd = new_socket(hosts.client, 0);
    FAILS(ump_connect(fd, ADDRESS(address)), ECONNREFUSED);
    close(fd);
}

int main(void)
{
    limit_time();
    struct hosts hosts = start_hosts();
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    bad_stacks(hosts);
    bad_descriptors();
    bad_pointers(hosts, listener, address);
    states(hosts, listener, address);
    refused(hosts, listener, address);
    resets(hosts, listener, address);
    halves(hosts, listener, address);
    listeners_end(hosts);

    /* What is left when a stack ends hangs up, and is no socket of ours any more. */
    struct connection connection = connect_hosts(hosts, listener, address);
    stop_hosts(hosts);
    CHECK(wait_for(connection.client, 0) & POLLHUP);
    CHECK(wait_for(connection.server, 0) & POLLHUP);
    all_fail(connection.client, ENOTSOCK);
    FAILS(ump_stack_free(hosts.client), EINVAL);
    CHECK(ump_close(connection.client) == 0);
    CHECK(close(connection.server) == 0);
    CHECK(close(listener) == 0);
    return 0;
}
