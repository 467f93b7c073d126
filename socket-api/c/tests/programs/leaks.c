/* Everything is freed by close(2), whoever closes first: descriptors, ports, threads. */

#include "common.h"
#include <sys/wait.h>

static int threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void settle_at(int wanted)
{
    double limit = seconds() + 60;
    while (open_descriptors() > wanted) {
        CHECK(seconds() < limit);
        usleep(1000);
    }
}

int main(void)
{
    limit_time();
    int before = open_descriptors();
    int before_threads = threads();
    struct hosts hosts = start_hosts();
    struct sockaddr_in address;
    int listener = listen_on(hosts.server, SERVER, 0, &address);
    int open_then = open_descriptors();

    for (int i = 0; i < 1000; i++) {
        struct connection connection = connect_hosts(hosts, listener, address);
        char byte = 'x';
        write_all(connection.client, &byte, 1);
        read_all(connection.server, &byte, 1);
        switch (i % 4) {
        case 0:
            close(connection.client);
            close(connection.server);
            break;
        case 1:
            close(connection.server);
            CHECK(read(connection.client, &byte, 1) == 0);
            close(connection.client);
            break;
        case 2:
            shutdown(connection.client, SHUT_RDWR);
            ump_close(connection.client);
            shutdown(connection.server, SHUT_RDWR);
            close(connection.server);
            break;
        default:
            /* Copies count: the last one closes. */
            ump_shutdown(connection.server, SHUT_WR);
            int copy = dup(connection.client);
            close(connection.client);
            CHECK(read(copy, &byte, 1) == 0);
            write_all(copy, &byte, 1);
            read_all(connection.server, &byte, 1);
            close(copy);
            CHECK(read(connection.server, &byte, 1) == 0);
            close(connection.server);
        }
    }
    settle_at(open_then);

    /* Not connected, and connecting in vain. */
    struct sockaddr_in nobody = at("10.0.0.99", 1), refusing = at(SERVER, 1);
    for (int i = 0; i < 200; i++) {
        int idle = new_socket(hosts.client, 0);
        int hanging = new_socket(hosts.client, SOCK_NONBLOCK);
        FAILS(ump_connect(hanging, ADDRESS(nobody)), EINPROGRESS);
        int failing = new_socket(hosts.client, 0);
        FAILS(ump_connect(failing, ADDRESS(refusing)), ECONNREFUSED);
        FAILS(ump_connect(failing, ADDRESS(refusing)), ECONNREFUSED);
        close(idle);
        close(hanging);
        close(failing);
    }
    settle_at(open_then);

    /* A child has copies; what the parent closes stays open until the child has ended. */
    int go[2];
    CHECK(pipe(go) == 0);
    struct connection connection = connect_hosts(hosts, listener, address);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        char byte;
        close(go[1]);
        if (read(go[0], &byte, 1) != 0)
            _exit(1);
        /* The parent's thread serves it here as well. */
        if (write(connection.client, "child", 5) != 5)
            _exit(2);
        _exit(0);
    }
    close(go[0]);
    close(connection.client);
    char text[5];
    set_nonblocking(connection.server, 1);
    FAILS(read(connection.server, text, 5), EAGAIN);
    set_nonblocking(connection.server, 0);
    close(go[1]);
    read_all(connection.server, text, 5);
    CHECK(memcmp(text, "child", 5) == 0);
    CHECK(read(connection.server, text, 1) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(connection.server);
    settle_at(open_then);

    close(listener);
    stop_hosts(hosts);
    settle_at(before);
    CHECK(threads() == before_threads);
    return 0;
}
