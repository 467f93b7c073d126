/* Every scenario ends with its host still there. */

#ifndef SCENARIOS_H
#define SCENARIOS_H

/* connections.c */
void tcp_passive(void);
void tcp_active(void);
void tcp_refused(void);
void ipv6(void);
void vectors_and_messages(void);

/* multipath.c */
void mptcp_passive(void);
void mptcp_announces(void);
void mptcp_falls_back(void);

/* waiting.c */
void blocked_threads(void);
void freed(void);
void readiness(void);
void edges(void);
void pipes(void);

/* time.c */
void virtual_time(void);
void virtual_waits(void);
void virtual_threads(void);

/* limits.c: what is set, and what is wrong */
void several_addresses(void);
void settings(void);
void environment(void);
void bad_flags(void);
void errors(void);
void bad_packets(void);
void hosts(void);

#endif
