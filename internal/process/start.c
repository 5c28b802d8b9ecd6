// What has to be done before the constructors of libraries run, and so before Go's
// main: .preinit_array runs before them.

#define _GNU_SOURCE // environ

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOG_LEVEL "TF_CPP_MIN_LOG_LEVEL"
#define SILENT "3"
#define ADDRESS_SPACE (4UL << 30) // with less, libraries abort at random moments

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

	struct rlimit space;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur < ADDRESS_SPACE) {
		static const char text[] =
			"driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.\n";
		(void)!write(STDERR_FILENO, text, sizeof text - 1);
		_exit(1);
	}
}

__attribute__((section(".preinit_array"), used)) static void (*const entry)(int, char **, char **) = before_constructors;
