/* Stacks over open descriptors, which carry a packet for each message. */

#include "common.h"

static ump_stack *over(int fd, const char *address)
{
    char config[100];
    snprintf(config, sizeof config, "fd=%d,%s,mtu=1400", fd, address);
    ump_stack *stack = ump_stack_new(config);
    CHECK(stack != NULL);
    return stack;
}

int main(void)
{
    limit_time();
    int before = open_descriptors();
    int link[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
    struct hosts hosts = {over(link[0], CLIENT), over(link[1], SERVER)};
    /* The stacks have copies. */
    close(link[0]);
    close(link[1]);
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    struct connection connection = connect_hosts(hosts, listener, address);
    static char data[300000], back[300000];
    for (size_t place = 0; place < sizeof data; place++)
        data[place] = (char)(place % 253);
    set_nonblocking(connection.client, 1);
    size_t sent = 0, received = 0;
    while (received < sizeof data) {
        if (sent < sizeof data) {
            ssize_t more = write(connection.client, data + sent, sizeof data - sent);
            if (more > 0)
                sent += (size_t)more;
        }
        wait_for(connection.server, POLLIN);
        ssize_t got = read(connection.server, back + received, sizeof back - received);
        CHECK(got > 0);
        received += (size_t)got;
    }
    CHECK(memcmp(data, back, sizeof data) == 0);
    close(connection.client);
    close(connection.server);
    close(listener);
    stop_hosts(hosts);
    double limit = seconds() + 20;
    while (open_descriptors() > before)
        CHECK(seconds() < limit);
    return 0;
}
