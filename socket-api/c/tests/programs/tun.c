/* A stack over two TUN devices, with the kernel as its peer, in a network namespace of the test. */

#include "common.h"
#include <sched.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int main(void)
{
    limit_time();
    if (unshare(CLONE_NEWNET) != 0) {
        fprintf(stderr, "cannot make a network namespace: %s\n", strerror(errno));
        return 77;
    }
    ump_stack *stack = ump_stack_new("umpc0,10.0.0.2/24,host=10.0.0.1/24;umpc1,10.0.1.2/24,host=10.0.1.1/24;"
                                     "privileged=1");
    CHECK(stack != NULL);
    CHECK(ump_stack_new("umpc0,10.0.2.2/24") == NULL && errno == EBUSY);
    struct sockaddr_in address;
    int listener = listen_on(stack, "10.0.0.2", 80, &address);
    int kernel = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(kernel >= 0);
    CHECK(connect(kernel, ADDRESS(address)) == 0);
    int fd = ump_accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    char text[16];
    write_all(kernel, "from the kernel", 16);
    read_all(fd, text, 16);
    CHECK(strcmp(text, "from the kernel") == 0);
    write_all(fd, "from the stack!", 16);
    read_all(kernel, text, 16);
    CHECK(strcmp(text, "from the stack!") == 0);
    close(kernel);
    CHECK(read(fd, text, 16) == 0);
    close(fd);

    /* The other way round. */
    int server = socket(AF_INET, SOCK_STREAM, 0);
    address = at("10.0.1.1", 8080);
    CHECK(bind(server, ADDRESS(address)) == 0);
    CHECK(listen(server, 5) == 0);
    int client = ump_socket(stack, AF_INET, SOCK_STREAM, UMP_IPPROTO_MPTCP);
    CHECK(ump_connect(client, ADDRESS(address)) == 0);
    kernel = accept(server, NULL, NULL);
    CHECK(kernel >= 0);
    write_all(client, "from the stack!", 16);
    read_all(kernel, text, 16);
    CHECK(strcmp(text, "from the stack!") == 0);
    close(kernel);
    close(client);
    close(server);
    close(listener);
    CHECK(ump_stack_free(stack) == 0);
    return 0;
}
