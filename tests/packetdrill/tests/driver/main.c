/* Loads the plug-in and runs one scenario by name. */

#include "peer.h"
#include "scenarios.h"

#include <dlfcn.h>

static packetdrill_interface_init_t init;

void start(const char *flags)
{
    memset(&host, 0, sizeof host);
    init(flags, &host);
    CHECK(host.free != NULL && host.splice != NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"tcp_passive", tcp_passive},
    {"tcp_active", tcp_active},
    {"tcp_refused", tcp_refused},
    {"ipv6", ipv6},
    {"vectors_and_messages", vectors_and_messages},
    {"mptcp_passive", mptcp_passive},
    {"mptcp_announces", mptcp_announces},
    {"mptcp_falls_back", mptcp_falls_back},
    {"blocked_threads", blocked_threads},
    {"freed", freed},
    {"readiness", readiness},
    {"edges", edges},
    {"pipes", pipes},
    {"virtual_time", virtual_time},
    {"virtual_waits", virtual_waits},
    {"virtual_threads", virtual_threads},
    {"several_addresses", several_addresses},
    {"settings", settings},
    {"environment", environment},
    {"bad_flags", bad_flags},
    {"errors", errors},
    {"bad_packets", bad_packets},
    {"hosts", hosts},
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUG-IN SCENARIO\n", argv[0]);
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&init = dlsym(library, "packetdrill_interface_init");
    CHECK(init != NULL);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i].name, argv[2]) == 0) {
            scenarios[i].run();
            host.free(U);
            return 0;
        }
    }
    fprintf(stderr, "there is no scenario %s\n", argv[2]);
    return 2;
}
