/* An echo server on a stack of its own.
 *
 * With the kernel's end of two links as its peer, as root:
 *
 *   ./echo "tun0,10.0.0.2/24,host=10.0.0.1/24;tun1,10.0.1.2/24,host=10.0.1.1/24" 10.0.0.2 7
 *
 * and then, for example, `mptcpize run nc 10.0.0.2 7`. Without arguments it makes two stacks in this process and
 * talks to itself, which takes no privileges.
 *
 * Compile it with: cc echo.c $(pkg-config --cflags --libs umptcp) -o echo
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <umptcp.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in address_of(const char *text, const char *port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
        fprintf(stderr, "%s is no IPv4 address\n", text);
        exit(2);
    }
    return address;
}

static int listen_at(ump_stack *stack, struct sockaddr_in address)
{
    int listener = ump_socket(stack, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, UMP_IPPROTO_MPTCP);
    if (listener < 0)
        fail("ump_socket");
    if (ump_bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        fail("ump_bind");
    if (ump_listen(listener, 16) < 0)
        fail("ump_listen");
    return listener;
}

/* From here on a connection is a descriptor like any other. */
static void echo(int fd)
{
    char buffer[65536];
    ssize_t got;
    while ((got = read(fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0, part; done < got; done += part) {
            part = write(fd, buffer + done, (size_t)(got - done));
            if (part < 0)
                fail("write");
        }
    }
    close(fd);
}

static void *serve_one(void *listener)
{
    int fd = ump_accept(*(int *)listener, NULL, NULL);
    if (fd < 0)
        fail("ump_accept");
    echo(fd);
    return NULL;
}

static void talk_to_itself(void)
{
    ump_stack *client, *server;
    if (ump_stack_new_pair("10.0.0.1;10.0.1.1", "10.0.0.2;10.0.1.2", &client, &server) < 0)
        fail("ump_stack_new_pair");
    struct sockaddr_in address = address_of("10.0.0.2", "7777");
    int listener = listen_at(server, address);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_one, &listener) != 0)
        fail("pthread_create");

    int fd = ump_socket(client, AF_INET, SOCK_STREAM, UMP_IPPROTO_MPTCP);
    if (fd < 0 || ump_connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("ump_connect");
    static const char greeting[] = "hello over two paths";
    char answer[sizeof greeting];
    if (write(fd, greeting, sizeof greeting) != sizeof greeting)
        fail("write");
    if (ump_recv(fd, answer, sizeof answer, MSG_WAITALL) != sizeof answer)
        fail("ump_recv");
    ump_sub_status subflows[8];
    int count = ump_subflows(fd, subflows, 8);
    printf("%s: %s\n", answer, count < 0 ? "no MPTCP" : "MPTCP");
    close(fd);
    pthread_join(thread, NULL);
    close(listener);
    ump_stack_free(client);
    ump_stack_free(server);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        talk_to_itself();
        return 0;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: %s [CONFIG ADDRESS PORT]\n", argv[0]);
        return 2;
    }
    ump_stack *stack = ump_stack_new(argv[1]);
    if (stack == NULL)
        fail("ump_stack_new");
    int listener = listen_at(stack, address_of(argv[2], argv[3]));
    for (;;) {
        int fd = ump_accept(listener, NULL, NULL);
        if (fd < 0)
            fail("ump_accept");
        echo(fd);
    }
}
