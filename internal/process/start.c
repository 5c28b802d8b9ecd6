// What has to be done before the constructors of libraries run, and so before Go's
// main: .preinit_array runs before them.

#define _GNU_SOURCE // environ, CPU_COUNT

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOG_LEVEL "TF_CPP_MIN_LOG_LEVEL"
#define SILENT "3"

int driftbench_can_start_threads(int n); // of package threads

// The limits below which Go's runtime or a library ends the process at some later
// moment, with pages of its own.
static const struct {
	int resource;
	rlim_t least;
	int hard; // Go's runtime raises the limit to the hard one
	const char *text;
} needs[] = {
	{RLIMIT_AS, 4UL << 30, 0, "driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.\n"},
	{RLIMIT_DATA, 1UL << 30, 0, "driftbench: TensorFlow needs 1 GiB of data and the limit (ulimit -d) is lower: raise it to 1048576 or more.\n"},
	{RLIMIT_STACK, 256UL << 10, 0, "driftbench: threads need a stack of 256 KiB and the limit (ulimit -s) is lower: raise it to 256 or more.\n"},
	{RLIMIT_NOFILE, 32, 1, "driftbench: 32 files must be open at once and the limit (ulimit -n) is lower: raise it to 256 or more.\n"},
};

static void refuse(const char *text) {
	(void)!write(STDERR_FILENO, text, strlen(text));
	_exit(1);
}

// TensorFlow reads its log level when it is loaded, which another thread may be
// doing while main runs: setting a variable then is not safe. The dynamic linker
// finds this getenv before the C library's.
char *getenv(const char *name) {
	const size_t n = strlen(name);
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') return *e + n + 1;
	return strcmp(name, LOG_LEVEL) == 0 ? SILENT : NULL;
}

static void before_constructors(int argc, char **argv, char **envp) {
	(void)argc, (void)argv;
	environ = envp; // not yet set by the C library

	// Else a file that a library opens gets the number of a closed descriptor,
	// and output goes there. Reading and writing still fail with EBADF.
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);

	struct rlimit limit;
	for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
		if (getrlimit(needs[i].resource, &limit) == 0 && (needs[i].hard ? limit.rlim_max : limit.rlim_cur) < needs[i].least)
			refuse(needs[i].text);

	// Go's runtime, OpenBLAS and the engines start about as many threads as there
	// are cores, each.
	cpu_set_t cores;
	int n = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
	if (!driftbench_can_start_threads(16 + 4 * n))
		refuse("driftbench: too few threads can be started: raise the limit on processes (ulimit -u, or pids.max of the container) to 32 or more, and 8 more for each CPU core.\n");
}

__attribute__((section(".preinit_array"), used)) static void (*const entry)(int, char **, char **) = before_constructors;
