#include <pthread.h>
#include <sched.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *unused) {
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return unused;
}

// See CanStart. Up to 1024 threads are tried: no more fit this frame.
int driftbench_can_start_threads(int n) {
	pthread_t started[1024];
	int i, enough = 1;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10); // a failure leaves the usual size
	if (n > 1024) n = 1024;
	pthread_mutex_lock(&gate);
	for (i = 0; i < n; i++)
		if (pthread_create(&started[i], &attr, wait_at_gate, NULL) != 0) {
			enough = 0;
			break;
		}
	pthread_mutex_unlock(&gate);
	while (i-- > 0) pthread_join(started[i], NULL);
	pthread_attr_destroy(&attr);
	return enough;
}
