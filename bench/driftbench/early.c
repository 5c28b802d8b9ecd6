// What has to be so before the libraries load, and what is said when one of
// them, or the Go runtime, ends the process: they abort with pages about
// registers and threads, or with nothing, and Go's status for that is the one
// of a wrong command line.

#include "early.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Less address space than this and some library aborts at a random moment: it
// is mostly reserved, not used. A small corpus was seen to fail with 3.4 GB.
#define ADDRESS_SPACE (4UL << 30)

int stderr_now = STDERR_FILENO;

// pages_wanted: GOTRACEBACK asks for the runtime's pages, or for a core.
static int pages_wanted;

static void say(const char *text) {
	for (size_t n = strlen(text); n > 0;) {
		ssize_t done = write(stderr_now, text, n);
		if (done < 0 && errno == EINTR) continue;
		if (done <= 0) return;
		text += done, n -= done;
	}
}

static const char *name_of(int sig) {
	switch (sig) {
	case SIGABRT: return "SIGABRT";
	case SIGBUS: return "SIGBUS";
	case SIGFPE: return "SIGFPE";
	case SIGILL: return "SIGILL";
	case SIGQUIT: return "SIGQUIT";
	case SIGSEGV: return "SIGSEGV";
	case SIGSTKFLT: return "SIGSTKFLT";
	case SIGSYS: return "SIGSYS";
	case SIGTRAP: return "SIGTRAP";
	}
	return "a signal";
}

static int from_outside(const siginfo_t *info) { return info->si_code <= 0 && info->si_pid != getpid(); }

// on_fault runs on a thread of which nothing is known.
static void on_fault(int sig, siginfo_t *info, void *context) {
	(void)context;
	static int reported;
	if (__atomic_exchange_n(&reported, 1, __ATOMIC_RELAXED)) pause(); // another thread is about to exit
	const char *who = name_of(sig), *what;
	if (from_outside(info))
		what = " from outside ended the process. What is complete is kept: the same command goes on from there.\n";
	else if (sig == SIGQUIT) { // which Go's threads send each other when one has met its end
		who = "the Go runtime";
		what = " ended the process; what it said of it is above. What is complete is kept: the same command goes on from there.\n";
	} else
		what = " ended the process, by a fault in TensorFlow, another library or driftbench; what they said of it is above. What is complete is "
		       "kept. Try the other --engine, more memory, or the model converted again; GOTRACEBACK=all shows where it was.\n";
	char line[512] = "driftbench: "; // written at once, or other threads write in between
	strncat(line, who, sizeof line - strlen(line) - 1);
	strncat(line, what, sizeof line - strlen(line) - 1);
	say(line);
	_exit(1);
}

// in_go are Go's own handlers.
static struct sigaction in_go[NSIG];

// on_fault_in_go leaves to Go what is a fault of Go code, which may recover.
static void on_fault_in_go(int sig, siginfo_t *info, void *context) {
	if (from_outside(info)) on_fault(sig, info, context);
	in_go[sig].sa_sigaction(sig, info, context);
}

static void handle(const int *signals, void (*handler)(int, siginfo_t *, void *), struct sigaction *before) {
	if (pages_wanted) return;
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigfillset(&act.sa_mask);
	for (; *signals; signals++) {
		if (before) sigaction(*signals, NULL, &before[*signals]); // first: the handler calls it
		sigaction(*signals, &act, NULL);
	}
}

// on_interruption serves until Go hears interruptions, which hands them here
// as long as nothing in Go waits for them.
static void on_interruption(int sig) {
	(void)sig;
	say("driftbench: interrupted. Nothing was changed.\n");
	_exit(130);
}

static void hear_interruptions(void) {
	for (const int *sig = (int[]){SIGINT, SIGTERM, SIGHUP, 0}; *sig; sig++) {
		struct sigaction act;
		if (sigaction(*sig, NULL, &act) < 0 || act.sa_handler == SIG_IGN) continue; // as nohup asks
		act = (struct sigaction){.sa_handler = on_interruption, .sa_flags = SA_ONSTACK | SA_RESTART};
		sigfillset(&act.sa_mask);
		sigaction(*sig, &act, NULL);
	}
}

// before_load's handlers of faults serve the libraries while they load.
void before_load(char **envp) {
	for (; *envp; envp++) // getenv knows nothing yet
		if (strncmp(*envp, "GOTRACEBACK=", strlen("GOTRACEBACK=")) == 0) pages_wanted = 1;
	hear_interruptions();
	handle((int[]){SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSTKFLT, SIGSYS, SIGTRAP, 0}, on_fault, NULL);

	// A library would be given the number of a closed descriptor for a file of
	// its own, and what is printed would go there. These fail as a closed one.
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);

	struct rlimit space;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur < ADDRESS_SPACE) {
		say("driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.\n");
		_exit(1);
	}
}

// after_go takes the signals back that Go never passes on.
void after_go(void) {
	handle((int[]){SIGABRT, SIGILL, SIGQUIT, SIGSTKFLT, SIGSYS, SIGTRAP, 0}, on_fault, NULL);
	handle((int[]){SIGBUS, SIGFPE, SIGSEGV, 0}, on_fault_in_go, in_go);
}
