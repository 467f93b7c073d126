/* Subflows: ids, tuples, opening and closing them, options of one, events; the options of Linux. */

#include "common.h"
#include <netinet/tcp.h>

static int subflows_of(int fd)
{
    ump_sub_status statuses[16];
    int count = ump_subflows(fd, statuses, 16);
    CHECK(count >= 0);
    return count;
}

static void wait_for_subflows(int fd, int wanted)
{
    double limit = seconds() + 20;
    while (subflows_of(fd) != wanted) {
        CHECK(seconds() < limit);
        usleep(1000);
    }
}

/* Counts events of a type until one has come. */
static void wait_for_event(int fd, int type)
{
    double limit = seconds() + 20;
    for (;;) {
        char control[64];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        ssize_t got = ump_recvmsg(fd, &message, MSG_ERRQUEUE);
        if (got == 0) {
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            CHECK(header != NULL && header->cmsg_level == IPPROTO_TCP);
            CHECK(message.msg_flags & MSG_ERRQUEUE);
            if (header->cmsg_type == type)
                return;
        } else {
            CHECK(errno == EAGAIN);
        }
        CHECK(seconds() < limit);
    }
}

int main(void)
{
    limit_time();
    struct hosts hosts = start_hosts();
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    struct connection connection = connect_hosts(hosts, listener, address);
    int fd = connection.client;
    int on = 1;
    socklen_t len = sizeof on;
    CHECK(ump_setsockopt(fd, IPPROTO_TCP, UMP_EVENTS, &on, len) == 0);
    char byte = 'x';
    write_all(fd, &byte, 1);
    read_all(connection.server, &byte, 1);

    /* The initial one. */
    struct sockaddr_storage local, remote;
    CHECK(ump_subflow_addresses(fd, 1, &local, &remote, &len) == 0);
    CHECK(len == sizeof(struct sockaddr_in));
    CHECK(memcmp(&remote, &address, sizeof address) == 0);
    FAILS(ump_subflow_addresses(fd, 1, NULL, &remote, &len), EFAULT);
    FAILS(ump_subflow_addresses(fd, 99, &local, &remote, &len), EINVAL);
    FAILS(ump_subflow_addresses(fd, 999, &local, &remote, &len), EINVAL);

    /* A further one, opened by hand as soon as the connection may have it. */
    int before = subflows_of(fd);
    CHECK(before >= 1);
    struct sockaddr_in from = at("10.0.1.1", 0), to = at(SERVER, 0), strange = at("10.7.7.7", 0);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    FAILS(ump_open_subflow(fd, NULL, sizeof from, ADDRESS(to), 0, 0), EFAULT);
    FAILS(ump_open_subflow(fd, ADDRESS(six), ADDRESS(to), 0, 0), EINVAL);
    double limit = seconds() + 20;
    int id;
    while ((id = ump_open_subflow(fd, ADDRESS(from), ADDRESS(to), 0, 1)) < 0) {
        CHECK(errno == EAGAIN);
        CHECK(seconds() < limit);
    }
    CHECK(id > 1);
    FAILS(ump_open_subflow(fd, ADDRESS(strange), ADDRESS(to), 0, 0), EADDRNOTAVAIL);
    wait_for_event(fd, UMP_EV_INIT_SUB);
    CHECK(ump_subflow_addresses(fd, id, &local, &remote, &len) == 0);
    CHECK(((struct sockaddr_in *)&local)->sin_addr.s_addr == from.sin_addr.s_addr);
    CHECK(((struct sockaddr_in *)&remote)->sin_port == address.sin_port);

    /* It is a backup, and then it is not. */
    limit = seconds() + 20;
    while (ump_set_backup(fd, id, 0) != 0) {
        CHECK(errno == EAGAIN && seconds() < limit);
    }
    FAILS(ump_set_backup(fd, 200, 1), EINVAL);

    /* An option of one subflow, by way of pointers. */
    int tos = 0x28;
    ump_sub_setsockopt set = {id, IPPROTO_IP, IP_TOS, (char *)&tos, sizeof tos};
    CHECK(ump_setsockopt(fd, IPPROTO_TCP, UMP_SUB_SETSOCKOPT, &set, sizeof set) == 0);
    int told = -1;
    uint32_t told_len = sizeof told;
    ump_sub_getsockopt get = {id, IPPROTO_IP, IP_TOS, (char *)&told, &told_len};
    len = sizeof get;
    CHECK(ump_getsockopt(fd, IPPROTO_TCP, UMP_SUB_GETSOCKOPT, &get, &len) == 0);
    CHECK(told == tos && told_len == sizeof told);
    get.optval = (char *)16;
    FAILS(ump_getsockopt(fd, IPPROTO_TCP, UMP_SUB_GETSOCKOPT, &get, &len), EFAULT);

    /* Closing it. */
    int count = subflows_of(fd);
    CHECK(ump_close_subflow(fd, id, UMP_SUB_RST) == 0);
    FAILS(ump_close_subflow(fd, 200, SHUT_RDWR), EINVAL);
    FAILS(ump_close_subflow(fd, -1, SHUT_RDWR), EINVAL);
    wait_for_event(fd, UMP_EV_DEL_SUB);
    wait_for_subflows(fd, count - 1);
    FAILS(ump_subflows(fd, NULL, 4), EFAULT);

    /* Linux's way to ask. */
    ump_mptcp_info info;
    memset(&info, 0, sizeof info);
    len = sizeof info;
    CHECK(ump_getsockopt(fd, UMP_SOL_MPTCP, UMP_MPTCP_INFO, &info, &len) == 0);
    CHECK(len == sizeof info);
    CHECK(info.mptcpi_bytes_sent == 1 && info.mptcpi_subflows_total >= 1);
    CHECK(!(info.mptcpi_flags & UMP_INFO_FLAG_FALLBACK));
    len = 0;
    CHECK(ump_getsockopt(fd, UMP_SOL_MPTCP, UMP_MPTCP_INFO, NULL, &len) == 0);
    ump_full_info full;
    ump_subflow_info subflow[4];
    memset(&full, 0, sizeof full);
    full.size_sfinfo_user = sizeof *subflow;
    full.size_arrays_user = 4;
    full.subflow_info = (uintptr_t)subflow;
    len = sizeof full;
    CHECK(ump_getsockopt(fd, UMP_SOL_MPTCP, UMP_MPTCP_FULL_INFO, &full, &len) == 0);
    CHECK(full.num_subflows >= 1 && subflow[0].id == 1);
    CHECK(full.mptcp_info.mptcpi_bytes_sent == 1);
    full.subflow_info = 16;
    full.num_subflows = full.size_sfinfo_kernel = full.size_tcpinfo_kernel = 0;
    FAILS(ump_getsockopt(fd, UMP_SOL_MPTCP, UMP_MPTCP_FULL_INFO, &full, &len), EFAULT);
    int is_mptcp = 0;
    len = sizeof is_mptcp;
    CHECK(ump_getsockopt(fd, IPPROTO_TCP, UMP_TCP_IS_MPTCP, &is_mptcp, &len) == 0 && is_mptcp == 1);
    struct tcp_info tcp;
    len = sizeof tcp;
    CHECK(ump_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &len) == 0 && tcp.tcpi_snd_mss > 0);

    /* Plain TCP has none of this. */
    int plain = ump_socket(hosts.client, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(ump_connect(plain, ADDRESS(address)) == 0);
    int accepted = ump_accept(listener, NULL, NULL);
    ump_sub_status status;
    FAILS(ump_subflows(plain, &status, 1), EOPNOTSUPP);
    FAILS(ump_open_subflow(plain, ADDRESS(from), ADDRESS(to), 0, 0), EOPNOTSUPP);
    len = sizeof info;
    FAILS(ump_getsockopt(plain, UMP_SOL_MPTCP, UMP_MPTCP_INFO, &info, &len), EOPNOTSUPP);
    int none = new_socket(hosts.client, 0);
    FAILS(ump_subflows(none, &status, 1), ENOTCONN);
    FAILS(ump_setsockopt(none, UMP_SOL_MPTCP, UMP_MPTCP_INFO, &info, len), ENOPROTOOPT);
    close(none);
    close(plain);
    close(accepted);
    close(fd);
    close(connection.server);
    close(listener);
    stop_hosts(hosts);
    return 0;
}
