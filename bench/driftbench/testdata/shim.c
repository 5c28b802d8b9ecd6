// shim, preloaded, makes the process break where it is native code: in a
// library that loads, in a call of TensorFlow, or in a thread of a library's
// own. SHIM says where and how, such as call:segv.

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *break_down(void *how) {
	if (strcmp(how, "abort") == 0) abort();
	if (strcmp(how, "segv") == 0) *(volatile int *)8 = 1;
	if (strcmp(how, "quit") == 0) kill(getpid(), SIGQUIT), sleep(600); // as Go does after pages of its own
	if (strcmp(how, "ill") == 0) __builtin_trap();
	if (strcmp(how, "hang") == 0) sleep(600);
	volatile int zero = 0;
	if (strcmp(how, "fpe") == 0) zero = 7 / zero;
	return NULL;
}

static char *how(const char *where) {
	char *shim = getenv("SHIM");
	size_t n = strlen(where);
	return shim && strncmp(shim, where, n) == 0 && shim[n] == ':' ? shim + n + 1 : NULL;
}

__attribute__((constructor)) static void load(void) {
	if (how("load")) break_down(how("load"));
}

void TF_SessionRun(void) {
	if (how("call")) break_down(how("call"));
	pthread_t thread;
	if (how("thread") && pthread_create(&thread, NULL, break_down, how("thread")) == 0) sleep(600);
	abort();
}
